"""What all spiders share; each adds only how to read the pages of its site."""

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from scrapy import Request, Spider
from scrapy.exceptions import CloseSpider, IgnoreRequest
from scrapy.http import HtmlResponse, Response
from scrapy.spidermiddlewares.httperror import HttpError

from scrapers.cache import AS_KEPT, CACHED, UNCHANGED, PoemPages
from scrapers.items import RawPoem
from scrapers.pages import as_browsers_read

PROBLEMS = {"DownloadCancelledError": "too large", "DownloadTimeoutError": "too slow"}  # by Scrapy's exception


class PoemSpider(Spider):
    """Counts pages, stops at `max_pages`, and records pages that fail and pages without a poem.

    Args:
        source: the source's name, for the records.
        site: the address without a path, such as `https://en.wikisource.org`.
        start: paths of the pages to start from.
        language: ISO 639-1 code of pages that declare none.
        max_pages: most pages to read.
        licence: of pages that name none.
        poem_pages: where to store addresses of pages with poems and no links to follow.
        delay: least seconds between two requests, until robots.txt asks for more.
    """

    readable: type[Response] = HtmlResponse  # what `parse_page` takes; any other response has no poem

    def __init__(
        self,
        source: str,
        site: str,
        start: list[str],
        language: str,
        max_pages: int,
        licence: str | None = None,
        poem_pages: PoemPages | None = None,
        delay: float = 0.0,
        **values: Any,
    ) -> None:
        super().__init__(**values)
        self.source, self.site, self.start_paths = source, site.rstrip("/"), start
        self.language, self.licence, self.max_pages = language, licence, max_pages
        self.allowed_domains = [urlsplit(site).hostname]
        self.poem_pages = poem_pages
        self.delay, self.crawl_delay = delay, 0.0  # the latter as robots.txt asks
        self.pages = self.unchanged = self.not_asked_for = self.as_kept = 0
        self.without_poem: list[str] = []
        self.failed: list[dict[str, str | int]] = []

    async def start(self) -> AsyncIterator[Request]:
        for path in self.start_paths:
            yield self.page(path)

    def page(self, path: str, **known: str | None) -> Request:
        """A request for a path of the site; `known` goes to `parse_page` with the response."""
        return self.visit(self.site + quote(path, safe="/:%?=&,;"), **known)

    def visit(self, url: str, **known: str | None) -> Request:
        return Request(url, callback=self.parse, errback=self.on_failure, cb_kwargs=known)

    def follow(self, response: HtmlResponse, links: Iterable[str], **known: str | None) -> Iterator[Request]:
        """Requests for the links of a page that are `http` or `https`; others, such as `javascript:`, are ignored."""
        for link in links:
            with suppress(ValueError):
                url = response.urljoin(link.strip())
                if urlsplit(url).scheme in ("http", "https") and urlsplit(url).hostname:
                    yield self.visit(url, **known)

    def parse(self, response: Response, **known: str | None) -> Iterator[RawPoem | Request]:
        if self.pages == self.max_pages:
            raise CloseSpider("max_pages")
        self.pages += 1
        if AS_KEPT in response.flags:
            self.as_kept += 1
        elif UNCHANGED in response.flags:
            self.unchanged += 1
        elif CACHED in response.flags:
            self.not_asked_for += 1
        if not isinstance(response, self.readable):
            self.without_poem.append(self.path(response.url))
            return
        poems = requests = 0
        page = as_browsers_read(response) if isinstance(response, HtmlResponse) else response
        for found in self.parse_page(page, **known):
            requests += isinstance(found, Request)
            poems += not isinstance(found, Request)
            yield found
        if self.poem_pages and poems and not requests:
            self.poem_pages.add(response.request.url)

    def parse_page(self, response: Response, **known: str | None) -> Iterator[RawPoem | Request]:
        """Yield a page's poems and the requests that follow from it; add a page with neither to `without_poem`."""
        raise NotImplementedError

    def record(self, url: str, text: str, **fields: str | None) -> RawPoem:
        """A record of a poem; what the page lacks comes from the source, or is None."""
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
        if failure.check(HttpError):
            problem = failure.value.response.status
        elif failure.check(IgnoreRequest):  # robots.txt, another host (Scrapy counts both), or a redirect loop
            if "redirections" not in str(failure.value):
                return
            problem = "too many redirects"
        else:
            problem = PROBLEMS.get(failure.type.__name__, failure.type.__name__)
        self.note_failure(failure.request.url, problem)

    def note_failure(self, url: str, problem: str | int) -> None:
        self.failed.append({"page": self.path(url), "problem": problem})

    def path(self, url: str) -> str:
        return unquote(url.removeprefix(self.site))
