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
        asked = robotparser.crawl_delay(self._robotstxt_useragent)
        if not asked or not isfinite(asked) or asked <= self.crawler.spider.crawl_delay:
            return
        delay = max(min(asked, LONGEST_DELAY), self.crawler.settings.getfloat("DOWNLOAD_DELAY"))
        self.crawler.spider.crawl_delay, self.crawler.spider.delay = asked, delay
        downloader = self.crawler.engine.downloader
        downloader._delay = delay  # of hosts not yet asked, as AutoThrottle sets it
        for slot in downloader.slots.values():
            slot.delay = max(slot.delay, delay)
        for extension in self.crawler.extensions.middlewares:
            if isinstance(extension, AutoThrottle):  # which would shorten it again
                extension.mindelay, extension.maxdelay = delay, max(delay, extension.maxdelay)
