"""Poems of PoetryDB, or of any site with its JSON API: the list of authors, their titles, and their poems."""

from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import quote

from scrapy import Request
from scrapy.http import TextResponse

from scrapers.items import RawPoem
from scrapers.spiders.poems import PoemSpider
from scrapers.verse import stanzas


class PoetryDBSpider(PoemSpider):
    """Yields every poem of `authors`, or of all the site's authors if there are none.

    An author's titles are requested first. Their number is part of the address of the poems, so that a refresh uses
    the cached poems of an author, unless poems were added or removed.
    """

    name = "poetrydb"
    readable = TextResponse

    def __init__(self, authors: list[str], **values: Any) -> None:
        super().__init__(start=["/author"], **values)
        self.authors = authors

    async def start(self) -> AsyncIterator[Request]:
        if not self.authors:
            yield self.page("/author")
        for author in self.authors:
            yield self.titles_of(author)

    def titles_of(self, author: str) -> Request:
        """`:abs` matches the whole name, not names that contain it."""
        return self.page(f"/author/{author}:abs/title", titles_of=author)

    def parse_page(self, response: TextResponse, titles_of: str | None = None) -> Iterator[RawPoem | Request]:
        answer = response.json()
        if isinstance(answer, dict) and "authors" in answer:
            yield from map(self.titles_of, answer["authors"])
        elif not isinstance(answer, list):  # an error has the HTTP status 200 all the same
            self.note_failure(response.url, answer.get("status", "no poems"))
        elif titles_of:
            yield self.page(f"/author,poemcount/{titles_of}:abs;{len(answer)}")
        else:
            yield from self.parse_poems(answer)

    def parse_poems(self, poems: list[dict[str, Any]]) -> Iterator[RawPoem]:
        for poem in poems:
            address = f"{self.site}/author,title/{quote(poem['author'])};{quote(poem['title'], safe='')}"
            if text := stanzas(line.rstrip() for line in poem["lines"]):
                yield self.record(address, text, title=poem["title"], author=poem["author"])
            else:
                self.without_poem.append(self.path(address))
