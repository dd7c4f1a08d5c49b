"""A site's `Crawl-delay` is obeyed, and said in the report."""

import time
from types import SimpleNamespace

import pytest
from scrapy.extensions.throttle import AutoThrottle
from scrapy.http import Request
from scrapy.robotstxt import ProtegoRobotParser

from pipeline.common.params import Scrape
from pipeline.scrape import scrape
from scrapers.anthology.server import serve
from scrapers.anthology.site import Page
from scrapers.robots import LONGEST_DELAY, SlowRobotsTxtMiddleware, crawl_delay


def crawl(folder, robots, delay):
    pages = {
        "/": Page("<a href='/a'>a</a> <a href='/b'>b</a>"),
        "/a": Page("<div class='verse'>One<br>two</div>"),
        "/b": Page("<div class='verse'>Three<br>four</div>"),
        "/robots.txt": Page(robots, content_type="text/plain"),
    }
    with serve(pages) as site:
        source = {"kind": "selectors", "site": site, "language": "en", "delay": delay, "follow": ["a"]}
        source["fields"] = {"text": "div.verse"}
        started = time.monotonic()
        report = scrape(Scrape.model_validate({"sources": {"mine": source}}), folder, folder / "earlier")["mine"]
    return report, time.monotonic() - started


def test_requests_are_as_far_apart_as_the_site_asks(tmp_path):
    report, seconds = crawl(tmp_path, "User-agent: *\nCrawl-delay: 1.5\n", delay=0)
    assert report["poems"] == 2
    assert (report["delay"], report["crawl_delay"]) == (1.5, 1.5)
    assert seconds >= 4.5  # robots.txt and three pages


def test_a_source_that_waits_longer_goes_on_doing_so(tmp_path):
    report, _ = crawl(tmp_path, "User-agent: *\nCrawl-delay: 0.1\n", delay=0.5)
    assert (report["delay"], report["crawl_delay"]) == (0.5, 0.1)


def test_a_site_that_asks_for_hours_gets_what_is_sensible():
    assert 10 <= LONGEST_DELAY <= 120
    spider = SimpleNamespace(delay=2.0, crawl_delay=0.0)
    slot, throttle = SimpleNamespace(delay=2.0), AutoThrottle.__new__(AutoThrottle)
    throttle.mindelay, throttle.maxdelay = 2.0, 30.0
    middleware = SlowRobotsTxtMiddleware.__new__(SlowRobotsTxtMiddleware)
    middleware._robotstxt_useragent = "Estrofa"
    middleware.crawler = SimpleNamespace(
        spider=spider,
        engine=SimpleNamespace(downloader=SimpleNamespace(slots={"poems.example": slot})),
        extensions=SimpleNamespace(middlewares=[throttle]),
    )
    parser = ProtegoRobotParser(b"User-agent: *\nCrawl-delay: 3600", None)
    middleware.slow_down(parser, Request("https://poems.example/"))
    assert (spider.crawl_delay, spider.delay) == (3600, LONGEST_DELAY)
    assert slot.delay == throttle.mindelay == throttle.maxdelay == LONGEST_DELAY


@pytest.mark.parametrize(
    ("robots", "seconds"),
    [
        ("User-agent: *\nCrawl-delay: 9\n\nUser-agent: Estrofa\nCrawl-delay: 5", 5),
        ("User-agent: *\nCrawl-delay: 2.5", 2.5),
        ("User-agent: Other\nCrawl-delay: 9", 0),
        ("User-agent: *\nCrawl-delay: soon", 0),
        ("User-agent: *\nCrawl-delay: -4", 0),
        ("User-agent: *\nCrawl-delay: inf", 0),
        ("User-agent: *\nDisallow: /w/", 0),
        ("<html>Not found</html>", 0),
    ],
)
def test_the_delay_is_what_the_site_asks_of_this_crawler(robots, seconds):
    assert crawl_delay(ProtegoRobotParser(robots.encode(), None), "Estrofa") == seconds
