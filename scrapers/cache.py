"""Which answers Scrapy may keep on disk."""

from scrapy.extensions.httpcache import DummyPolicy
from scrapy.http import Request, Response


class KeepUnlessForbidden(DummyPolicy):
    """Keep every page for the time the settings say, unless the site answers `Cache-Control: no-store`."""

    def should_cache_response(self, response: Response, request: Request) -> bool:
        forbidden = b"no-store" in (response.headers.get("Cache-Control") or b"")
        return not forbidden and super().should_cache_response(response, request)
