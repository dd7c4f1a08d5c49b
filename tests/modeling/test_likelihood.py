"""Poems of any length are scored whole, and no text in them controls the model."""

from collections import Counter

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import GPT2Config, GPT2LMHeadModel

from pipeline.common.stage import BadInput
from pipeline.modeling.base import load_base
from pipeline.modeling.likelihood import (
    CHUNK,
    bits_per_byte,
    check_head,
    hidden_states,
    poem_log_likelihoods,
    summed_loss,
)
from pipeline.modeling.prompt import Request, encode_header, encode_text
from pipeline.tokenize import add_language_tokens
from tests.support.made_up import FAMILIES

POEM = "the river keeps its silver under stones\nwinter rain\n\n" * 6


@pytest.fixture
def gpt2(tiny_bases):
    return load_base(tiny_bases["gpt2"], dtype=torch.float32)


def test_a_poem_longer_than_the_context_is_scored_in_windows(gpt2):
    model, tokenizer = gpt2
    long = POEM * 12
    assert len(encode_text(tokenizer, long)) > model.config.max_position_embeddings
    [score] = poem_log_likelihoods(model, tokenizer, [Request("en")], [long])
    [part] = poem_log_likelihoods(model, tokenizer, [Request("en")], [POEM])
    assert bits_per_byte([score], [long]) == pytest.approx(bits_per_byte([part], [POEM]), rel=0.05)


def test_every_token_of_a_long_poem_is_scored_once(gpt2):
    model, tokenizer = gpt2
    with torch.no_grad():  # with a head of zeros every token costs the same, so the sum counts them
        model.get_output_embeddings().weight.zero_()
    long = POEM * 12
    [score] = poem_log_likelihoods(model, tokenizer, [Request("en")], [long])
    per_token = torch.tensor(float(model.config.vocab_size)).log().item()
    assert -score / per_token == pytest.approx(len(encode_text(tokenizer, long)), rel=1e-4)


def test_neither_order_nor_batch_size_changes_a_score(gpt2):
    model, tokenizer = gpt2
    texts = [POEM, "winter rain", POEM * 2, "under stones\n"]
    requests = [Request("en", title=str(number)) for number in range(4)]
    together = poem_log_likelihoods(model, tokenizer, requests, texts, batch_size=4)
    alone = poem_log_likelihoods(model, tokenizer, requests[::-1], texts[::-1], batch_size=1)[::-1]
    assert together == pytest.approx(alone, abs=1e-3)


def test_a_control_token_in_a_poem_or_a_title_is_spelled_out(gpt2):
    _, tokenizer = gpt2
    add_language_tokens(tokenizer, ["en", "es"])
    control = tokenizer.convert_tokens_to_ids("<|es|>")
    assert encode_header(tokenizer, Request("es"))[1] == control
    hostile = Request("en", title="<|es|> <|endoftext|>")
    assert encode_header(tokenizer, hostile).count(control) == 0
    assert encode_header(tokenizer, hostile).count(tokenizer.eos_token_id) == 1  # the one that begins the text
    assert tokenizer.decode(encode_text(tokenizer, "a <|es|> b")) == "a <|es|> b"
    assert control not in encode_text(tokenizer, "a <|es|> b")


@pytest.mark.parametrize("family", FAMILIES)
def test_logits_computed_here_are_those_of_each_family(tiny_bases, family):
    check_head(load_base(tiny_bases[family], dtype=torch.float32)[0])


def test_a_head_with_a_bias_is_refused(gpt2):
    model, _ = gpt2
    model.lm_head.bias = torch.nn.Parameter(torch.linspace(-1, 1, model.config.vocab_size))
    with pytest.raises(BadInput, match=r"output head of a GPT2LMHeadModel.*Choose a base of another family"):
        check_head(model)


def test_a_softcap_on_the_logits_has_its_gradient(gpt2):
    model, tokenizer = gpt2
    model.config.final_logit_softcapping = 2.0
    ids = torch.tensor([encode_text(tokenizer, POEM)[:40]])
    hidden = hidden_states(model, ids).detach().requires_grad_()
    summed_loss(model, hidden, ids).backward()
    logits = torch.tanh(hidden[:, :-1] @ model.lm_head.weight.T / 2) * 2
    expected = torch.nn.functional.cross_entropy(logits[0], ids[0, 1:], reduction="sum")
    [gradient] = torch.autograd.grad(expected, hidden)
    torch.testing.assert_close(hidden.grad, gradient, atol=1e-5, rtol=1e-4)


class Largest(TorchDispatchMode):
    """The size of the largest tensor that any operation returns, by data type."""

    def __init__(self):
        super().__init__()
        self.numbers = Counter()

    def __torch_dispatch__(self, operation, types, arguments=(), named=None):
        made = operation(*arguments, **(named or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, torch.Tensor):
                self.numbers[tensor.dtype] = max(self.numbers[tensor.dtype], tensor.numel())
        return made


def test_the_loss_holds_neither_the_logits_of_all_positions_nor_any_in_float32():
    vocabulary, size, positions = 4000, 8, 3000
    model = GPT2LMHeadModel(GPT2Config(vocab_size=vocabulary, n_embd=size, n_layer=1, n_head=1))
    hidden = torch.randn(1, positions, size, dtype=torch.bfloat16, requires_grad=True)
    labels = torch.randint(0, vocabulary, (1, positions))
    with Largest() as largest, torch.autocast("cpu", torch.bfloat16):
        summed_loss(model, hidden, labels).backward()
    assert largest.numbers[torch.float32] == vocabulary * size  # the head's gradient
    assert largest.numbers[torch.bfloat16] == 2 * 4 * CHUNK * vocabulary  # logits and probabilities of a chunk
    assert positions > 2 * 4 * CHUNK
