"""Languages that langdetect has no profile of: their neighbours that have one, and the words that give them away."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ruamel.yaml import YAML

WORDS = Path(__file__).with_name("words.yaml")


@dataclass(frozen=True)
class Unprofiled:
    """What a language without a profile is known by.

    Attributes:
        neighbours: codes of the profiled languages whose spelling its other words share.
        words: its own, in lower case.
        beginnings: how others begin.
        endings: how others end, after two letters or more.
        counts_as: the neighbour that it is an older form of, whose code its texts get; None for a language of its own.
    """

    neighbours: tuple[str, ...]
    words: frozenset[str]
    beginnings: tuple[str, ...]
    endings: tuple[str, ...]
    counts_as: str | None = None


@cache
def unprofiled_languages() -> dict[str, Unprofiled]:
    """The entries of words.yaml by their ISO 639 codes."""
    return {code: _entry(**fields) for code, fields in YAML(typ="safe").load(WORDS).items()}


def _entry(neighbours: list[str], words: str, counts_as: str | None = None) -> Unprofiled:
    listed = words.split()
    return Unprofiled(
        neighbours=tuple(neighbours),
        words=frozenset(word for word in listed if word.strip("-") == word),
        beginnings=tuple(word[:-1] for word in listed if word.endswith("-")),
        endings=tuple(word[1:] for word in listed if word.startswith("-")),
        counts_as=counts_as,
    )
