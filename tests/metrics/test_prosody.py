"""Verse is scanned as readers scan it, and sounds worse once its lines or rhymes are gone."""

from statistics import mean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.common.text import lines_of
from pipeline.metrics import prosody, prosody_en, prosody_es
from scrapers.anthology.poems import read_poems
from tests.support.damaged import LANGUAGES, broken_anywhere, human, lines_shuffled, words_shuffled


def average(metric, poems, language):
    return mean(value for poem in poems if (value := metric(poem, language)) is not None)


@pytest.mark.parametrize("language", LANGUAGES)
def test_rhyme_is_lost_when_lines_or_words_are_shuffled(language):
    original = average(prosody.rhyme_density, human(language), language)
    lines = average(prosody.rhyme_density, [lines_shuffled(poem) for poem in human(language)], language)
    words = average(prosody.rhyme_density, [words_shuffled(poem) for poem in human(language)], language)
    assert original > lines + 0.05
    assert lines > words


def test_assonance_is_lost_when_words_are_shuffled():
    original = average(prosody.assonance_density, human("es"), "es")
    assert original > average(prosody.assonance_density, [words_shuffled(poem) for poem in human("es")], "es") + 0.2
    assert prosody.assonance_density(human("en")[0], "en") is None


@pytest.mark.parametrize("language", LANGUAGES)
def test_lines_are_less_regular_with_other_words_and_least_when_broken_anywhere(language):
    original = average(prosody.syllable_regularity, human(language), language)
    words = average(prosody.syllable_regularity, [words_shuffled(poem) for poem in human(language)], language)
    assert original > words + 0.05
    assert words > average(prosody.syllable_regularity, [broken_anywhere(poem) for poem in human(language)], language)


@pytest.mark.parametrize(
    ("language", "style", "length"),
    [("es", "soneto", 11), ("es", "romance", 8), ("es", "décima", 8), ("es", "copla", 8), ("en", "sonnet", 10)],
)
def test_verse_in_a_known_metre_scans_as_it_was_written(language, style, length):
    syllables = prosody.prosody_of(language).syllables
    counts = [syllables(line) for poem in read_poems(language) if poem.style == style for line in lines_of(poem.text)]
    allowed = {length} if language == "es" else {length, length + 1}  # an English line may end on a weak syllable
    assert mean(count in allowed for count in counts) > 0.9


@pytest.mark.parametrize(
    ("line", "count"),
    [
        ("Mientras por competir con tu cabello", 11),
        ("oro bruñido al sol relumbra en vano", 11),  # two synalephas
        ("y el pan", 3),  # y joins, the last word is stressed on its last syllable
        ("la esdrújula", 3),  # a synalepha, and one less for a word stressed on the last but two
        ("agua y aire", 4),  # y between two vowels counts once
        ("la hierba, la huerta", 6),
        ("…", 0),
    ],
)
def test_spanish_lines_are_counted_with_synalephas_and_by_their_last_stress(line, count):
    assert prosody_es.syllables(line) == count


@pytest.mark.parametrize(
    ("one", "other"),
    [("caza", "casa"), ("nave", "sabe"), ("calle", "vaya"), ("ahora", "hora"), ("corazón", "canción"), ("rey", "seis")],
)
def test_spanish_words_rhyme_by_their_sounds(one, other):
    assert (prosody_es.rhyme(one) == prosody_es.rhyme(other)) == (one not in ("calle", "rey"))


def test_spanish_assonance_is_of_the_stressed_and_the_last_vowel():
    assert {prosody_es.assonance(word) for word in ("lluvia", "luna", "húmeda", "la ruina")} - {"ua"} == {"ia"}
    assert prosody_es.assonance("pájaro") == prosody_es.assonance("barco")
    assert prosody_es.assonance("") == ""


def test_english_lines_are_counted_and_rhymed_as_they_are_pronounced():
    assert prosody_en.syllables("Shall I compare thee to a summer’s day?") == 10
    assert prosody_en.rhyme("the rain") == prosody_en.rhyme("a feign")
    assert prosody_en.rhyme("though") != prosody_en.rhyme("tough")


def test_an_english_word_that_is_not_in_the_dictionary_is_scanned_by_spelling():
    assert [prosody_en.syllables(word) for word in ("thruppences", "gleaner", "nowt", "unmowed", "wambled")] == [
        3,
        2,
        1,
        2,
        2,
    ]
    assert prosody_en.rhyme("scrobe") == prosody_en.rhyme("a vrobe")
    assert prosody_en.rhyme("scrobe") != prosody_en.rhyme("robe")


def test_a_word_does_not_rhyme_with_itself_nor_from_afar():
    assert prosody.rhyme_density("the rain\na stone\nthe rain", "en") == 0
    assert prosody.rhyme_density("the rain\na stone\nin Spain", "en") == pytest.approx(2 / 3)
    far = "the rain\n" + "stone\ncloud\nbird\nfish\n" + "in Spain"
    assert prosody.rhyme_density(far, "en") == 0


def test_lines_of_one_length_are_regular():
    assert prosody.syllable_regularity("a cat\na dog", "en") == 1
    assert prosody.syllable_regularity("a\na cat a cat a cat a cat a cat", "en") < 0.3


def test_one_line_or_a_language_without_a_prosody_has_no_metrics_of_sound():
    for metric in (prosody.rhyme_density, prosody.assonance_density, prosody.syllable_regularity):
        assert metric("una línea", "es") is None
        assert metric("eins\nzwei", "de") is None


@settings(max_examples=150)
@given(st.text(alphabet="aeiouhyñüqgcllrzáí' \n.1ж", max_size=60), st.sampled_from(LANGUAGES))
def test_any_text_can_be_scanned(text, language):
    for metric in (prosody.rhyme_density, prosody.assonance_density, prosody.syllable_regularity):
        value = metric(text, language)
        assert value is None or 0 <= value <= 1
