"""Reports as single HTML files: templates, verse as HTML, and the wording that both reports share.

A page includes its style and its charts, so it opens without a network. Everything put into a template is escaped.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pipeline.common.stage import whole_file
from pipeline.common.text import words_of

_TEMPLATES = FileSystemLoader(Path(__file__).parent / "templates")


@dataclass(frozen=True)
class Caution:
    """What a reader should know before trusting the rest.

    Attributes:
        serious: whether it may decide against the corpus or the model, or is just good to know.
        text: one or two sentences.
        section: the id of the section that shows it.
    """

    serious: bool
    text: str
    section: str


def write_page(template: str, path: Path, **values: Any) -> None:
    """Fill a template of `templates` and write it whole."""
    environment = Environment(
        loader=_TEMPLATES, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"verse": verse, "opening": opening, "count": count, "percent": percent}
    with whole_file(path) as partial:
        partial.write_text(environment.get_template(template).render(values), encoding="utf-8")


def verse(poem: str, copied: str = "") -> Markup:
    """A poem as HTML, a paragraph a stanza and a span a line, with the words of `copied` marked where they stand."""
    start, end = find_words(poem, copied) or (0, 0)
    stanzas, place = [], 0
    for stanza in re.split(r"(\n\s*\n)", poem):
        lines, at = [], place
        for line in stanza.split("\n"):
            low, high = (min(max(bound - at, 0), len(line)) for bound in (start, end))
            marked = Markup("<mark>{}</mark>").format(line[low:high]) if low < high else ""
            lines.append(Markup("<span>{}{}{}</span>").format(line[:low], marked, line[max(low, high) :]))
            at += len(line) + 1
        if stanza.strip():
            stanzas.append(Markup("<p>{}</p>").format(Markup("\n").join(lines)))
        place += len(stanza)
    return Markup("\n").join(stanzas)


def opening(poem: str | None, lines: int = 12) -> str:
    """The first lines of a poem, cut to a bounded length, with a mark where more follows."""
    poem = (poem or "").strip("\n")
    start = "\n".join(poem.split("\n")[:lines])[: 90 * lines]
    return start if start == poem else f"{start}\n[…]"


def find_words(text: str, words: str) -> tuple[int, int] | None:
    """Where the words of one text follow each other in another, ignoring case and punctuation."""
    wanted = words_of(words)
    found = re.search(r"[\W_]+".join(map(re.escape, wanted)), text, re.IGNORECASE) if wanted else None
    return found.span() if found else None


def count(number: int, noun: str = "") -> str:
    """`1,204 poems`, `1 poem`; for nouns with a plural in s."""
    return f"{number:,} {noun}{'s' if number != 1 else ''}" if noun else f"{number:,}"


def percent(share: float) -> str:
    """A share in [0, 1] as a percentage: never 0% for a few, nor 100% for all but a few."""
    if 0 < share < 0.01:
        return "under 1%"
    return "over 99%" if 0.99 < share < 1 else f"{share:.0%}"


def listed(items: Sequence[str], most: int = 3) -> str:
    """`a, b and 4 others`."""
    if len(items) > most:
        return f"{', '.join(items[:most])} and {len(items) - most} others"
    return " and ".join(filter(None, [", ".join(items[:-1]), items[-1]])) if items else ""
