"""Of several poems the one with the lowest penalties is chosen."""

import pytest
import torch

from pipeline.generation.best_of import candidate_seeds, penalties, write_best
from pipeline.generation.decoder import Poem, write_poems
from pipeline.modeling.base import load_base
from pipeline.modeling.prompt import Request
from pipeline.tokenize import add_language_tokens
from tests.generation.test_write_poems import REQUESTS, SAMPLING, SEEDS
from tests.support.made_up import tiny_base

GOOD = """The kettle knows the hour before the clock,
and hums it to the window and the rain;
my mother turns the key inside the lock
and sets the table for herself again."""
FOREIGN = GOOD.replace("and hums it to the window and the rain", "y lo canta despacio junto a la ventana")
LOOPING = "\n".join(["The kettle knows the hour before the clock,"] * 6)
REPETITIVE = "\n".join(f"the kettle knows the hour of the {noun}" for noun in ("clock", "rain", "lock", "key"))
LANGUAGES = ("en", "es")


def total(poem: Poem, language: str = "en", training: tuple[str, ...] = ()) -> float:
    return sum(penalties(poem, language, LANGUAGES, training).values())


@pytest.mark.parametrize("text", [FOREIGN, LOOPING, REPETITIVE])
def test_a_flawed_poem_ranks_below_a_good_one(text):
    assert total(Poem(text, ended=True)) > total(Poem(GOOD, ended=True)) == 0


def test_a_poem_cut_off_ranks_below_the_same_that_ended():
    assert total(Poem(GOOD, ended=False)) > total(Poem(GOOD, ended=True))


def test_a_poem_in_another_language_has_every_line_against_it():
    found = penalties(Poem(GOOD, ended=True), "es", LANGUAGES)
    assert (found["language"], found["foreign_lines"]) == (1, 1)


def test_a_poem_copied_from_training_ranks_below_one_that_is_not():
    poem = Poem(GOOD, ended=True)
    assert "copied" not in penalties(poem, "en", LANGUAGES)
    assert penalties(poem, "en", LANGUAGES, ["prose before it " + GOOD])["copied"] == 1
    assert total(poem, training=(GOOD,)) > total(poem, training=("a wholly other poem about the sea at night",)) == 0


def test_every_penalty_is_between_0_and_1():
    for text in (GOOD, FOREIGN, LOOPING, REPETITIVE, "", "☂"):
        assert all(
            0 <= penalty <= 1 for penalty in penalties(Poem(text, ended=False), "en", LANGUAGES, [GOOD]).values()
        )


@pytest.fixture(scope="module")
def poet(tmp_path_factory):
    model, tokenizer = load_base(tiny_base("llama", tmp_path_factory.mktemp("ranked")), dtype=torch.float32)
    add_language_tokens(tokenizer, ["en", "es"])
    torch.manual_seed(0)
    model.resize_token_embeddings(len(tokenizer))
    return model, tokenizer


def test_the_best_of_several_has_the_lowest_penalties(poet):
    blended = [(Request("en", style="ballad"), 0.5), (Request("en"), 0.5)]
    asked, seeds = [*REQUESTS, blended], [*SEEDS, 6]
    best = write_best(*poet, asked, [SAMPLING] * 6, seeds, candidates=4)
    for request, seed, poem in zip(asked, seeds, best, strict=True):
        written = write_poems(*poet, [request] * 4, [SAMPLING] * 4, candidate_seeds(seed, 4))
        language = "en" if request is blended else request.language
        assert poem in written
        assert total(poem, language) == min(total(each, language) for each in written)


def test_the_best_of_one_is_the_poem_of_the_seed(poet):
    best = write_best(*poet, REQUESTS, [SAMPLING] * 5, SEEDS, candidates=1)
    assert best == write_poems(*poet, REQUESTS, [SAMPLING] * 5, SEEDS)


def test_candidates_of_neighbouring_seeds_differ():
    seeds = [seed for first in range(20) for seed in candidate_seeds(first, 8)]
    assert len(set(seeds)) == len(seeds)
