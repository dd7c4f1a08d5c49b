"""Poems of a Wikisource, or of any MediaWiki with the same markup: categories, books, and the poems in them."""

import re
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from lxml.html import HtmlElement
from scrapy import Request, Spider
from scrapy.exceptions import CloseSpider, IgnoreRequest
from scrapy.http import HtmlResponse, Response
from scrapy.selector import Selector
from scrapy.spidermiddlewares.httperror import HttpError

from scrapers.items import RawPoem
from scrapers.styles import STYLE_OF_CATEGORY

POEM = ".mw-parser-output .poem, .mw-parser-output .ws-poem"  # the poem tag's block and the ppoem template's
NOT_VERSE = (
    "style, script, .reference, .references, .ws-noexport, .noprint, .mw-editsection, .pagenum,"
    ".ws-poem-versenum, .wst-pline, .numeroverso"
)
STANZA_ENDS = {"p", "div", "li", "dd", "blockquote", "h2", "h3", "h4"}


class WikisourceSpider(Spider):
    """Follows categories and books from `start` and yields every poem, whatever page leads to it.

    Args:
        source: the source's name, for the records.
        site: the address without a path, such as `https://en.wikisource.org`.
        start: paths of the pages to start from.
        language: ISO 639-1 code, for pages that declare none.
        max_pages: pages read at most.
    """

    name = "wikisource"

    def __init__(self, source: str, site: str, start: list[str], language: str, max_pages: int, **values: Any) -> None:
        super().__init__(**values)
        self.source, self.site, self.start_paths, self.language = source, site.rstrip("/"), start, language
        self.max_pages = max_pages
        self.allowed_domains = [urlsplit(site).hostname]
        self.pages = 0
        self.without_poem: list[str] = []
        self.failed: list[dict[str, str | int]] = []

    async def start(self) -> AsyncIterator[Request]:
        for path in self.start_paths:
            yield self.page(path)

    def page(self, path: str) -> Request:
        return Request(self.site + quote(path, safe="/:%?=&"), callback=self.parse, errback=self.on_failure)

    def parse(self, response: Response) -> Iterator[RawPoem | Request]:
        if self.pages == self.max_pages:
            raise CloseSpider("max_pages")
        self.pages += 1
        if not isinstance(response, HtmlResponse):
            self.without_poem.append(self.path(response.url))
        elif response.css("#mw-pages, #mw-subcategories"):
            yield from self.parse_category(response)
        else:
            yield from self.parse_work(response)

    def parse_category(self, response: HtmlResponse) -> Iterator[Request]:
        links = response.css("#mw-subcategories li a::attr(href), #mw-pages li a::attr(href)").getall()
        yield from (self.page(link) for link in links if link.startswith("/wiki/"))
        # MediaWiki links a category's further pages through /w/, which robots.txt closes; /wiki/ has them too.
        for turn in response.css("#mw-pages > a[href*=pagefrom]::attr(href)").getall():
            query = parse_qs(urlsplit(turn).query)
            yield self.page(f"/wiki/{query['title'][0]}?pagefrom={quote(query['pagefrom'][0], safe='')}")

    def parse_work(self, response: HtmlResponse) -> Iterator[RawPoem | Request]:
        """A poem's page, a book's list of its poems, or both in one."""
        here = self.path(response.url) + "/"
        links = response.css(".mw-parser-output a::attr(href)").getall()
        parts = [link for link in links if unquote(link).startswith(here)]
        yield from map(self.page, parts)
        text = "\n\n".join(filter(None, map(verse, response.css(POEM))))
        if text:
            yield self.poem(response, text)
        elif not parts:
            self.without_poem.append(self.path(response.url))

    def poem(self, response: HtmlResponse, text: str) -> RawPoem:
        def first(query: str) -> str | None:
            return " ".join(" ".join(response.css(query).getall()).split()) or None

        heading = first("#firstHeading ::text") or self.path(response.url)
        book, _, part = heading.rpartition("/")
        categories = response.css("#mw-normal-catlinks li a::text").getall()
        return RawPoem(
            source=self.source,
            url=response.css("link[rel=canonical]::attr(href)").get(response.url),
            title=first("#header-section-text ::text") or part,
            author=first("#ws-author ::text"),
            collection=(first("#ws-title ::text") or book) if book else None,
            style=next((STYLE_OF_CATEGORY[name] for name in categories if name in STYLE_OF_CATEGORY), None),
            licence=first(".licensetpl_short::text"),
            declared_language=response.css(".mw-parser-output[lang]::attr(lang)").get(self.language),
            text=text,
        )

    def on_failure(self, failure: Any) -> None:
        if failure.check(IgnoreRequest) and not failure.check(HttpError):
            return  # robots.txt or another host; Scrapy counts them
        problem = failure.value.response.status if failure.check(HttpError) else failure.type.__name__
        self.failed.append({"page": self.path(failure.request.url), "problem": problem})

    def path(self, url: str) -> str:
        return unquote(url.removeprefix(self.site))


def verse(block: Selector) -> str:
    """The text of a poem block: a break ends a line, a paragraph ends a stanza; what the markup says is no verse goes.

    White space of the HTML source means nothing; spaces that do not break, as in indents, stay for the cleaner.
    """
    block.css(NOT_VERSE).drop()
    lines = (line.strip(" ") for line in "".join(_pieces(block.root)).split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")


def _pieces(element: HtmlElement) -> Iterator[str]:
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
