"""Long poems, cut into parts at the ends of stanzas and preferably of sections; each part becomes a poem."""

import re
from itertools import accumulate

from pipeline.cleaning.typography import plain_words

_HEADING = re.compile(
    r"""(?i:canto|book|part|section|chapter|act|scene|libro|parte|secci[óo]n|cap[íi]tulo|acto|escena|jornada)\ \S{1,12}
      | [\[(]?(?:[IVXLCDM]+|\d{1,3})(?:[\])]?[.:]?|[\])]?[.:]\ .{1,60})""",
    re.VERBOSE,
)
_RAGGED_CUT = 0.25  # what a cut elsewhere than before a section's heading costs, in parts
_LOST_HEADING = 10.0  # what a cut right after one costs


def cut_poem(text: str, max_words: int) -> list[str]:
    """Cut a clean poem at stanza ends, as TeX breaks a paragraph into lines (Knuth and Plass, 1981).

    Of all ways to cut, the one that gives few and full parts, of like length, which begin where sections do.

    Args:
        text: a clean poem.
        max_words: in a part; only a part that is a single stanza may have more.

    Returns:
        The parts in order. Joined by blank lines they are the text.
    """
    stanzas = text.split("\n\n")
    heads = [starts_section(stanza) for stanza in stanzas]
    words_before = list(accumulate((len(plain_words(stanza)) for stanza in stanzas), initial=0))
    best: list[tuple[float, int]] = [(0.0, 0)]  # for each number of stanzas: the least cost, where its last part starts
    for end in range(1, len(stanzas) + 1):
        ways = []
        for start in range(end - 1, -1, -1):
            room = 1 - (words_before[end] - words_before[start]) / max_words
            if room < 0 and start < end - 1:
                break
            ragged = _RAGGED_CUT if start and not heads[start] else 0.0
            lost = _LOST_HEADING if heads[end - 1] and "\n" not in stanzas[end - 1] and end < len(stanzas) else 0.0
            ways.append((best[start][0] + 1 + room**2 + ragged + lost, start))
        best.append(min(ways))
    ends = [len(stanzas)]
    while best[ends[-1]][1]:
        ends.append(best[ends[-1]][1])
    ends.reverse()
    return ["\n\n".join(stanzas[start:end]) for start, end in zip([0, *ends], ends, strict=False)]


def starts_section(stanza: str) -> bool:
    """Whether a stanza's first line heads a section: a number or `Canto`, `Book` and the like, alone on the line."""
    return _HEADING.fullmatch(stanza.partition("\n")[0]) is not None
