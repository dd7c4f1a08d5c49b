"""Attention for packed rows, in which each poem attends to itself alone.

Most pairs of positions in a row belong to two poems, and masked attention computes them for nothing. Attending poem by
poem takes a third of its time on two cores. On a GPU all poems go at once, without a mask, through torch's
FlashAttention for sequences of different lengths (`varlen_attn`, torch 2.11 and later).
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
    """Let a model attend poem by poem in each forward pass that gets the arguments returned here.

    Args:
        position_ids: `(rows, length)`, starting at 0 with each poem and staying 0 on padding; on the CPU, so that
            finding the poems waits for no GPU.

    Returns:
        Keyword arguments for the model's forward pass; without them the model attends as usual.
    """
    if model.config._attn_implementation != BY_POEM:
        model.set_attn_implementation(BY_POEM)
    borders = on_device(poem_borders(position_ids), model.device)
    torch._dynamo.maybe_mark_dynamic(borders, 0)  # the number of poems differs from step to step
    # transformers takes a mask of four dimensions as it is; otherwise it would make one that nothing reads.
    return {"poems": borders, "attention_mask": borders.new_ones(1, 1, 1, 1)}


def poem_borders(position_ids: Tensor) -> Tensor:
    """Where each poem begins, and the last one ends, in all rows joined end to end; padding counts as one poem.

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
    """Causal attention within poems, with the signature of a transformers attention function plus `poems`.

    Args:
        query: `(rows, heads, length, head size)`; key and value may have fewer heads, each for a group of the query's.
        poems: their borders, as `poem_borders` returns them.

    Returns:
        `(rows, length, heads, head size)`.

    Raises:
        BadInput: the GPU kernel lacks the data type, or dropout.
    """
    if poems is None:
        options = {"scaling": scaling, "dropout": dropout, "sliding_window": sliding_window}
        return sdpa_attention_forward(module, query, key, value, attention_mask, **options, **rest)
    scaling = query.shape[-1] ** -0.5 if scaling is None else scaling
    attend = attend_one_by_one if query.device.type == "cpu" else attend_at_once
    return attend(query, key, value, poems, scaling, dropout, sliding_window), None


@torch.compiler.disable  # it would unroll the loop over poems, and compile again for the next batch
def attend_one_by_one(
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
        problem = f"{BY_POEM!r} on a GPU needs 16-bit numbers and no dropout, not {value.dtype} with {dropout}"
        raise BadInput("params.yaml: finetune.attention", problem, "Set it to sdpa")
    heads, length = query.shape[1:3]
    # Rotary positions may have made queries and keys float32; torch before 2.12 does not know groups of heads.
    joined = (
        repeat_kv(whole, heads // whole.shape[1]).to(value.dtype).transpose(1, 2).flatten(0, 1)
        for whole in (query, key, value)
    )
    before = -1 if window is None else window - 1  # how far back a token attends, itself not counted
    found = varlen_attn(*joined, borders, borders, length, length, scale=scaling, window_size=(before, 0))
    return found.unflatten(0, (-1, length))


def _attend(queries: Tensor, keys: Tensor, values: Tensor, dropout: float, window: int | None) -> Tensor:
    heads, length, size = queries.shape
    shared = queries.reshape(len(keys), -1, size)  # the queries of a group are neighbours
    scores = torch.bmm(shared, keys.transpose(1, 2)).view(len(keys), -1, length, length)
    seen = torch.ones(length, length, dtype=torch.bool, device=queries.device).tril()
    if window is not None:
        seen = seen.triu(1 - window)
    weights = scores.masked_fill(~seen, torch.finfo(scores.dtype).min).softmax(dim=-1).to(values.dtype)
    weights = nn.functional.dropout(weights, dropout)
    return torch.bmm(weights.view(len(keys), -1, length), values).view(heads, length, size)


AttentionInterface.register(BY_POEM, attention)
AttentionMaskInterface.register(BY_POEM, sdpa_mask)
