"""Verse as text: its lines, its words, which lines are stuck in a loop, and how a language is named."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

LANGUAGE_CODE = "[a-z]{2,3}"  # ISO 639-1, such as es; ISO 639-3 where a language has no shorter code, such as sco


def lines_of(poem: str) -> list[str]:
    """The lines with text."""
    return [line.strip() for line in poem.split("\n") if line.strip()]


def stanzas_of(poem: str) -> list[str]:
    """The stanzas with text."""
    return [stanza for stanza in re.split(r"\n\s*\n", poem) if stanza.strip()]


def words_of(text: str) -> list[str]:
    """Words in lower case, without punctuation."""
    return re.findall(r"[\w'’-]+", text.lower())


def ngrams(words: Sequence[str], n: int) -> Iterator[tuple[str, ...]]:
    """Every run of `n` consecutive words."""
    return zip(*(words[start:] for start in range(n)), strict=False)


def bare(line: str) -> str:
    """A line as it is compared with another: punctuation and case aside."""
    return " ".join(words_of(line))


def looping_lines(lines: Sequence[str]) -> set[str]:
    """The lines that, if they came now, would be a loop and no refrain.

    They have come twice or more, and at most half of the lines since were new. A refrain has its new lines before it
    comes again: in a ballad a stanza, in a villanelle at least two for the one that is not, in a litany one.

    Args:
        lines: a poem's lines so far, without empty ones.

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
