"""The anthology's poems as they lie in text files: a header for the collection, then poems divided by `===`.

collection: Harbour Light
author: Ida Marsh
style: sonnet
language: en
===
title: The Crane

first line …
"""

from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
LANGUAGES = ("en", "es")


@dataclass(frozen=True)
class Poem:
    """A poem and how its page goes wrong, if it does: `flaw` is one of the kinds listed in `markup.py`."""

    collection: str
    author: str
    style: str
    language: str  # of the site's section that lists it, which for an odd page may not be the text's
    title: str
    text: str  # lines end in \n, stanzas in one blank line
    flaw: str = ""


def read_collection(path: Path) -> list[Poem]:
    """Read one file of poems, in order.

    Raises:
        ValueError: a poem without a title or text, or a header line that is no `field: value`; names file and poem.
    """
    head, *blocks = path.read_text(encoding="utf-8").split("\n===\n")
    shared = _fields(head, path)
    poems = []
    for number, block in enumerate(blocks, start=1):
        poem_head, _, text = block.strip("\n").partition("\n\n")
        if not text.strip():
            raise ValueError(f"{path.name}: poem {number} has no text after its title and a blank line")
        try:
            poems.append(Poem(**{**shared, **_fields(poem_head, path)}, text=text.strip("\n")))
        except TypeError as error:
            raise ValueError(f"{path.name}: poem {number}: {error}") from error
    return poems


def read_poems(language: str) -> list[Poem]:
    """All good poems of a language, collection by collection in the order of the files' names."""
    return [poem for path in sorted((HERE / language).glob("*.txt")) for poem in read_collection(path)]


def read_oddities(language: str) -> list[Poem]:
    """The pages that are not as they should be, such as real sites have."""
    return read_collection(HERE / "oddities" / f"{language}.txt")


def _fields(head: str, path: Path) -> dict[str, str]:
    fields = {}
    for line in head.strip().splitlines():
        name, colon, value = line.partition(": ")
        if not colon:
            raise ValueError(f"{path.name}: {line!r} is not `field: value`")
        fields[name] = value.strip()
    return fields
