"""Poems fit their titles, first lines and stanzas; poems that swapped their lines do not."""

from random import Random
from statistics import mean

import numpy as np
import pytest

from pipeline.common.stage import BadInput
from pipeline.common.text import lines_of
from pipeline.metrics.coherence import PACKAGED_NAME, Coherence, SentenceModel, coherence
from tests.support.damaged import LANGUAGES, anthology


@pytest.fixture(scope="module")
def packaged():
    """The model that params.yaml names."""
    return SentenceModel(PACKAGED_NAME)


@pytest.fixture(scope="module")
def tiny(tiny_bases):
    """An untrained model."""
    return SentenceModel(str(tiny_bases["llama"]))


def averages(found):
    columns = [[value for value in column if value is not None] for column in zip(*found, strict=True)]
    return Coherence(*map(mean, columns))


def lines_swapped(poems, seed=0):
    """Poems of the same shapes with each other's lines."""
    lines = [line for poem in poems for line in lines_of(poem)]
    Random(seed).shuffle(lines)
    shuffled = iter(lines)
    return ["\n".join(next(shuffled) if line else "" for line in poem.split("\n")) for poem in poems]


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
def test_human_poems_fit_their_titles_first_lines_and_stanzas_and_mixed_ones_do_not(packaged, language):
    chosen = anthology(language, count=40)
    texts, titles = [poem.text for poem in chosen], [poem.title for poem in chosen]
    original, mixed = (averages(coherence(packaged, poems, titles)) for poems in (texts, lines_swapped(texts)))
    for name in Coherence._fields:
        assert getattr(original, name) > getattr(mixed, name) + 0.03, name
        assert 0.35 < getattr(mixed, name) < 0.65, name


@pytest.mark.slow
def test_titles_of_other_poems_fit_no_better_than_chance(packaged):
    chosen = anthology("en", count=40)
    texts, titles = [poem.text for poem in chosen], [poem.title for poem in chosen]
    original, wrong = (averages(coherence(packaged, texts, asked)) for asked in (titles, titles[7:] + titles[:7]))
    assert original.title_match > wrong.title_match + 0.2


def test_the_embedding_of_a_text_does_not_depend_on_its_batch(tiny):
    texts = ["the rain", "a stone that nobody has seen since winter", "", "y la lluvia"]
    together = tiny.embed(texts)
    for text, row in zip(texts, together, strict=True):
        np.testing.assert_allclose(tiny.embed([text])[0], row, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), [1, 1, 0, 1], atol=1e-5)


def test_a_poem_of_its_title_alone_fits_it_and_one_without_a_title_has_no_value(tiny):
    poems = ["rain\nrain\nrain", "a stone\na stone\na stone", "la luna\nla luna"]
    found = coherence(tiny, poems, ["rain", "a stone", None])
    assert found[0].title_match == found[1].title_match == 1
    assert found[2].title_match is None
    assert all(one.stanza_match is None for one in found)


def test_samples_of_one_prompt_are_not_compared_with_each_other(tiny):
    poems = ["the rain\nis here", "the rain\nhas gone"]
    assert [one.opening_match for one in coherence(tiny, poems, [None, None])] == [None, None]


@pytest.mark.parametrize("poems", [[], [""], ["one line"], ["", "one\n\ntwo"]])
def test_poems_with_nothing_to_compare_have_no_value(tiny, poems):
    assert all(set(one) == {None} for one in coherence(tiny, poems, [None] * len(poems)))


def test_a_missing_model_is_named_with_its_key(tmp_path):
    with pytest.raises(BadInput, match=r"params\.yaml: evaluate\.sentence_model: .*no config\.json"):
        SentenceModel(str(tmp_path))
