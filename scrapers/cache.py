"""Which answers are kept on disk, and when a page that was kept is asked for again."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from scrapy.extensions.httpcache import DummyPolicy
from scrapy.http import Request, Response
from scrapy.settings import BaseSettings

VALIDATORS = {b"ETag": b"If-None-Match", b"Last-Modified": b"If-Modified-Since"}  # RFC 9110, section 13.1


class AskWhetherItChanged(DummyPolicy):
    """Keep every page, unless the site answers `Cache-Control: no-store`.

    For `HTTPCACHE_FRESH_SECS` a page that was kept is taken as it is, so that a stopped crawl goes on where it stood.
    After them the site is asked whether it changed (a conditional request), and answers without a body where it did
    not; a site that gave no `ETag` or `Last-Modified` sends it whole.
    """

    def __init__(self, settings: BaseSettings) -> None:
        super().__init__(settings)
        self.fresh_seconds = settings.getint("HTTPCACHE_FRESH_SECS")

    def should_cache_response(self, response: Response, request: Request) -> bool:
        forbidden = b"no-store" in (response.headers.get("Cache-Control") or b"")
        return not forbidden and super().should_cache_response(response, request)

    def is_cached_response_fresh(self, cachedresponse: Response, request: Request) -> bool:
        if seconds_since(cachedresponse) < self.fresh_seconds:
            return True
        for given, asks in VALIDATORS.items():
            if given in cachedresponse.headers:
                request.headers[asks] = cachedresponse.headers[given]
        return False

    def is_cached_response_valid(self, cachedresponse: Response, response: Response, request: Request) -> bool:
        return response.status == 304


def seconds_since(response: Response) -> float:
    """How long ago a response was sent, by its `Date`, which Scrapy adds where the site gives none."""
    try:
        moment = parsedate_to_datetime(response.headers.get("Date", b"").decode("latin-1"))
    except ValueError:
        return float("inf")
    return (datetime.now(UTC) - moment.replace(tzinfo=moment.tzinfo or UTC)).total_seconds()
