"""Poems of a Wikisource, or of any MediaWiki with the same markup: categories, books, and the poems in them."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from scrapy import Request
from scrapy.http import HtmlResponse
from scrapy.selector import Selector

from scrapers.items import RawPoem
from scrapers.mediawiki import NOT_VERSE, header_field, likely_poem_blocks, poem_blocks
from scrapers.spiders.poems import PoemSpider
from scrapers.styles import STYLE_OF_CATEGORY
from scrapers.verse import joined_verse, text_of

NEXT_PAGES = "#mw-pages > a[href*=pagefrom], #mw-subcategories > a[href*=subcatfrom]"
# Pages about works, or pieces of scans; the same poems also stand on pages outside these namespaces.
_NAMESPACES = (
    "Special User Wikisource Project File Image MediaWiki Template Help Portal Index Page Author Translation Module "
    "Gadget TimedText Topic Media Transwiki "
    "Especial Usuario Usuaria Archivo Imagen Plantilla Ayuda Índice Página Autor Autora Módulo Accesorio Tema Medio "
    "Wikiproyecto"
)
_TALK = "talk|discusi[óo]n"
NOT_WORKS = re.compile(
    rf"/wiki/(?:(?:{_NAMESPACES.replace(' ', '|')})(?:[ _](?:{_TALK}))?|(?:Category|Categoría)[ _](?:{_TALK})|{_TALK})"
    r"[ _]*:",
    re.IGNORECASE,
)
AUTHOR = re.compile(r"/wiki/(?:Author|Autora?):", re.IGNORECASE)
# Pages that list the editions or translations of one work, or works that share a title, are in categories named so.
EDITIONS = re.compile(
    r"d[ie]sambig|\b(?:versions|translations) pages|páginas (?:de|con) (?:versiones|traducciones)", re.IGNORECASE
)
ADDITION = re.compile(r"_\([^()]*\)$")  # to a title that is not the only one: `The_Raven_(Poe)`
LANGUAGE = "(ancestor-or-self::*[@lang][ancestor-or-self::*[has-class('mw-parser-output')]])[last()]/@lang"
CATEGORIES = "#mw-normal-catlinks li a::text, #mw-hidden-catlinks li a::text"


class WikisourceSpider(PoemSpider):
    """Follows categories, authors and books from `start`, and yields each poem once, whichever pages lead to it."""

    name = "wikisource"

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        self.yielded: set[str] = set()

    def parse_page(self, response: HtmlResponse) -> Iterator[RawPoem | Request]:
        if response.css("#mw-pages, #mw-subcategories"):
            yield from self.parse_category(response)
        else:
            yield from self.parse_work(response)

    def parse_category(self, response: HtmlResponse) -> Iterator[Request]:
        links = response.css("#mw-subcategories li a::attr(href), #mw-pages li a::attr(href)").getall()
        yield from map(self.page, works(links))
        # MediaWiki links to a category's next pages under /w/, which robots.txt forbids; /wiki/ has them too.
        for link in response.css(NEXT_PAGES).xpath("@href").getall():
            parts = urlsplit(link)
            query = parse_qs(parts.query, keep_blank_values=True)
            key = "pagefrom" if "pagefrom" in query else "subcatfrom"
            here = f"/wiki/{query['title'][0]}" if "title" in query else unquote(parts.path)
            if key in query and here.startswith("/wiki/"):
                yield self.page(f"{here}?{key}={quote(query[key][0], safe='')}")

    def parse_work(self, response: HtmlResponse) -> Iterator[RawPoem | Request]:
        """Read a poem, a book's list of poems, both in one, or a list of works or editions."""
        # MediaWiki shows redirects under the address asked for; the canonical address is the page's own.
        address = response.css("link[rel=canonical]::attr(href)").get(response.url)
        here = unquote(urlsplit(address).path)
        links = works(response.css(".mw-parser-output a::attr(href)").getall())
        parts = links if AUTHOR.match(here) else [link for link in links if unquote(link).startswith(here + "/")]
        blocks = poem_blocks(response)
        text = joined_verse(blocks, NOT_VERSE)
        is_start = not {here, unquote(urlsplit(response.url).path)}.isdisjoint(map(unquote, self.start_paths))
        parts = parts or ([] if text else entries(response, None if is_start else here))
        if not text and not parts:
            blocks = likely_poem_blocks(response)
            text = joined_verse(blocks, NOT_VERSE)
        yield from map(self.page, parts)
        if text and address not in self.yielded:
            self.yielded.add(address)
            yield self.poem(response, address, text, blocks[0])
        elif not text and not parts:
            self.without_poem.append(self.path(response.url))

    def poem(self, response: HtmlResponse, address: str, text: str, block: Selector) -> RawPoem:
        heading = text_of(response, "#firstHeading") or self.path(response.url)
        book, _, part = heading.rpartition("/")
        categories = response.css(CATEGORIES).getall()
        section = text_of(response, "#header-section-text") or text_of(response, "#header_section_text")
        language = block.xpath(LANGUAGE).get("").partition("-")[0]
        return self.record(
            address,
            text,
            title=section or part,
            author=header_field(response, "author"),
            collection=(header_field(response, "title") or book) if book else None,
            year=header_field(response, "year"),
            style=next((STYLE_OF_CATEGORY[name] for name in categories if name in STYLE_OF_CATEGORY), None),
            licence=text_of(response, ".licensetpl_short"),
            declared_language=language,
        )


def works(links: list[str]) -> list[str]:
    """The links that lead to works and categories, without fragments."""
    paths = (link.partition("#")[0] for link in links if link.startswith("/wiki/"))
    return [path for path in paths if not NOT_WORKS.match(unquote(path))]


def entries(page: HtmlResponse, here: str | None) -> list[str]:
    """The links of a list's entries: editions of one work, works of one title, or a list that `start` names.

    An entry's first link is the work; later ones, such as the book that holds it, are ignored. If the page isn't
    categorised as such a list, only works with its own title count.

    Args:
        page: one without verse.
        here: its path; None for all entries, whatever the categories.
    """
    firsts = (works(entry.css("a::attr(href)").getall())[:1] for entry in page.css(".mw-parser-output li"))
    found = [path for first in firsts for path in first]
    if here is None or any(map(EDITIONS.search, page.css(CATEGORIES).getall())):
        return found
    return [path for path in found if title_in(unquote(path)) == title_in(here)]


def title_in(path: str) -> str:
    """The title that a page shares with other editions of its work."""
    return ADDITION.sub("", path.rpartition("/")[2])
