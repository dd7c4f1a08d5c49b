"""Attention for packed rows, each poem on its own.

Of the pairs of positions of a row, most belong to two poems and are masked. Poem by poem there is less to compute: on
two cores it takes a third of the time that torch's masked attention takes. On a GPU all poems go at once through
torch's FlashAttention for sequences of differing length (`varlen_attn`, from torch 2.11 on), without a mask.
"""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from pipeline.common.stage import BadInput
from pipeline.modeling.hardware import on_device

BY_POEM = "by_poem"


def attend_poem_by_poem(model: PreTrainedModel, position_ids: Tensor) -> dict[str, Any]:
    """Make a model attend poem by poem wherever it is told where poems start.

    Args:
        position_ids: `(rows, length)`, starting at 0 with each poem and staying 0 on padding; on the CPU, where finding
            the poems waits for no GPU.

    Returns:
        The keyword arguments that tell it so, for the model's forward pass; without them the model attends as ever.
    """
    if model.config._attn_implementation != BY_POEM:
        model.set_attn_implementation(BY_POEM)
    borders = on_device(poem_borders(position_ids), model.device)
    torch._dynamo.maybe_mark_dynamic(borders, 0)  # every step has another number of poems
    # A mask of four dimensions counts as ready-made, or transformers would make one that nothing looks at.
    return {"poems": borders, "attention_mask": borders.new_ones(1, 1, 1, 1)}


def poem_borders(position_ids: Tensor) -> Tensor:
    """Where poems begin, and the last one ends, in all rows joined end to end; a row's padding counts as one poem.

    Returns:
        An int32 tensor that ascends from 0 to the number of positions.
    """
    starts = position_ids == 0
    starts[:, 1:] &= position_ids[:, :-1] != 0
    places = starts.flatten().nonzero()[:, 0]
    return torch.cat([places, places.new_tensor([starts.numel()])]).int()


def attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    poems: Tensor | None = None,
    **rest: Any,
) -> tuple[Tensor, None]:
    """Causal attention within poems; what transformers asks of an attention function, plus `poems`.

    Args:
        query: `(rows, heads, length, head size)`; key and value may have fewer heads, each for a group of the query's.
        poems: their borders in all rows joined end to end, as `poem_borders` finds them.

    Returns:
        `(rows, length, heads, head size)`.

    Raises:
        BadInput: the GPU is to do what its kernel does not know.
    """
    if poems is None:
        options = {"scaling": scaling, "dropout": dropout, "sliding_window": sliding_window}
        return sdpa_attention_forward(module, query, key, value, attention_mask, **options, **rest)
    scaling = query.shape[-1] ** -0.5 if scaling is None else scaling
    attend = attend_in_turn if query.device.type == "cpu" else attend_at_once
    return attend(query, key, value, poems, scaling, dropout, sliding_window), None


@torch.compiler.disable  # which would write out each poem, and anew for the next batch
def attend_in_turn(
    query: Tensor, key: Tensor, value: Tensor, borders: Tensor, scaling: float, dropout: float, window: int | None
) -> Tensor:
    rows, heads, length, size = query.shape
    lengths = borders.diff().tolist()
    joined = (whole.transpose(0, 1).flatten(1, 2).split(lengths, dim=1) for whole in (query * scaling, key, value))
    attended = [_attend(*poem, dropout, window) for poem in zip(*joined, strict=True)]
    return torch.cat(attended, dim=1).transpose(0, 1).reshape(rows, length, heads, size)


def attend_at_once(
    query: Tensor, key: Tensor, value: Tensor, borders: Tensor, scaling: float, dropout: float, window: int | None
) -> Tensor:
    from torch.nn.attention.varlen import varlen_attn

    if dropout or value.dtype not in (torch.bfloat16, torch.float16):
        problem = f"{BY_POEM!r} on a GPU is for 16-bit numbers without dropout, not {value.dtype} with {dropout}"
        raise BadInput("params.yaml: finetune.attention", problem, "Set it to sdpa")
    heads, length = query.shape[1:3]
    # Rotary positions may have made queries and keys float32; groups of heads are known to torch 2.12 and later only.
    joined = (
        repeat_kv(whole, heads // whole.shape[1]).to(value.dtype).transpose(1, 2).flatten(0, 1)
        for whole in (query, key, value)
    )
    before = -1 if window is None else window - 1  # how far a token looks back, itself not counted
    found = varlen_attn(*joined, borders, borders, length, length, scale=scaling, window_size=(before, 0))
    return found.unflatten(0, (-1, length))


def _attend(queries: Tensor, keys: Tensor, values: Tensor, dropout: float, window: int | None) -> Tensor:
    heads, length, size = queries.shape
    shared = queries.reshape(len(keys), -1, size)  # the queries of a group stand one after the other
    scores = torch.bmm(shared, keys.transpose(1, 2)).view(len(keys), -1, length, length)
    seen = torch.ones(length, length, dtype=torch.bool, device=queries.device).tril()
    if window is not None:
        seen = seen.triu(1 - window)
    weights = scores.masked_fill(~seen, torch.finfo(scores.dtype).min).softmax(dim=-1).to(values.dtype)
    weights = nn.functional.dropout(weights, dropout)
    return torch.bmm(weights.view(len(keys), -1, length), values).view(heads, length, size)


AttentionInterface.register(BY_POEM, attention)
AttentionMaskInterface.register(BY_POEM, sdpa_mask)
