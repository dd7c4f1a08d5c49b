"""Verse as text: its lines, its words, which lines are stuck in a loop, and how a language is named."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

LANGUAGE_CODE = "[a-z]{2,3}"  # ISO 639-1, such as es; ISO 639-3 where a language has no shorter code, such as sco


def lines_of(poem: str) -> list[str]:
    """The lines that are not blank, without the spaces around them."""
    return [line.strip() for line in poem.split("\n") if line.strip()]


def stanzas_of(poem: str) -> list[str]:
    """The stanzas: what blank lines separate."""
    return [stanza for stanza in re.split(r"\n\s*\n", poem) if stanza.strip()]


def words_of(text: str) -> list[str]:
    """Words in lower case, without punctuation."""
    return re.findall(r"[\w'’-]+", text.lower())


def ngrams(words: Sequence[str], n: int) -> Iterator[tuple[str, ...]]:
    """Every run of `n` consecutive words."""
    return zip(*(words[start:] for start in range(n)), strict=False)


def bare(line: str) -> str:
    """A line without punctuation and case, for comparison with another."""
    return " ".join(words_of(line))


def looping_lines(lines: Sequence[str]) -> set[str]:
    """The lines that would be a loop, rather than a refrain, if they came next.

    Such a line has come at least twice, and at most half of the lines since were new. New lines come between the
    repeats of a refrain: a stanza in a ballad, at least two of three lines in a villanelle, one in a litany.

    Args:
        lines: the poem's lines so far, without blank ones.

    Returns:
        The lines as `bare` gives them.
    """
    lines = [bare(line) for line in lines]
    new = [line not in lines[:place] for place, line in enumerate(lines)]
    looping = set()
    for line, times in Counter(lines).items():
        since = new[len(lines) - lines[::-1].index(line) :]
        if times > 1 and 2 * sum(since) <= len(since):
            looping.add(line)
    return looping
