"""Poems of PoetryDB, or of any site that speaks its JSON API: the list of authors, and the poems of each."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from scrapy import Request
from scrapy.http import TextResponse

from scrapers.items import RawPoem
from scrapers.spiders.poems import PoemSpider
from scrapers.verse import stanzas


class PoetryDBSpider(PoemSpider):
    """Asks for every poem of the `authors`, or of all authors that the site lists where none is named."""

    name = "poetrydb"
    readable = TextResponse

    def __init__(self, authors: list[str], **values: Any) -> None:
        super().__init__(start=[poems_of(author) for author in authors] or ["/author"], **values)

    def parse_page(self, response: TextResponse) -> Iterator[RawPoem | Request]:
        answer = response.json()
        if isinstance(answer, list):
            yield from self.parse_poems(response.url, answer)
        elif "authors" in answer:
            yield from (self.page(poems_of(author)) for author in answer["authors"])
        else:  # an error has the HTTP status 200 all the same
            self.note_failure(response.url, answer.get("status", "no poems"))

    def parse_poems(self, url: str, poems: list[dict[str, Any]]) -> Iterator[RawPoem]:
        for poem in poems:
            address = f"{self.site}/author,title/{quote(poem['author'])};{quote(poem['title'], safe='')}"
            if text := stanzas(line.rstrip() for line in poem["lines"]):
                yield self.record(address, text, title=poem["title"], author=poem["author"])
            else:
                self.without_poem.append(self.path(address))


def poems_of(author: str) -> str:
    """The path of all poems of one author; `:abs` asks for the name as it is, not for names that contain it."""
    return f"/author/{author}:abs"
