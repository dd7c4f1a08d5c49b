"""Copied runs are found, whole and at their length; original text does not count as copied."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.common.text import ngrams, words_of
from pipeline.metrics.novelty import copied, nearest
from pipeline.metrics.registry import NOVEL_LENGTHS
from tests.support.damaged import LANGUAGES, human, words_shuffled


def halves(language):
    """Poems of the anthology to be training poems, and others to be new ones."""
    texts = human(language, count=60)
    return texts[::2], texts[1::2]


@pytest.mark.parametrize("language", LANGUAGES)
def test_new_human_poems_are_more_novel_than_the_same_with_copied_stanzas(language):
    training, new = halves(language)
    patched = [f"{poem}\n\n{known}" for poem, known in zip(new, training, strict=False)]
    original, damaged = copied(new, training), copied(patched, training)
    for n in NOVEL_LENGTHS:
        assert all(
            one.novel[n] is None or one.novel[n] > other.novel[n] for one, other in zip(original, damaged, strict=False)
        )
    assert max(one.longest_run for one in original) < min(other.longest_run for other in damaged)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_memorized_poem_has_no_novelty_and_is_copied_in_one_run(language):
    training, _ = halves(language)
    for poem, found in zip(training, copied(training, training), strict=True):
        assert set(found.novel.values()) <= {0.0, None}
        assert found.run.split() == words_of(poem)
        assert found.longest_run == len(words_of(poem))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_poem_most_similar_to_a_shuffled_one_is_its_original(language):
    training, new = halves(language)
    found = nearest([words_shuffled(poem) for poem in training], training)
    assert [one.index for one in found] == list(range(len(training)))
    assert all(one.similarity > 0.99 for one in found)
    assert all(one.similarity < 0.9 for one in nearest(new, training))


def test_a_poem_of_unknown_words_is_similar_to_none():
    assert nearest(["xyzzy plugh", ""], ["the rain", "a stone"]) == [(0, 0.0), (0, 0.0)]


def test_runs_go_over_line_breaks_case_and_punctuation_but_not_over_the_end_of_a_poem():
    training = ["One two three\nfour five, six.", "seven eight nine ten eleven"]
    [found] = copied(["zero ONE two\nthree four — five six seven eight nine ten"], training)
    assert found.run == "one two three four five six"
    assert found.longest_run == 6
    # Seven n-grams of five words: two in the first poem, none across both.
    assert found.novel[5] == pytest.approx(5 / 7)
    assert found.novel[6] == pytest.approx(5 / 6)
    assert found.novel[7] == 1
    assert found.novel[12] is None


@settings(max_examples=200)
@given(st.lists(st.text(alphabet="ab ", min_size=9, max_size=60), min_size=1, max_size=4), st.integers(0, 99))
def test_novelty_follows_its_definition(training, seed):
    poem = " ".join(Random(seed).choices("ab", k=30))
    [found] = copied([poem], training)
    for n in NOVEL_LENGTHS:
        known = {gram for text in training for gram in ngrams(words_of(text), n)}
        grams = list(ngrams(words_of(poem), n))
        assert found.novel[n] == pytest.approx(sum(gram not in known for gram in grams) / len(grams))
    if found.longest_run:
        assert any(f" {found.run} " in f" {' '.join(words_of(text))} " for text in training)
