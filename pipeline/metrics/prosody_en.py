"""How English verse sounds: syllables and rhymes from the CMU Pronouncing Dictionary, or from spelling."""

import re
from functools import cache

import pronouncing


def syllables(line: str) -> int:
    """Syllables of a line, by the first pronunciation of each word in the dictionary."""
    return sum(_syllables(word) for word in _words(line))


def rhyme(line: str) -> str:
    """The sounds that a line rhymes by, from the last stressed vowel on; "" where there is no word.

    A word that is not in the dictionary rhymes by its letters from the last group of vowels on, and so only with other
    such words.
    """
    words = _words(line)
    return _rhyme(words[-1]) if words else ""


def _words(line: str) -> list[str]:
    return re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)*", line.lower().replace("’", "'"))


@cache
def _phones(word: str) -> str | None:
    return next(iter(pronouncing.phones_for_word(word)), None)


@cache
def _syllables(word: str) -> int:
    phones = _phones(word)
    if phones is not None:
        return pronouncing.syllable_count(phones)
    silent = r"(?<![aeiouy])(?<![^aeiouy]l)(e|(?<![cghsxz])es|(?<![dt])ed)$"
    spelled = re.sub(silent, "", word.partition("'")[0])
    return max(1, len(re.findall(r"[aeiouyáéíóúü]+", spelled)))


@cache
def _rhyme(word: str) -> str:
    phones = _phones(word)
    if phones is not None:
        return re.sub(r"\d", "", pronouncing.rhyming_part(phones))
    return re.search(r"[aeiouy]*[^aeiouy]*e?$", word).group()
