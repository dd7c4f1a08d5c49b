"""The title and the author where a text repeats them above the poem, and verse that only looks like a title."""

import re
from itertools import pairwise

from pipeline.cleaning.typography import plain_words

_SURNAME_FIRST = re.compile(
    r"([^,()]+), (?!(?:Jr|Sr|Esq|I{2,3}|Lady|Lord|Earl|Duke|Baron|Count|Conde|Duque)\b)([^,()]+)"
)
_BY = re.compile(r"^(?:(?:a )?(?:poem|poema) (?=by|de|por))?(?:by|de|por|from|autora?|author|poet|poeta) ")
_DASH = ("—", "–", "-", "~")
_GOES_ON = tuple(",;:—–-")
_SPANISH = re.compile(r"\b(?:de|del|el|la|los|las|un|una|y|en|que|al|mi|su|con|por)\b")


def natural_order(name: str | None) -> str | None:
    """`Vega, Lope de` as it is spoken: `Lope de Vega`; what follows a comma may be a title too, and stays there."""
    found = _SURNAME_FIRST.fullmatch(name or "")
    return f"{found[2]} {found[1]}" if found else name


def drop_repeated_heading(text: str, title: str | None, author: str | None) -> str:
    """Drop the title and the author where the text repeats them as a heading, and the author's name as a signature.

    Many poems are titled by their first line, so a title goes only where it stands apart: as a stanza of its own that
    does not come again, right above the author, or in capitals; and where nothing says that it is verse.
    """
    lines = text.strip("\n").split("\n")
    title_key, author_key = _key(title), _key(author)
    names = {key for key in (author_key, _key(natural_order(author))) if key}

    def is_author(line: str) -> bool:
        key = _key(line)
        if title_key and key.startswith(f"{title_key} "):  # `The Lamp, by Ann Lee`
            key = key[len(title_key) + 1 :]
        return _BY.sub("", key) in names

    while len(lines) > 3 and is_author(lines[-1]) and (not lines[-2].strip() or lines[-1].startswith(_DASH)):
        text = "\n".join(lines[:-1]).rstrip("\n")
        lines = text.strip("\n").split("\n")

    def is_title(line: str) -> bool:
        return bool(title_key) and _key(line) == title_key

    end = 0
    while end < min(3, len(lines)) and lines[end].strip() and (is_title(lines[end]) or is_author(lines[end])):
        end += 1
    if end == 0 or end == len(lines):
        return text
    heading, rest = lines[:end], lines[end:]
    by_author = any(map(is_author, heading))
    if not by_author and _is_verse(heading[-1], title or "", rest):
        return text
    apart = not rest[0].strip() and not any(is_title(line) for line in rest)
    shouted = any(line.isupper() for line in heading) and not all(line.isupper() for line in rest if line.strip())
    if apart or shouted or by_author:
        shorter = "\n".join(rest).strip("\n")
        return drop_repeated_heading(shorter, title, author) if shorter else text
    return text


def _is_verse(line: str, title: str, rest: list[str]) -> bool:
    """Whether a first line that is like the title belongs to the poem, by its punctuation or by what follows it."""
    below = [other for other in rest if other.strip()]
    if len(below) > 1 and f"{_key(below[0])} ".startswith(f"{_key(line)} "):
        return False  # the poem begins below it with the same words
    if line.endswith(_GOES_ON) and not title.endswith(_GOES_ON):
        return True
    ends = line.endswith((".", "!", "?"))
    if below[0][:1].islower() and not ends and (line.isupper() or any(other[:1].isupper() for other in below)):
        return True  # it goes on
    later = line.split()[1:]
    is_sentence = len(later) > 1 and not any(word[:1].isupper() for word in later)
    if is_sentence and ends and not title.endswith(line[-1]):
        return True
    # `If you will come` below the title `If You Will Come`; in Spanish, headings are written like that.
    titled = sum(word[:1].isupper() for word in title.split()[1:])
    in_title_case = titled > 0 and 2 * titled >= len(title.split()) - 1
    if in_title_case and not line.isupper() and not any(w[:1].isupper() for w in later) and not _SPANISH.search(line):
        return True
    singles = sum(not above.strip() or not here.strip() for above, here in pairwise(rest))
    return ends and not line.isupper() and len(below) > 2 and singles == len(rest) - 1  # each line is a stanza


def _key(line: str | None) -> str:
    return " ".join(plain_words((line or "").casefold()))
