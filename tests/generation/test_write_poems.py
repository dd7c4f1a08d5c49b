"""Poems are whole, within their limits, and the same for a seed whatever else is in the batch."""

from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import LlamaConfig

from pipeline.common.params import Generation
from pipeline.common.stage import BadInput
from pipeline.generation.decoder import Poem, write_poems
from pipeline.modeling.base import load_base
from pipeline.modeling.prompt import Request, encode_header
from tests.support.made_up import FAMILIES, tiny_tokenizer

SAMPLING = Generation(temperature=1.0, top_p=0.95, top_k=40, max_words=30, block_loops=True)
GREEDY = SAMPLING.model_copy(update={"temperature": 0.0})
REQUESTS = [
    Request("en"),
    Request("es", first_line="el río guarda su plata"),
    Request("en", style="ballad", author="Nobody", title="Stones", first_line="the river\nkeeps its silver"),
    Request("es", title="Un título bastante más largo que los otros"),
    Request("en", first_line="winter rain"),
]
SEEDS = [1, 2, 3, 4, 5]


class Script(torch.nn.Module):
    """A model whose likeliest token at each step is the next one of a text, over and over."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tokenizer = tiny_tokenizer(begin=True)
        self.config = LlamaConfig(num_hidden_layers=1)
        self.device = torch.device("cpu")
        self.tokens = self.tokenizer.encode(text)
        self.step = 0

    def forward(self, input_ids: torch.Tensor, **_: object) -> SimpleNamespace:
        logits = torch.zeros(len(input_ids), 1, len(self.tokenizer))
        logits[:, :, self.tokenizer.encode("winter")[0]] = 1.0  # second best, whatever the first
        logits[:, :, self.tokens[self.step % len(self.tokens)]] = 2.0
        self.step += 1
        return SimpleNamespace(logits=logits)


def recited(text: str, first_line: str = "", **changes: object) -> Poem:
    model = Script(text)
    sampling = GREEDY.model_copy(update=changes)
    return write_poems(model, model.tokenizer, [Request("en", first_line=first_line)], [sampling], [0])[0]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_poem_depends_on_its_seed_and_not_on_its_batch(tiny_bases, family):
    model, tokenizer = load_base(tiny_bases[family], dtype=torch.float32)
    together = write_poems(model, tokenizer, REQUESTS, [SAMPLING] * 5, SEEDS, batch_size=5)
    in_pairs = write_poems(model, tokenizer, REQUESTS, [SAMPLING] * 5, SEEDS, batch_size=2)
    backwards = write_poems(model, tokenizer, REQUESTS[::-1], [SAMPLING] * 5, SEEDS[::-1], batch_size=5)
    assert together == in_pairs == backwards[::-1]
    assert len({poem.text for poem in together}) == 5


@pytest.mark.parametrize("family", FAMILIES)
def test_greedy_decoding_matches_transformers(tiny_bases, family):
    model, tokenizer = load_base(tiny_bases[family], dtype=torch.float32)
    sampling = GREEDY.model_copy(update={"block_loops": False})
    poems = write_poems(model, tokenizer, REQUESTS, [sampling] * 5, SEEDS)
    for request, poem in zip(REQUESTS, poems, strict=True):
        prompt = torch.tensor(
            [encode_header(tokenizer, request) + tokenizer.encode(request.first_line, add_special_tokens=False)]
        )
        output = model.generate(prompt, attention_mask=torch.ones_like(prompt), do_sample=False, max_new_tokens=120)
        theirs = request.first_line + tokenizer.decode(output[0, prompt.shape[1] :], skip_special_tokens=True)
        assert theirs.strip().startswith(poem.text)


def test_another_seed_writes_another_poem(tiny_bases):
    model, tokenizer = load_base(tiny_bases["llama"], dtype=torch.float32)
    poems = write_poems(model, tokenizer, [REQUESTS[0]] * 2, [SAMPLING] * 2, [1, 2])
    assert poems[0] != poems[1]


@settings(max_examples=30)
@given(max_words=st.integers(6, 40), seed=st.integers(0, 1000), which=st.integers(0, len(REQUESTS) - 1))
def test_a_poem_keeps_its_first_line_and_its_limit(tiny_bases, max_words, seed, which):
    model, tokenizer = load_base(tiny_bases["gpt2"], dtype=torch.float32)
    sampling = SAMPLING.model_copy(update={"max_words": max_words, "top_k": 0})
    [poem] = write_poems(model, tokenizer, [REQUESTS[which]], [sampling], [seed])
    assert poem.text.startswith(REQUESTS[which].first_line)
    assert poem.text == poem.text.strip()
    assert len(poem.text.split()) <= max_words
    assert "<|" not in poem.text


def test_a_poem_that_a_limit_cuts_off_ends_with_a_whole_line():
    poem = recited("the river keeps\nits silver under stones\n", block_loops=False, max_words=12)
    assert poem == Poem("the river keeps\nits silver under stones\nthe river keeps", ended=False)


def test_one_endless_line_ends_with_a_whole_word():
    assert recited(" silver under stones", first_line="the river", max_words=6).text.split()[-1] in {
        "silver",
        "under",
        "stones",
    }


def test_a_poem_that_ends_itself_says_so():
    assert recited("the river keeps its silver<eos>") == Poem("the river keeps its silver", ended=True)


def test_a_line_does_not_come_twice_in_a_row():
    assert recited("the river keeps\n", block_loops=False).text.split("\n")[:3] == ["the river keeps"] * 3
    first, second, *_ = recited("the river keeps\n").text.split("\n")
    assert first == "the river keeps" != second


def test_lines_that_loop_in_turn_are_stopped():
    lines = recited("the river keeps\nunder stones\n").text.split("\n")
    assert lines[:2] == ["the river keeps", "under stones"]
    assert lines[2] not in lines[:2]


def test_the_first_line_counts_towards_repetition():
    first, second, *_ = recited("\nthe river keeps", first_line="the river keeps").text.split("\n")
    assert first == "the river keeps" != second


def test_a_refrain_opens_every_stanza():
    stanzas = ("its silver\nunder stones", "a lantern\nof cold rain", "my brother\nin July", "what it is owed\nby us")
    song = "\n\n".join(f"the river keeps\n{lines}" for lines in stanzas)
    assert recited(song + "<eos>", max_words=60) == Poem(song, ended=True)


def test_a_first_line_without_room_for_a_poem_is_rejected(tiny_bases):
    model, tokenizer = load_base(tiny_bases["llama"], dtype=torch.float32)
    with pytest.raises(BadInput, match="30 words leave no room"):
        write_poems(model, tokenizer, [Request("en", first_line="rain " * 30)], [SAMPLING], [0])
