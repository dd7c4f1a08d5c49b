"""Poems join and leave a batch at any step, and each is the same as if it were written alone."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.common.stage import BadInput
from pipeline.generation.decoder import Decoder, Poem, write_poems
from pipeline.modeling.base import load_base
from pipeline.modeling.prompt import Request
from tests.generation.test_write_poems import GREEDY, REQUESTS, SAMPLING, SEEDS, Script
from tests.support.made_up import FAMILIES

AS_IT_COMES = SAMPLING.model_copy(update={"top_k": 0, "top_p": 1.0, "temperature": 2.0})


@pytest.fixture(scope="module")
def tiny_models(tiny_bases):
    """A model and its tokenizer for each family."""
    return {family: load_base(folder, dtype=torch.float32) for family, folder in tiny_bases.items()}


def finished(decoder: Decoder) -> dict[int, Poem]:
    """Steps until no poem is left; the poems by sequence id."""
    poems = {}
    while len(decoder):
        poems |= {progress.sequence_id: progress.poem for progress in decoder.step() if progress.done}
    return poems


def streamed(model, tokenizer, request, sampling, seed) -> tuple[list[str], Poem]:
    """The texts one poem showed on the way, and the poem."""
    decoder = Decoder(model, tokenizer)
    decoder.add(request, sampling, seed)
    texts = []
    while True:
        [progress] = decoder.step()
        texts.append(progress.text)
        if progress.done:
            return texts, progress.poem


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=5)
@given(joins=st.lists(st.integers(0, 12), min_size=5, max_size=5), leaves=st.integers(1, 12))
def test_a_poem_depends_neither_on_when_it_joins_nor_on_who_leaves(tiny_models, family, joins, leaves):
    model, tokenizer = tiny_models[family]
    alone = write_poems(model, tokenizer, REQUESTS, [SAMPLING] * 5, SEEDS, batch_size=1)
    decoder = Decoder(model, tokenizer)
    ids, poems = {}, {}
    passer_by = decoder.add(Request("en", title="Someone who does not stay"), SAMPLING, 99)
    for step in range(13 + 4 * SAMPLING.max_words):
        for number, join in enumerate(joins):
            if join == step:
                ids[decoder.add(REQUESTS[number], SAMPLING, SEEDS[number])] = number
        if step == leaves:
            decoder.cancel(passer_by)
        poems |= {progress.sequence_id: progress.poem for progress in decoder.step() if progress.done}
    assert {ids[sequence_id]: poem for sequence_id, poem in poems.items() if sequence_id != passer_by} == dict(
        enumerate(alone)
    )
    assert len(decoder) == 0


def test_every_step_writes_one_token_of_every_active_poem(tiny_models):
    model, tokenizer = tiny_models["llama"]
    decoder = Decoder(model, tokenizer)
    first = decoder.add(REQUESTS[0], SAMPLING, 1)
    assert [progress.sequence_id for progress in decoder.step()] == [first]
    second = decoder.add(REQUESTS[1], SAMPLING, 2)
    assert [progress.sequence_id for progress in decoder.step()] == [first, second]
    assert [sequence.token_count for sequence in decoder.active.values()] == [2, 1]
    decoder.cancel(first)
    decoder.cancel(first)
    assert len(decoder) == 1
    assert [progress.sequence_id for progress in decoder.step()] == [second]
    decoder.cancel(second)
    assert decoder.step() == []


def test_poems_that_wait_for_room_are_written_too(tiny_models):
    model, tokenizer = tiny_models["gpt2"]
    decoder = Decoder(model, tokenizer, batch_size=2)
    ids = [decoder.add(request, SAMPLING, seed) for request, seed in zip(REQUESTS, SEEDS, strict=True)]
    assert len(decoder) == 5
    assert [progress.sequence_id for progress in decoder.step()] == ids[:2]
    decoder.cancel(ids[-1])
    assert sorted(finished(decoder)) == ids[:4]


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=8)
@given(seed=st.integers(0, 1000), which=st.integers(0, len(REQUESTS) - 1))
def test_the_text_only_grows_and_never_ends_in_part_of_a_character(tiny_models, family, seed, which):
    model, tokenizer = tiny_models[family]
    texts, poem = streamed(model, tokenizer, REQUESTS[which], AS_IT_COMES, seed)
    assert all(after.startswith(before) for before, after in pairwise(texts))
    assert not any(text.endswith("\N{REPLACEMENT CHARACTER}") for text in texts)
    assert poem.text == texts[-1] if poem.ended else texts[-1].startswith(poem.text)
    assert texts[0].startswith(REQUESTS[which].first_line)


def test_a_character_of_several_tokens_is_shown_when_it_is_whole():
    model = Script("☂")
    assert len(model.tokens) > 1
    texts, _ = streamed(model, model.tokenizer, Request("en", first_line="rain "), GREEDY, 0)
    assert texts[: len(model.tokens)] == ["rain"] * (len(model.tokens) - 1) + ["rain☂"]


SONG = "its silver\n\nunder stones\nits rain\n\nwhat it is owed\n\nwinter rain<eos>"


@pytest.mark.parametrize(
    ("stanzas", "text"),
    [
        (1, "the river keeps its silver"),
        (2, "the river keeps its silver\n\nunder stones\nits rain"),
        (9, "the river keeps " + SONG.removesuffix("<eos>")),
        (None, "the river keeps " + SONG.removesuffix("<eos>")),
    ],
)
def test_a_poem_has_no_more_stanzas_than_asked_for(stanzas, text):
    model = Script(" " + SONG)
    sampling = GREEDY.model_copy(update={"stanzas": stanzas, "block_loops": False})
    assert write_poems(model, model.tokenizer, [Request("en", first_line="the river keeps")], [sampling], [0]) == [
        Poem(text, ended=True)
    ]


def test_stanzas_of_the_prompt_alone_are_not_counted():
    model = Script("\n\nits silver\n\nunder stones")
    sampling = GREEDY.model_copy(update={"stanzas": 1})
    opening = "the river\n\nkeeps"
    [poem] = write_poems(model, model.tokenizer, [Request("en", first_line=opening)], [sampling], [0])
    assert poem == Poem("the river\n\nkeeps\n\nits silver", ended=True)


def blended(model, tokenizer, *parts) -> str:
    return write_poems(model, tokenizer, [parts], [SAMPLING], [7])[0].text


@pytest.mark.parametrize("family", FAMILIES)
def test_a_blend_follows_its_parts_in_proportion_to_their_weights(tiny_models, family):
    model, tokenizer = tiny_models[family]
    one, other = (Request("en", author=author, first_line="the river") for author in ("Ann", "Somebody Else"))
    [alone, elsewise] = (poem.text for poem in write_poems(model, tokenizer, [one, other], [SAMPLING] * 2, [7, 7]))
    assert blended(model, tokenizer, (one, 1.0)) == alone
    assert blended(model, tokenizer, (one, 1.0), (other, 0.0)) == alone
    assert blended(model, tokenizer, (one, 0.5), (one, 0.5)) == alone
    halves = blended(model, tokenizer, (one, 0.5), (other, 0.5))
    assert halves == blended(model, tokenizer, (other, 0.5), (one, 0.5))
    assert halves == blended(model, tokenizer, (one, 3), (other, 3))
    assert halves not in (alone, elsewise)
    assert halves.startswith("the river")


def test_blends_and_single_requests_share_a_batch(tiny_models):
    model, tokenizer = tiny_models["gemma3"]
    blend = [(Request("es", style="soneto"), 0.3), (Request("es", author="Inés"), 0.6), (Request("es"), 0.1)]
    asked = [REQUESTS[0], blend, REQUESTS[1], blend[:2]]
    alone = [write_poems(model, tokenizer, [each], [SAMPLING], [3])[0] for each in asked]
    assert write_poems(model, tokenizer, asked, [SAMPLING] * 4, [3] * 4, batch_size=3) == alone


@pytest.mark.parametrize(
    ("blend", "message"),
    [
        ([(Request("en"), 0.5), (Request("es"), 0.5)], r"blend: language: \['en', 'es'\] cannot be blended"),
        ([(Request("en"), 1), (Request("en", first_line="rain"), 1)], "blend: first_line"),
        ([(Request("en"), -1.0), (Request("en"), 2.0)], "not all at least 0"),
        ([(Request("en"), 0.0)], "not all at least 0"),
        ([], "not all at least 0"),
        ([(Request("en"), float("nan"))], "not all at least 0"),
    ],
)
def test_requests_that_cannot_be_blended_are_rejected(tiny_models, blend, message):
    model, tokenizer = tiny_models["llama"]
    decoder = Decoder(model, tokenizer)
    with pytest.raises(BadInput, match=message):
        decoder.add(blend, SAMPLING, 0)
    assert len(decoder) == 0
