"""Which responses are cached on disk, and when a cached page is requested again."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

from scrapy.downloadermiddlewares.httpcache import HttpCacheMiddleware
from scrapy.extensions.httpcache import DummyPolicy
from scrapy.http import Request, Response
from scrapy.settings import BaseSettings
from scrapy.utils.project import data_path

VALIDATORS = {b"ETag": b"If-None-Match", b"Last-Modified": b"If-Modified-Since"}  # RFC 9110, section 13.1
CACHED = "cached"  # Scrapy's flag of a response from the cache
UNCHANGED = "unchanged"  # flag: the site says that the cached page is current, or sent the same bytes
AS_KEPT = "as kept"  # flag: the site failed to send the page, so the cached copy is used
DAY = 24 * 3600.0


class PatientCacheMiddleware(HttpCacheMiddleware):
    """Scrapy's cache, but it retries a failing site before it falls back on the cached page, and flags that page."""

    def process_exception(self, request: Request, exception: Exception) -> Request | Response | None:
        if not self.policy.is_last_attempt(request):
            return None
        cached = super().process_exception(request, exception)
        if isinstance(cached, Response):
            cached.flags.append(AS_KEPT)
        return cached


class AskWhetherItChanged(DummyPolicy):
    """Cache every page, unless the site answers `Cache-Control: no-store`.

    For `HTTPCACHE_FRESH_SECS` a cached page is used as it is, so that a stopped crawl continues where it was. After
    that, a conditional request asks the site whether the page changed; a site without `ETag` or `Last-Modified` sends
    it whole. A page with poems and no links to follow is requested only after `POEM_RECHECK_DAYS`, since new poems
    stand on other pages. If the site stays too busy to send a page, the cached copy is used.
    """

    def __init__(self, settings: BaseSettings) -> None:
        super().__init__(settings)
        self.fresh_seconds = settings.getint("HTTPCACHE_FRESH_SECS")
        self.recheck_seconds = max(settings.getfloat("POEM_RECHECK_DAYS") * DAY, self.fresh_seconds)
        self.retry_times = settings.getint("RETRY_TIMES")
        self.busy = {int(status) for status in settings.getlist("RETRY_HTTP_CODES")}
        self.poem_pages = PoemPages(settings).urls

    def is_last_attempt(self, request: Request) -> bool:
        return request.meta.get("retry_times", 0) >= self.retry_times

    def should_cache_response(self, response: Response, request: Request) -> bool:
        forbidden = b"no-store" in (response.headers.get("Cache-Control") or b"")
        return not forbidden and super().should_cache_response(response, request)

    def is_cached_response_fresh(self, cachedresponse: Response, request: Request) -> bool:
        is_poem = request.url in self.poem_pages
        if seconds_since(cachedresponse) < (self.recheck_seconds if is_poem else self.fresh_seconds):
            return True
        for validator, header in VALIDATORS.items():
            if validator in cachedresponse.headers:
                request.headers[header] = cachedresponse.headers[validator]
        return False

    def is_cached_response_valid(self, cachedresponse: Response, response: Response, request: Request) -> bool:
        if response.status == 304:
            cachedresponse.flags.append(UNCHANGED)
            return True
        if response.status in self.busy and self.is_last_attempt(request):
            cachedresponse.flags.append(AS_KEPT)
            return True
        if response.body == cachedresponse.body:
            response.flags.append(UNCHANGED)
        return False  # so that it is cached again, with its date


class PoemPages:
    """The addresses of pages with poems and no links to follow, stored beside the cache for the next crawl."""

    def __init__(self, settings: BaseSettings) -> None:
        self.file = Path(data_path(settings["HTTPCACHE_DIR"], createdir=True)) / "poem-pages.txt"
        self.urls = set(self.file.read_text(encoding="utf-8").split()) if self.file.exists() else set()

    def add(self, url: str) -> None:
        if url not in self.urls:
            self.urls.add(url)
            with self.file.open("a", encoding="utf-8") as lines:
                lines.write(url + "\n")


def seconds_since(response: Response) -> float:
    """How long ago a response was sent, by its `Date`, which Scrapy adds if the site sends none."""
    try:
        moment = parsedate_to_datetime(response.headers.get("Date", b"").decode("latin-1"))
    except ValueError:
        return float("inf")
    return (datetime.now(UTC) - moment.replace(tzinfo=moment.tzinfo or UTC)).total_seconds()
