"""Numbers that a print sets into verse: of its pages, of every fifth line, of stanzas."""

import re
from collections.abc import Iterator
from itertools import pairwise

from pipeline.cleaning.characters import until_stable

_PAGE_WORD = r"(?:pg|pp?|page|p[áa]gs?|p[áa]gina|fol|folio)\.?"
_PAGE_MARK = re.compile(
    rf" ?(?:\{{\s*(?:{_PAGE_WORD}\s*)?\d{{1,4}}\s*\}}|\[\s*{_PAGE_WORD}\s*\d{{1,4}}[rv]?(?:\s*[-–]\s*\d{{1,4}})?\s*\])",
    re.IGNORECASE,
)
_PAGE_LINE = re.compile(
    rf"[-–—(|]*\s*{_PAGE_WORD}\s*\d{{1,4}}(?:\s*[-–]\s*\d{{1,4}})?(?:\s+(?:of|de)\s+\d{{1,4}})?\s*[-–—)|.]*"
    r"|[-–—|]+\s*\d{1,4}\s*[-–—|]+",
    re.IGNORECASE,
)
_PAGE_SIGN = re.compile(r"[{\[]|(?:^|\n)\W*(?:[PpFf][a-zá]*\.?)?\s*\d")  # of every text that has one of these
_LINE_NUMBER = re.compile(r"(?P<start>\d{1,4})(?:[.)]?\s+)(?=\S*[^\W\d])|(?:(?<=\s)|(?<=\]))\[?(?P<end>\d{1,4})\]?$")
_FAR_NUMBER = re.compile(r"(?<=[^\s\d])(?: {4,}|[ \xa0]*\t[ \t\xa0]*)[\[(]?\d{0,3}[05][\])]?[ \t]*$", re.MULTILINE)
_DIGIT = re.compile(r"\d")


def drop_page_marks(text: str) -> str:
    """Remove `{12}` and `[Pg 12]` wherever they stand, and lines such as `p. 12` and `- 12 -`."""
    if not _DIGIT.search(text) or not _PAGE_SIGN.search(text):
        return text
    kept = []
    for line in text.split("\n"):
        rest = _PAGE_MARK.sub("", line) if "{" in line or "[" in line else line
        rest = rest if rest == line else rest.strip()
        if not (line.strip() and (not rest.strip() or (_DIGIT.search(rest) and _PAGE_LINE.fullmatch(rest.strip())))):
            kept.append(rest)
    return "\n".join(kept)


def drop_far_numbers(text: str) -> str:
    """Remove every fifth line's number where a wide gap sets it apart from the verse."""
    return _FAR_NUMBER.sub("", text) if "    " in text or "\t" in text else text


def remove_verse_numbers(text: str) -> str:
    """Remove the numbers of verses or stanzas, at the start or the end of lines or on lines of their own.

    A number counts as one only in a series that keeps pace with the lines (5, 10, 15 …) or with the stanzas
    (11, 12, 13 …), or alone on a line within a stanza, so that years and other numbers in the verse stay.
    """
    return until_stable(_without_series, text) if _DIGIT.search(text) else text


def _without_series(text: str) -> str:
    lines = text.split("\n")
    found = list(_numbered_lines(lines))
    removed = set()
    for side in ("start", "end", "alone"):
        series = [(index, place, stanza, number) for index, place, stanza, number, where in found if where == side]
        for first, second in pairwise(series):
            step, lines_between, stanzas_between = (second[k] - first[k] for k in (3, 1, 2))
            by_line = first[3] % 5 == 0 and second[3] % 5 == 0 and 0 < step <= 50 and abs(step - lines_between) <= 2
            by_stanza = side == "start" and first[3] > 0 and step == stanzas_between == 1 and lines_between > 1
            if by_line or by_stanza:
                removed |= {first[0], second[0]}
        # A short poem has room for one number only: there it must be exact.
        if len(series) == 1 and series[0][3] in (5, 10) and series[0][3] == series[0][1]:
            removed.add(series[0][0])
        if side == "alone":
            removed |= {index for index, _, _, number in series if _is_lone(index, number, lines)}
    kept = []
    for index, line in enumerate(lines):
        if index not in removed:
            kept.append(line)
        elif not line.strip().strip("[]()").isdigit():
            kept.append(_LINE_NUMBER.sub("", line, count=1).strip())
    return "\n".join(kept)


def _is_lone(index: int, number: int, lines: list[str]) -> bool:
    """Whether a number alone between two lines of verse is a line's or a page's.

    Small ones may be counted in verse, and so may any through which a sentence runs: `he sang of / 99 / bottles`.
    """
    neighbours = lines[index - 1], lines[index + 1]
    if lines[index - 1].rstrip()[-1:].isalnum() and lines[index + 1].lstrip()[:1].islower():
        return False
    return (number % 5 == 0 or number > 20) and number < 1000 and all(len(line.split()) > 1 for line in neighbours)


def _numbered_lines(lines: list[str]) -> Iterator[tuple[int, int, int, int, str]]:
    """Lines with a number: index, how many lines with text up to it, stanza, number, and where the number stands."""
    place = stanza = 0
    previous = ""
    for index, line in enumerate(lines):
        stripped = line.strip()
        bare = stripped.strip("[]()")
        if stripped and not previous:
            stanza += 1
        if bare.isdecimal() and len(bare) < 5:
            enclosed = previous and index + 1 < len(lines) and lines[index + 1].strip()
            if enclosed:  # between two lines of a stanza; at its head it would be a section's number
                yield index, place, stanza, int(bare), "alone"
        elif stripped:
            place += 1
            if match := _LINE_NUMBER.search(stripped):
                if match["end"]:
                    yield index, place, stanza, int(match["end"]), "end"
                elif match.start() == 0:
                    yield index, place, stanza, int(match["start"]), "start"
        previous = stripped
