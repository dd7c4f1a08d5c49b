"""Attention poem by poem gives what masked attention over the whole row gives."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.attention import varlen
from torch.nn.functional import scaled_dot_product_attention

from pipeline.common.stage import BadInput
from pipeline.modeling.attention import attend_at_once, attend_one_by_one, attention, poem_borders
from pipeline.modeling.base import load_base
from pipeline.modeling.hardware import compile_layers
from pipeline.modeling.likelihood import hidden_states
from tests.support.made_up import FAMILIES


def positions_of(lengths, padding):
    return torch.tensor([place for length in lengths for place in range(length)] + [0] * padding)


@given(lengths=st.lists(st.integers(2, 9), min_size=1, max_size=5), padding=st.integers(0, 5))
def test_poems_begin_where_positions_start_over_and_padding_counts_as_one(lengths, padding):
    rows = positions_of(lengths, padding).repeat(2, 1)
    assert poem_borders(rows).diff().tolist() == [*lengths, *[padding] * bool(padding)] * 2


@given(
    lengths=st.lists(st.integers(2, 9), min_size=1, max_size=5),
    groups=st.sampled_from([(4, 4), (4, 2), (4, 1)]),
    window=st.sampled_from([None, 1, 3]),
)
@settings(max_examples=40)
def test_outputs_and_gradients_are_those_of_a_masked_row(lengths, groups, window):
    torch.manual_seed(0)
    (heads, shared), length = groups, sum(lengths)
    query = torch.randn(1, heads, length, 8, requires_grad=True)
    key, value = (torch.randn(1, shared, length, 8, requires_grad=True) for _ in range(2))
    mask = torch.block_diag(*[torch.ones(size, size) for size in lengths]).bool().tril()
    if window is not None:
        mask = mask.triu(1 - window)
    borders = poem_borders(positions_of(lengths, 0)[None])
    found, _ = attention(None, query, key, value, None, sliding_window=window, poems=borders)
    expected = scaled_dot_product_attention(query, key, value, attn_mask=mask, enable_gqa=True).transpose(1, 2)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    goal = torch.randn_like(found)
    gradients = [torch.autograd.grad((output * goal).sum(), (query, key, value)) for output in (found, expected)]
    torch.testing.assert_close(*gradients, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_gradient_checkpointing_keeps_poems_apart(tiny_bases, family):
    gradients = []
    for checkpointing in (False, True):
        model, _ = load_base(tiny_bases[family], dtype=torch.float32)
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        model.train()
        if checkpointing:
            model.activation_checkpointing_enable({"use_reentrant": False})
        ids = torch.randint(3, 300, (2, 20), generator=torch.Generator().manual_seed(0))
        hidden_states(model, ids, positions_of([8, 12], 0).repeat(2, 1)).square().sum().backward()
        gradients.append([parameter.grad.clone() for parameter in model.base_model.parameters()])
    torch.testing.assert_close(*gradients, atol=1e-4, rtol=1e-3)


def test_a_model_trained_on_packed_rows_still_reads_padded_batches_and_single_poems(tiny_bases):
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


def test_attending_to_all_poems_at_once_equals_one_by_one(monkeypatch):
    """The kernel needs a GPU, so a stand-in here does what its documentation says."""

    def varlen_attn(query, key, value, starts, _, longest, __, *, scale, window_size):
        found = []
        for start, end in pairwise(starts.tolist()):
            assert end - start <= longest
            seen = torch.ones(end - start, end - start).tril().bool()
            if window_size[0] >= 0:
                seen = seen.triu(-window_size[0])
            poem = (whole[start:end].transpose(0, 1) for whole in (query, key, value))
            found.append(scaled_dot_product_attention(*poem, attn_mask=seen, scale=scale).transpose(0, 1))
        return torch.cat(found)

    monkeypatch.setattr(varlen, "varlen_attn", varlen_attn)
    torch.manual_seed(0)
    borders = poem_borders(positions_of([3, 6], 2).repeat(2, 1))
    query = torch.randn(2, 4, 11, 8, dtype=torch.float32)
    key, value = (torch.randn(2, 2, 11, 8).bfloat16() for _ in range(2))
    for window in (None, 1, 4):
        at_once = attend_at_once(query, key, value, borders, 0.3, 0.0, window)
        one_by_one = attend_one_by_one(query, key.float(), value.float(), borders, 0.3, 0.0, window)
        torch.testing.assert_close(at_once.float(), one_by_one, atol=0.03, rtol=0.03)  # the former in bfloat16


def test_what_the_gpu_kernel_lacks_is_refused():
    whole = torch.randn(1, 2, 4, 8)
    with pytest.raises(BadInput, match=r"finetune\.attention.*16-bit numbers and no dropout.*Set it to sdpa"):
        attend_at_once(whole, whole, whole, poem_borders(positions_of([4], 0)[None]), 0.3, 0.0, None)


@pytest.mark.parametrize("family", FAMILIES)
def test_all_layers_are_compiled_once_whatever_the_poems(tiny_bases, family):
    """Here with a compiler that generates no machine code, and with the mask that layers get on a GPU."""
    model, _ = load_base(tiny_bases[family], dtype=torch.float32)
    graphs = []

    def compiler(graph, _):
        graphs.append(graph)
        return graph.forward

    torch.compiler.reset()
    compile_layers(model, backend=compiler)
    ids = torch.randint(3, 300, (2, 20), generator=torch.Generator().manual_seed(0))
    for lengths in ([8, 12], [5, 5, 10], [14, 6]):
        inputs = {"inputs_embeds": model.get_input_embeddings()(ids), "use_cache": False}
        inputs["position_ids"] = positions_of(lengths, 0).repeat(2, 1)
        found = model.base_model(**inputs)[0]
        with torch.compiler.set_stance("force_eager"):
            torch.testing.assert_close(found, model.base_model(**inputs)[0])
    assert len(graphs) == 1
