"""Poems of a Wikisource, or of any MediaWiki with the same markup: categories, books, and the poems in them."""

from collections.abc import Iterator
from functools import partial
from urllib.parse import parse_qs, quote, unquote, urlsplit

from scrapy import Request
from scrapy.http import HtmlResponse

from scrapers.items import RawPoem
from scrapers.spiders.poems import PoemSpider
from scrapers.styles import STYLE_OF_CATEGORY
from scrapers.verse import one_line, verse

POEM = ".mw-parser-output .poem, .mw-parser-output .ws-poem"  # the poem tag's block and the ppoem template's
NOT_VERSE = (
    "style, script, .reference, .references, .ws-noexport, .noprint, .mw-editsection, .pagenum,"
    ".ws-poem-versenum, .wst-pline, .numeroverso"
)


class WikisourceSpider(PoemSpider):
    """Follows categories and books from `start` and yields every poem, whatever page leads to it."""

    name = "wikisource"

    def parse_page(self, response: HtmlResponse) -> Iterator[RawPoem | Request]:
        if response.css("#mw-pages, #mw-subcategories"):
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
        text = "\n\n".join(filter(None, map(partial(verse, left_out=NOT_VERSE), response.css(POEM))))
        if text:
            yield self.poem(response, text)
        elif not parts:
            self.without_poem.append(self.path(response.url))

    def poem(self, response: HtmlResponse, text: str) -> RawPoem:
        def first(query: str) -> str | None:
            return one_line(response.css(query).getall())

        heading = first("#firstHeading ::text") or self.path(response.url)
        book, _, part = heading.rpartition("/")
        categories = response.css("#mw-normal-catlinks li a::text").getall()
        return self.record(
            response.css("link[rel=canonical]::attr(href)").get(response.url),
            text,
            title=first("#header-section-text ::text") or part,
            author=first("#ws-author ::text"),
            collection=(first("#ws-title ::text") or book) if book else None,
            year=first("#ws-year ::text"),
            style=next((STYLE_OF_CATEGORY[name] for name in categories if name in STYLE_OF_CATEGORY), None),
            licence=first(".licensetpl_short::text"),
            declared_language=response.css(".mw-parser-output[lang]::attr(lang)").get(),
        )
