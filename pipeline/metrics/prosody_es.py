"""How Spanish verse sounds: metrical syllables and rhymes, from the syllables and stress that silabeador finds."""

import re
from functools import cache
from itertools import pairwise

from silabeador import Syllabification

VOWEL = "[aeiouáéíóúü]"


def syllables(line: str) -> int:
    """Metrical syllables of a line (Quilis, *Métrica española*, 1984).

    A vowel at the end of a word and one at the start of the next share a syllable (synalepha), whatever punctuation is
    between them. A line counts one more where its last word is stressed on the last syllable, and one less where it is
    stressed before the penultimate one.
    """
    words = _words(line)
    if not words:
        return 0
    joined = [_joined(*pair) for pair in pairwise(words)]
    # Between two vowels "y" is in the syllable of one of them.
    twice = sum(
        before and after for before, word, after in zip(joined, words[1:], joined[1:], strict=False) if word == "y"
    )
    _, stress = _divided(words[-1])
    return sum(len(_divided(word)[0]) for word in words) - sum(joined) + twice + {-1: 1, -2: 0}.get(stress, -1)


def rhyme(line: str) -> str:
    """The sounds that a line rhymes by, from the last stressed vowel on; "" where there is no word.

    As in American Spanish, z, s and c before e or i sound alike, and so do b and v, and ll and y.
    """
    words = _words(line)
    return _rhyme(words[-1]) if words else ""


def assonance(line: str) -> str:
    """The vowels that a line rhymes by in romances and coplas: the stressed one and that of the last syllable."""
    words = _words(line)
    return _assonance(words[-1]) if words else ""


def _words(line: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", line.lower())


def _joined(word: str, after: str) -> bool:
    """Whether the end of a word and the start of the next share a syllable; "hie" and "hue" start with a consonant."""
    ends = word == "y" or re.search(f"{VOWEL}$", word)
    starts = after == "y" or (re.match(f"h?{VOWEL}", after) and not re.match("h?[iu]e", after))
    return bool(ends and starts)


@cache
def _divided(word: str) -> tuple[list[str], int]:
    """A word's syllables, and which one is stressed, counted from the end: -1 is the last."""
    try:
        # exceptions=0: they are read from a file for every word, and do not make more lines scan right.
        found = Syllabification(word, exceptions=0, multiword=False)
    except IndexError:  # no vowel to build a syllable on, as in "yc"
        return [word], -1
    return found.syllables, found.stress


@cache
def _rhyme(word: str) -> str:
    parts, stress = _divided(word)
    stressed, rest = parts[stress], parts[len(parts) + stress + 1 :]
    sounds = "".join([stressed[_nucleus(stressed) :], *rest])
    for spelled, sound in SOUNDS.items():
        sounds = re.sub(spelled, sound, sounds)
    return sounds.translate(PLAIN)


@cache
def _assonance(word: str) -> str:
    parts, stress = _divided(word)
    heard = [parts[stress], parts[-1]] if stress < -1 else [parts[-1]]
    return "".join(part[_nucleus(part)] for part in heard).translate(PLAIN)


def _nucleus(syllable: str) -> int:
    """The position of a syllable's vowel: the accented one, the open one, or else the last."""
    found = re.search("[áéíóú]", syllable) or re.search("[aeo]", syllable) or re.search("[iuyü](?!.*[iuü])", syllable)
    return found.start() if found else 0


SOUNDS = {
    "(?<!c)h": "",
    "qu(?=[eiéí])|c(?![eiéíh])": "k",
    "c(?=[eiéí])": "s",
    "g(?=[eiéí])": "j",
    "gu(?=[eiéí])": "g",
    "ll": "y",
    "y$": "i",
}
PLAIN = str.maketrans("áéíóúüvz", "aeiouubs")
