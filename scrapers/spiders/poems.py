"""What all spiders share; each of them says only what a page of its site holds."""

from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from scrapy import Request, Spider
from scrapy.exceptions import CloseSpider, IgnoreRequest
from scrapy.http import HtmlResponse, Response
from scrapy.spidermiddlewares.httperror import HttpError

from scrapers.items import RawPoem


class PoemSpider(Spider):
    """Counts pages, stops at the last allowed one, and notes the pages that fail and those without a poem.

    Args:
        source: the source's name, for the records.
        site: the address without a path, such as `https://en.wikisource.org`.
        start: paths of the pages to start from.
        language: ISO 639-1 code, for pages that declare none.
        max_pages: pages read at most.
        licence: for pages that name none.
    """

    readable: type[Response] = HtmlResponse  # what `parse_page` takes; any other answer has no poem

    def __init__(
        self,
        source: str,
        site: str,
        start: list[str],
        language: str,
        max_pages: int,
        licence: str | None = None,
        **values: Any,
    ) -> None:
        super().__init__(**values)
        self.source, self.site, self.start_paths = source, site.rstrip("/"), start
        self.language, self.licence, self.max_pages = language, licence, max_pages
        self.allowed_domains = [urlsplit(site).hostname]
        self.pages = 0
        self.without_poem: list[str] = []
        self.failed: list[dict[str, str | int]] = []

    async def start(self) -> AsyncIterator[Request]:
        for path in self.start_paths:
            yield self.page(path)

    def page(self, path: str, **known: str | None) -> Request:
        """A request for a path of the site; `known` goes to `parse_page` with the answer."""
        return self.visit(self.site + quote(path, safe="/:%?=&"), **known)

    def visit(self, url: str, **known: str | None) -> Request:
        return Request(url, callback=self.parse, errback=self.on_failure, cb_kwargs=known)

    def parse(self, response: Response, **known: str | None) -> Iterator[RawPoem | Request]:
        if self.pages == self.max_pages:
            raise CloseSpider("max_pages")
        self.pages += 1
        if isinstance(response, self.readable):
            yield from self.parse_page(response, **known)
        else:
            self.without_poem.append(self.path(response.url))

    def parse_page(self, response: Response, **known: str | None) -> Iterator[RawPoem | Request]:
        """Yield the poems of a page and the requests it leads to; note in `without_poem` a page that has neither."""
        raise NotImplementedError

    def record(self, url: str, text: str, **fields: str | None) -> RawPoem:
        """A record of a poem: what the page does not say is as the source declares it, or None."""
        return RawPoem(
            source=self.source,
            url=url,
            title=fields.get("title"),
            author=fields.get("author"),
            collection=fields.get("collection"),
            year=fields.get("year"),
            style=fields.get("style"),
            licence=fields.get("licence") or self.licence,
            declared_language=fields.get("declared_language") or self.language,
            text=text,
        )

    def on_failure(self, failure: Any) -> None:
        if failure.check(IgnoreRequest) and not failure.check(HttpError):
            return  # robots.txt or another host; Scrapy counts them
        problem = failure.value.response.status if failure.check(HttpError) else failure.type.__name__
        self.note_failure(failure.request.url, problem)

    def note_failure(self, url: str, problem: str | int) -> None:
        self.failed.append({"page": self.path(url), "problem": problem})

    def path(self, url: str) -> str:
        return unquote(url.removeprefix(self.site))
