"""How a poem sounds: rhyme and the regularity of its lines, by the prosody of its language.

The prosody of a language is a module `prosody_<code>.py` with the functions `syllables(line)` and `rhyme(line)`, and
`assonance(line)` where verse rhymes by vowels alone. Poems in a language without one have no metrics of sound.
"""

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

import numpy as np

from pipeline.common.text import lines_of, words_of

RHYME_REACH = 4  # lines apart that rhymes may be, as in a décima; a pair of a sonnet's is three
ASSONANCE_REACH = 2  # lines; romances and coplas rhyme every second one, and further apart vowels agree by chance


def prosody_of(language: str) -> ModuleType | None:
    """The module of a language, or None where it has none."""
    name = f"pipeline.metrics.prosody_{language}"
    return import_module(name) if find_spec(name) else None


def rhyme_density(poem: str, language: str) -> float | None:
    """The share of lines that rhyme with another at most `RHYME_REACH` lines away; a word does not rhyme with itself.

    None for a poem of one line, or in a language without a prosody.
    """
    scanner = prosody_of(language)
    return _density(poem, scanner.rhyme, RHYME_REACH) if scanner else None


def assonance_density(poem: str, language: str) -> float | None:
    """The same by vowels alone, at most `ASSONANCE_REACH` lines away; None where the language has no such rhyme."""
    scanner = prosody_of(language)
    return _density(poem, scanner.assonance, ASSONANCE_REACH) if hasattr(scanner, "assonance") else None


def syllable_regularity(poem: str, language: str) -> float | None:
    """1 − the coefficient of variation of the lines' syllables (Pearson, 1896), at least 0; 1 where all are alike.

    None for a poem of one line, or in a language without a prosody.
    """
    scanner = prosody_of(language)
    counts = [scanner.syllables(line) for line in lines_of(poem)] if scanner else []
    return max(0.0, 1 - float(np.std(counts) / np.mean(counts))) if len(counts) > 1 and any(counts) else None


def _density(poem: str, sound: Callable[[str], str], reach: int) -> float | None:
    ends = [(sound(line), words_of(line)[-1:]) for line in lines_of(poem)]
    if len(ends) < 2:
        return None
    rhyming = 0
    for place, (heard, word) in enumerate(ends):
        near = ends[max(0, place - reach) : place] + ends[place + 1 : place + 1 + reach]
        rhyming += bool(heard) and any(heard == other and word != spelled for other, spelled in near)
    return rhyming / len(ends)
