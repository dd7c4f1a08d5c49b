"""Attention poem by poem is masked attention over the whole row, in less time."""

import pytest
import torch
from conftest import FAMILIES
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import scaled_dot_product_attention

from pipeline.attention import attention, poem_lengths
from pipeline.base import load_base
from pipeline.likelihood import hidden_states


def positions_of(lengths, padding):
    return torch.tensor([place for length in lengths for place in range(length)] + [0] * padding)


@given(lengths=st.lists(st.integers(2, 9), min_size=1, max_size=5), padding=st.integers(0, 5))
@settings(deadline=None)
def test_poems_end_where_positions_start_again_and_padding_is_one_stretch(lengths, padding):
    assert poem_lengths(positions_of(lengths, padding)) == [*lengths, *[padding] * bool(padding)]


@given(
    lengths=st.lists(st.integers(2, 9), min_size=1, max_size=5),
    groups=st.sampled_from([(4, 4), (4, 2), (4, 1)]),
    window=st.sampled_from([None, 1, 3]),
)
@settings(deadline=None, max_examples=40)
def test_outputs_and_gradients_are_those_of_a_masked_row(lengths, groups, window):
    torch.manual_seed(0)
    (heads, shared), length = groups, sum(lengths)
    query = torch.randn(1, heads, length, 8, requires_grad=True)
    key, value = (torch.randn(1, shared, length, 8, requires_grad=True) for _ in range(2))
    mask = torch.block_diag(*[torch.ones(size, size) for size in lengths]).bool().tril()
    if window is not None:
        mask = mask.triu(1 - window)
    found, _ = attention(
        None, query, key, value, None, sliding_window=window, poem_lengths=[poem_lengths(positions_of(lengths, 0))]
    )
    expected = scaled_dot_product_attention(query, key, value, attn_mask=mask, enable_gqa=True).transpose(1, 2)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    goal = torch.randn_like(found)
    gradients = [torch.autograd.grad((output * goal).sum(), (query, key, value)) for output in (found, expected)]
    torch.testing.assert_close(*gradients, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_gradient_checkpointing_does_not_lose_where_poems_start(tiny_bases, family):
    gradients = []
    for checkpointing in (False, True):
        model, _ = load_base(tiny_bases[family], dtype=torch.float32)
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        model.train()
        if checkpointing:
            model.gradient_checkpointing_enable({"use_reentrant": False})
        ids = torch.randint(3, 300, (2, 20), generator=torch.Generator().manual_seed(0))
        hidden_states(model, ids, positions_of([8, 12], 0).repeat(2, 1)).square().sum().backward()
        gradients.append([parameter.grad.clone() for parameter in model.base_model.parameters()])
    torch.testing.assert_close(*gradients, atol=1e-4, rtol=1e-3)


def test_a_model_that_trained_on_packed_rows_still_reads_padded_batches_and_single_poems(tiny_bases):
    model, _ = load_base(tiny_bases["llama"], dtype=torch.float32)
    ids = torch.randint(3, 300, (1, 12), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before = model(ids).logits
        hidden_states(model, ids, positions_of([5, 7], 0)[None])
        padded = torch.cat([torch.zeros(1, 3, dtype=torch.long), ids], dim=1)
        mask = torch.cat([torch.zeros(1, 3), torch.ones(1, 12)], dim=1).long()
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
        after = model(padded, attention_mask=mask, position_ids=positions).logits[:, 3:]
        torch.testing.assert_close(model(ids).logits, before)
        torch.testing.assert_close(after, before, atol=1e-4, rtol=1e-3)
