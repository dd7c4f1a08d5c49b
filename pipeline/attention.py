"""Attention for packed rows on a CPU: each poem on its own.

torch's attention for CPUs computes every pair of positions of a row and masks most of them. Poem by poem there is less
to compute, and matrix products in bfloat16 run at full speed: on two cores it takes a third of the time.
"""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

NAME = "poems"


def attend_poem_by_poem(model: PreTrainedModel, position_ids: Tensor) -> dict[str, Any]:
    """Make a model attend poem by poem wherever it is told where poems start.

    Args:
        position_ids: `(rows, length)`, starting at 0 with each poem and staying 0 on padding.

    Returns:
        The keyword argument that tells it so, for the model's forward pass; without it the model attends as ever.
    """
    if model.config._attn_implementation != NAME:
        model.set_attn_implementation(NAME)
    return {"poem_lengths": [poem_lengths(row) for row in position_ids]}


def poem_lengths(positions: Tensor) -> list[int]:
    """How long the poems of a row are, one after the other; padding counts as the last one."""
    zero = positions == 0
    starts = zero.clone()
    starts[1:] &= ~zero[:-1]
    borders = torch.cat([starts.nonzero()[:, 0], positions.new_tensor([len(positions)])])
    return borders.diff().tolist()


def attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    poem_lengths: list[list[int]] | None = None,
    **rest: Any,
) -> tuple[Tensor, None]:
    """Causal attention within poems; what transformers asks of an attention function, plus `poem_lengths`.

    Args:
        query: `(rows, heads, length, head size)`; key and value may have fewer heads, each for a group of the query's.

    Returns:
        `(rows, length, heads, head size)`.
    """
    if poem_lengths is None:
        options = {"scaling": scaling, "dropout": dropout, "sliding_window": sliding_window}
        return sdpa_attention_forward(module, query, key, value, attention_mask, **options, **rest)
    scaling = query.shape[-1] ** -0.5 if scaling is None else scaling
    rows = []
    for queries, keys, values, lengths in zip(query * scaling, key, value, poem_lengths, strict=True):
        parts = (whole.split(lengths, dim=1) for whole in (queries, keys, values))
        poems = [_attend(*poem, dropout, sliding_window) for poem in zip(*parts, strict=True)]
        rows.append(torch.cat(poems, dim=1))
    return torch.stack(rows).transpose(1, 2).contiguous(), None


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


AttentionInterface.register(NAME, attention)
AttentionMaskInterface.register(NAME, sdpa_mask)
