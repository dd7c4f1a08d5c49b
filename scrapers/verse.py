"""Verse out of HTML: which markup ends a line, which a stanza, and what is no verse at all."""

import re
from collections.abc import Iterable, Iterator

from lxml.html import HtmlElement
from scrapy.http import HtmlResponse
from scrapy.selector import Selector

NO_TEXT = "style, script"
STANZA_ENDS = {"p", "pre", "div", "li", "dd", "blockquote", "h2", "h3", "h4"}


def verse(block: Selector, left_out: str = NO_TEXT) -> str:
    """The text of a poem block: a break ends a line, a paragraph ends a stanza.

    White space of the HTML source means nothing outside `pre`; spaces that do not break, as in indents, stay for the
    cleaner.

    Args:
        block: the element that holds the poem; it loses what is left out.
        left_out: CSS selector of what in it is no verse.
    """
    block.css(left_out).drop()
    lines = (line.strip(" ") for line in "".join(_pieces(block.root)).split("\n"))
    return stanzas(lines)


def stanzas(lines: Iterable[str]) -> str:
    """Lines as one text, however many empty ones stand between two stanzas."""
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")


def one_line(strings: Iterable[str]) -> str | None:
    """Pieces of text as a field of a record: in one line, and None if there is nothing in them."""
    return " ".join(" ".join(strings).split()) or None


def text_of(page: HtmlResponse | Selector, query: str) -> str | None:
    """The text of the first element that a CSS selector finds, or the attribute that it names with `::attr()`."""
    found = page.css(query)[:1]
    return one_line(found.getall() if "::" in query else found.css("::text").getall())


def _pieces(element: HtmlElement) -> Iterator[str]:
    if element.tag == "pre":
        yield re.sub(r"(?m)^[ \t]+$", "", element.text_content().expandtabs())
    else:
        yield _spaced(element.text)
        for child in element:
            if child.tag == "br":
                yield "\n"
            elif isinstance(child.tag, str):  # a comment's is a function
                yield from _pieces(child)
            yield _spaced(child.tail)
    if element.tag in STANZA_ENDS:
        yield "\n\n"


def _spaced(text: str | None) -> str:
    return re.sub(r"[ \t\r\n\f]+", " ", text or "")
