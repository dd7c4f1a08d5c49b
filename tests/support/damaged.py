"""Human poems, and the faults that metrics are there to find, made in them on purpose."""

from functools import cache
from random import Random

from pipeline.common.text import lines_of
from scrapers.anthology.poems import Poem, read_poems

LANGUAGES = ("en", "es")


@cache
def anthology(language: str, count: int = 15) -> tuple[Poem, ...]:
    """Poems of the anthology in a language, from all its collections."""
    poems = read_poems(language)
    return tuple(poems[:: max(1, len(poems) // count)][:count])


def human(language: str, count: int = 15) -> list[str]:
    """Their texts."""
    return [poem.text for poem in anthology(language, count)]


def lines_repeated(poem: str) -> str:
    """Each stanza's first line three more times."""
    return "\n\n".join("\n".join([stanza.split("\n")[0]] * 3 + [stanza]) for stanza in poem.split("\n\n"))


def languages_mixed(poem: str, other: str) -> str:
    """Every third line from a poem in the other language."""
    lines, others = poem.split("\n"), lines_of(other)
    return "\n".join(others[at % len(others)] if at % 3 == 2 and line else line for at, line in enumerate(lines))


def lines_shuffled(poem: str, seed: int = 0) -> str:
    """The same lines in another order, stanzas as long as they were."""
    lines = lines_of(poem)
    Random(seed).shuffle(lines)
    shuffled = iter(lines)
    return "\n".join(next(shuffled) if line.strip() else "" for line in poem.split("\n"))


def words_shuffled(poem: str, seed: int = 0) -> str:
    """The same words in another order, lines and stanzas as long as they were."""
    words = poem.split()
    Random(seed).shuffle(words)
    shuffled = iter(words)
    return "\n".join(" ".join(next(shuffled) for _ in line.split()) for line in poem.split("\n"))


def broken_anywhere(poem: str, seed: int = 0) -> str:
    """The same words in another order, lines and stanzas broken anywhere."""
    tokens = poem.replace("\n", " \n ").split(" ")
    Random(seed).shuffle(tokens)
    return " ".join(tokens).replace(" \n ", "\n").strip()


def lines_joined(poem: str) -> str:
    """No line breaks within a stanza."""
    return "\n\n".join(" ".join(stanza.split("\n")) for stanza in poem.split("\n\n"))
