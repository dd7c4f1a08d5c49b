"""Each metric rates human poems better than the same poems with the fault it is there to find."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.common.text import looping_lines
from pipeline.metrics import text as text_metrics
from pipeline.metrics.bootstrap import mean
from tests.support.damaged import LANGUAGES, broken_anywhere, human, languages_mixed, lines_joined, lines_repeated

CANDIDATES = ["en", "es", "fr", "pt", "it", "ca", "de", "nl"]


def share(values):
    return mean([float(value) for value in values])


@pytest.mark.parametrize("language", LANGUAGES)
def test_language_metrics_see_mixed_languages(language):
    other = human("es" if language == "en" else "en")
    mixed = [languages_mixed(poem, stranger) for poem, stranger in zip(human(language), other, strict=False)]
    adherence = share(text_metrics.adheres(poem, language, LANGUAGES, CANDIDATES) for poem in human(language))
    assert adherence > 0.8
    assert adherence > share(text_metrics.adheres(poem, language, LANGUAGES, CANDIDATES) for poem in mixed) + 0.5
    foreign = share(text_metrics.foreign_lines(poem, language, LANGUAGES) for poem in human(language))
    assert foreign < 0.05
    assert foreign < share(text_metrics.foreign_lines(poem, language, LANGUAGES) for poem in mixed) - 0.15


def test_a_poem_in_a_third_language_does_not_adhere():
    french = "Les sanglots longs des violons de l'automne\nblessent mon cœur d'une langueur monotone"
    assert not text_metrics.adheres(french, "en", LANGUAGES, CANDIDATES)
    assert not text_metrics.adheres(french, "es", LANGUAGES, CANDIDATES)


def test_a_text_without_letters_is_in_no_language():
    assert text_metrics.language_of("1 2 3 …", CANDIDATES) is None
    assert not text_metrics.adheres("", "en", LANGUAGES, CANDIDATES)


def test_the_detected_language_is_the_same_in_every_call():
    line = "no se lo den a nadie, no"
    assert len({text_metrics.language_of(line, CANDIDATES) for _ in range(10)}) == 1


@pytest.mark.parametrize("metric", [text_metrics.seq_rep, text_metrics.repeated_lines, text_metrics.loops])
@pytest.mark.parametrize("language", LANGUAGES)
def test_repetition_metrics_see_repeated_lines(language, metric):
    original = share(metric(poem) for poem in human(language))
    damaged = share(metric(lines_repeated(poem)) for poem in human(language))
    assert original < 0.2
    assert damaged > original + 0.2


def test_repetition_is_counted_as_defined():
    assert text_metrics.seq_rep("a b c d e") == 0
    assert text_metrics.seq_rep("a b c d a b c d") == pytest.approx(1 / 5)
    assert text_metrics.repeated_lines("One,\ntwo\n\none!\nthree") == pytest.approx(1 / 4)


def test_an_endless_phrase_is_a_loop_and_a_refrain_is_not():
    refrain = "\n\n".join(f"the river keeps\n{line}" for line in ("its silver", "its rain", "its own"))
    assert not text_metrics.loops(refrain)
    assert text_metrics.loops("the river keeps\nits silver\nthe river keeps\nits silver\nthe river keeps")
    assert text_metrics.loops("and the sea and the sea and the sea and the sea")
    assert not text_metrics.loops("row, row, row your boat")


def test_the_refrains_of_a_villanelle_are_no_loops():
    order = "one a two b c one d e two f g one h i two j k one two".split()  # noqa: SIM905
    assert not any(line in looping_lines(order[:place]) for place, line in enumerate(order))


def test_a_line_that_returns_among_repeated_lines_is_in_a_loop():
    assert looping_lines(["one", "two", "One.", "two"]) == {"one", "two"}
    assert looping_lines(["one", "one"]) == {"one"}
    assert looping_lines(["one", "two", "one", "three", "one"]) == {"one"}
    assert looping_lines(["one", "two", "one", "three", "four"]) == set()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    "lengths", [text_metrics.words_per_line, text_metrics.lines_per_stanza, text_metrics.stanzas_per_poem]
)
def test_length_distances_see_lines_and_stanzas_broken_anywhere(language, lengths):
    reference = [lengths(poem) for poem in human(language)[::2]]
    original = text_metrics.length_distance([lengths(poem) for poem in human(language)[1::2]], reference)
    damaged = [broken_anywhere(poem) for poem in human(language)[1::2]]
    assert original < text_metrics.length_distance([lengths(poem) for poem in damaged], reference)


def test_a_distance_is_in_words_and_lines():
    poem = "one two three four\nfive six seven eight\n\nnine ten eleven twelve\nthirteen fourteen fifteen sixteen"
    broken = lines_joined(poem)
    for lengths, distance in (
        (text_metrics.words_per_line, 4),
        (text_metrics.lines_per_stanza, 1),
        (text_metrics.stanzas_per_poem, 0),
    ):
        assert text_metrics.length_distance([lengths(broken)], [lengths(poem)]) == distance


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("language", LANGUAGES)
def test_variety_sees_poems_that_copy_one_another(language, n):
    copied = [human(language)[0]] * 5 + human(language)[5:]
    assert text_metrics.distinct(human(language), n, words=60) > text_metrics.distinct(copied, n, words=60)


def test_variety_counts_the_given_number_of_words_of_each_poem():
    assert text_metrics.distinct(["a b a b", "c d c d"], 1) == 0.5
    assert text_metrics.distinct(["a b a b", "c d c d"], 1, words=2) == 1


@settings(max_examples=100)
@given(st.text(alphabet="ab \n,é", max_size=80))
def test_any_text_has_values_between_zero_and_one(text):
    shares = [text_metrics.seq_rep(text), text_metrics.repeated_lines(text), text_metrics.distinct([text], 2)]
    assert all(0 <= value <= 1 for value in shares)
    assert sum(text_metrics.words_per_line(text)) == len(text.split())
    assert sum(text_metrics.lines_per_stanza(text)) == len(text_metrics.words_per_line(text))


@pytest.mark.parametrize("language", LANGUAGES)
def test_self_bleu_sees_samples_that_repeat_one_another(language):
    poems = human(language)[:4]
    assert 0 <= text_metrics.self_bleu(poems) < 0.2
    halves = [f"{poems[0]}\n\n{poem}" for poem in poems]
    assert text_metrics.self_bleu(poems) + 0.2 < text_metrics.self_bleu(halves) < text_metrics.self_bleu([poems[0]] * 4)
    assert text_metrics.self_bleu([poems[0]] * 4) == pytest.approx(1)
