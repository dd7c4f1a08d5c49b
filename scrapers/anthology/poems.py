"""The anthology's poems in text files: a header for the collection, then poems separated by `===`.

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
    """A poem; `flaw` is what is wrong with its page, one of the kinds in `markup.py`."""

    collection: str
    author: str
    style: str
    language: str  # of the section that lists it, which may differ from the text's
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
    """All good poems of a language, in the order of the files' names."""
    return [poem for path in sorted((HERE / language).glob("*.txt")) for poem in read_collection(path)]


def read_oddities(language: str) -> list[Poem]:
    """Poems whose pages have flaws, as on real sites."""
    return read_collection(HERE / "oddities" / f"{language}.txt")


def _fields(head: str, path: Path) -> dict[str, str]:
    fields = {}
    for line in head.strip().splitlines():
        name, colon, value = line.partition(": ")
        if not colon:
            raise ValueError(f"{path.name}: {line!r} is not `field: value`")
        fields[name] = value.strip()
    return fields
