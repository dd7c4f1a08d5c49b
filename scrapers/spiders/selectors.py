"""Poems of any site, by CSS selectors that its entry in params.yaml gives."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from scrapy import Request
from scrapy.http import HtmlResponse

from scrapers.items import RawPoem
from scrapers.spiders.poems import PoemSpider
from scrapers.verse import NO_TEXT, joined_verse, text_of


class SelectorsSpider(PoemSpider):
    """Follows the links that `follow` selects, on the same host only, and takes one poem from each page.

    Args:
        follow: CSS selectors of links, or of elements with links in them.
        fields: CSS selectors by field; all elements that `text` selects are one poem.
        leave_out: CSS selectors of what in `text` is not verse.
    """

    name = "selectors"

    def __init__(self, follow: list[str], fields: dict[str, str | None], leave_out: list[str], **values: Any) -> None:
        super().__init__(**values)
        self.following, self.left_out = follow, ", ".join([NO_TEXT, *leave_out])
        self.text = fields.pop("text")
        self.fields = {field: query for field, query in fields.items() if query}

    def parse_page(self, response: HtmlResponse) -> Iterator[RawPoem | Request]:
        requests = list(self.requests(response))
        if text := joined_verse(response.css(self.text), self.left_out):
            fields = {field: text_of(response, query) for field, query in self.fields.items()}
            yield self.record(response.url, text, **fields)
        elif not requests:
            self.without_poem.append(self.path(response.url))
        yield from requests

    def requests(self, response: HtmlResponse) -> Iterator[Request]:
        here = urlsplit(self.site).netloc
        for query in self.following:
            links = response.css(query).xpath("descendant-or-self::a/@href").getall()
            for request in self.follow(response, links):
                if urlsplit(request.url).netloc == here:
                    yield request
