"""robots.txt, its `Crawl-delay` included, which Scrapy reads and does not obey."""

from math import isfinite

from scrapy import Request, signals
from scrapy.crawler import Crawler
from scrapy.downloadermiddlewares.robotstxt import RobotsTxtMiddleware
from scrapy.extensions.throttle import AutoThrottle
from scrapy.robotstxt import RobotParser

LONGEST_DELAY = 60.0  # seconds; a site that asks for more gets this


class SlowRobotsTxtMiddleware(RobotsTxtMiddleware):
    """Scrapy's middleware, and requests as far apart as the site asks for, or as the source where that is further."""

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        crawler.signals.connect(self.slow_down, signals.robots_parsed)

    def slow_down(self, robotparser: RobotParser, request: Request) -> None:
        spider, downloader = self.crawler.spider, self.crawler.engine.downloader
        asked = crawl_delay(robotparser, self._robotstxt_useragent)
        if asked <= spider.crawl_delay:
            return
        spider.crawl_delay, spider.delay = asked, max(spider.delay, min(asked, LONGEST_DELAY))
        downloader._delay = spider.delay  # of hosts that were not asked yet, as AutoThrottle sets it
        for slot in downloader.slots.values():
            slot.delay = max(slot.delay, spider.delay)
        for extension in self.crawler.extensions.middlewares:
            if isinstance(extension, AutoThrottle):  # which would shorten it again
                extension.mindelay, extension.maxdelay = spider.delay, max(spider.delay, extension.maxdelay)


def crawl_delay(robots: RobotParser, agent: str) -> float:
    """Seconds between requests that a robots.txt asks of this agent; 0 where it asks for none, or for nonsense."""
    asked = robots.crawl_delay(agent) or 0.0
    return asked if isfinite(asked) and asked > 0 else 0.0
