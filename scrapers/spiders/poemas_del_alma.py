"""Poems of Poemas del Alma: authors by their first letter, the poems and books of each, and the poems of a book."""

import re
from collections.abc import Iterator

from scrapy import Request
from scrapy.http import HtmlResponse

from scrapers.items import RawPoem
from scrapers.spiders.poems import PoemSpider
from scrapers.verse import NO_TEXT, text_of, verse

LETTER = re.compile(r"/[A-Za-z]\.html$")
AUTHORS = '#content li a[href$=".htm"]'
# The most reliable selector first; the site's markup varies from page to page.
WORKS = ("#ordenable a[href]", ".list-poems a[href]", "#block-poems a[href]")
TITLES = (".title-poem", "h2", "h1")
POEMS = ("#contentfont", ".poem-entry")
NOT_VERSE = f"{NO_TEXT}, .likebox, h1, h2"


class PoemasDelAlmaSpider(PoemSpider):
    """Follows the pages of letters, authors and books; these give a poem its author and book."""

    name = "poemas-del-alma"

    def parse_page(
        self,
        response: HtmlResponse,
        owner: str | None = None,
        author: str | None = None,
        collection: str | None = None,
    ) -> Iterator[RawPoem | Request]:
        """Read a page of any kind.

        Args:
            response: the page.
            owner: the author, if this is an author's page.
            author: of the poem or book.
            collection: the book that holds the poem.
        """
        if LETTER.search(response.url):
            for link in response.css(AUTHORS):
                yield from self.follow(response, [link.attrib["href"]], owner=text_of(link, "a"))
            return
        title = next(filter(None, (text_of(response, query) for query in TITLES)), None)
        text = next(filter(None, (verse(block, NOT_VERSE) for query in POEMS for block in response.css(query))), None)
        works = next(filter(None, map(response.css, WORKS)), None)
        if text:
            yield self.record(response.url, text, title=title, author=author, collection=collection)
        elif works:
            known = {"author": author, "collection": title} if author else {"author": owner or name_in(title)}
            yield from self.follow(response, works.xpath("@href").getall(), **known)
        else:
            self.without_poem.append(self.path(response.url))


def name_in(heading: str | None) -> str | None:
    """The author that the heading of an author's page names."""
    return heading and heading.removeprefix("Poemas de ")
