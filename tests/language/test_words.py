"""The word lists of languages that langdetect has no profile of."""

from ruamel.yaml import YAML

from pipeline.language.detector import divide, own_words
from pipeline.language.words import WORDS, unprofiled_languages
from tests.support.bilingual import ALL, CANDIDATES


def test_words_are_looked_up_whatever_stands_around_them():
    for word in ("frae", "Frae,", "“frae!”", "didna’", "blude-red", "NICHT"):
        assert own_words(word, ("sco",)) == (True,), word
    for word in ("from", "night", "—", "3"):
        assert own_words(word, ("sco",)) == (False,), word
    assert own_words("xardín", ("gl", "sco")) == (True, False)


def test_languages_without_a_profile_are_entries_of_their_own():
    listed = YAML(typ="safe").load(WORDS)
    profiled, unprofiled = divide(ALL)
    assert (profiled, unprofiled) == (CANDIDATES, tuple(listed))
    for code, entry in unprofiled_languages().items():
        words = listed[code]["words"].split()
        assert set(entry.neighbours) <= set(profiled), code
        assert entry.counts_as in (None, *entry.neighbours), code
        assert words == list(dict.fromkeys(word.lower() for word in words)), code
        assert len(entry.words) + len(entry.beginnings) + len(entry.endings) == len(words), code


def test_no_word_of_scots_is_one_of_english_as_it_was_spelt():
    for word in ("yett", "thow", "hert", "weet", "toun", "thair", "gud", "owre", "whyles", "onie"):
        assert own_words(word, ("sco",)) == (False,), word
