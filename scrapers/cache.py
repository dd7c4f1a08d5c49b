"""Which answers are kept on disk, and when a page that was kept is asked for again."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

from scrapy.downloadermiddlewares.httpcache import HttpCacheMiddleware
from scrapy.extensions.httpcache import DummyPolicy
from scrapy.http import Request, Response
from scrapy.settings import BaseSettings
from scrapy.utils.project import data_path

VALIDATORS = {b"ETag": b"If-None-Match", b"Last-Modified": b"If-Modified-Since"}  # RFC 9110, section 13.1
CACHED = "cached"  # the flag that Scrapy gives to an answer from the cache
UNCHANGED = "unchanged"  # the flag of an answer that is as it was kept, by the site's word or byte for byte
AS_KEPT = "as kept"  # the flag of a page that the site failed to give, as an earlier crawl kept it
DAY = 24 * 3600.0


class PatientCacheMiddleware(HttpCacheMiddleware):
    """Scrapy's cache, but a site that breaks off is asked again before a page is taken as it was kept, and flagged."""

    def process_exception(self, request: Request, exception: Exception) -> Request | Response | None:
        if not self.policy.is_last_attempt(request):
            return None
        kept = super().process_exception(request, exception)
        if isinstance(kept, Response):
            kept.flags.append(AS_KEPT)
        return kept


class AskWhetherItChanged(DummyPolicy):
    """Keep every page, unless the site answers `Cache-Control: no-store`.

    For `HTTPCACHE_FRESH_SECS` a page that was kept is taken as it is, so that a stopped crawl goes on where it stood.
    After them the site is asked whether it changed (a conditional request), and answers without a body where it did
    not; a site that gave no `ETag` or `Last-Modified` sends it whole. A page that held poems and led nowhere is asked
    for only after `POEM_RECHECK_DAYS`, since what is new stands on others. A page that the site is too busy to give,
    however often it is asked, is taken as it was kept.
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
        for given, asks in VALIDATORS.items():
            if given in cachedresponse.headers:
                request.headers[asks] = cachedresponse.headers[given]
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
        return False  # so that it is kept anew, with its date


class PoemPages:
    """The addresses of pages that held poems and led nowhere, kept beside the cache from one crawl to the next."""

    def __init__(self, settings: BaseSettings) -> None:
        self.file = Path(data_path(settings["HTTPCACHE_DIR"], createdir=True)) / "poem-pages.txt"
        self.urls = set(self.file.read_text(encoding="utf-8").split()) if self.file.exists() else set()

    def add(self, url: str) -> None:
        if url not in self.urls:
            self.urls.add(url)
            with self.file.open("a", encoding="utf-8") as lines:
                lines.write(url + "\n")


def seconds_since(response: Response) -> float:
    """How long ago a response was sent, by its `Date`, which Scrapy adds where the site gives none."""
    try:
        moment = parsedate_to_datetime(response.headers.get("Date", b"").decode("latin-1"))
    except ValueError:
        return float("inf")
    return (datetime.now(UTC) - moment.replace(tzinfo=moment.tzinfo or UTC)).total_seconds()
