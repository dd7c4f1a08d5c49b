"""Crawl one source in a process of its own, since Scrapy's event loop can run only once per process.

`python -m scrapers.crawl` reads the source as JSON from standard input and writes JSON lines as it goes:
`{"page": address}` for each response, `{"poem": record}` for each poem, and at the end one `{"report": counts}`.
"""

import json
import logging
import os
import sys
from collections import Counter
from typing import Any

from scrapy import signals
from scrapy.crawler import AsyncCrawlerProcess, Crawler
from scrapy.http import Response
from scrapy.settings import Settings

from scrapers.cache import PoemPages
from scrapers.items import RawPoem
from scrapers.settings import user_agent
from scrapers.spiders.poemas_del_alma import PoemasDelAlmaSpider
from scrapers.spiders.poems import PoemSpider
from scrapers.spiders.poetrydb import PoetryDBSpider
from scrapers.spiders.selectors import SelectorsSpider
from scrapers.spiders.wikisource import WikisourceSpider

KINDS = (WikisourceSpider, PoetryDBSpider, PoemasDelAlmaSpider, SelectorsSpider)
SPIDERS = {spider.name: spider for spider in KINDS}  # by the kind of source in params.yaml
EXAMPLES = 20  # addresses of each kind that a report lists


def crawl(
    kind: str,
    delay: float,
    max_seconds: float,
    max_megabytes: float,
    recheck_days: float,
    contact: str | None = None,
    **values: Any,
) -> None:
    """Crawl a source and write what it gives to standard output.

    Args:
        kind: of source, a key of `SPIDERS`.
        delay: seconds between two requests at least.
        max_seconds: that a page may take, from the request to its last byte.
        max_megabytes: that a page may have.
        recheck_days: before the page of a poem is requested again.
        contact: of whoever runs the crawl, for the user agent.
        values: arguments of the spider.
    """
    settings = Settings()
    settings.setmodule("scrapers.settings")
    settings.set("USER_AGENT", user_agent(contact))
    settings.set("DOWNLOAD_DELAY", delay)
    settings.set("DOWNLOAD_TIMEOUT", max_seconds)
    settings.set("DOWNLOAD_MAXSIZE", int(max_megabytes * 1e6))
    settings.set("POEM_RECHECK_DAYS", recheck_days)
    process = AsyncCrawlerProcess(settings)
    # The report says which pages failed; if robots.txt can't be fetched, neither can they.
    logging.getLogger("scrapy.downloadermiddlewares.robotstxt").setLevel(logging.CRITICAL)
    crawler = process.create_crawler(SPIDERS[kind])
    crawler.signals.connect(_write_page, signals.response_received)
    crawler.signals.connect(_write_poem, signals.item_scraped)
    crawler.signals.connect(_note_error, signals.spider_error)
    process.crawl(crawler, delay=delay, poem_pages=PoemPages(settings), **values)
    process.start()
    _write(report=_report(crawler))


def _report(crawler: Crawler) -> dict[str, Any]:
    spider, stats = crawler.spider, crawler.stats.get_stats()
    redirects = (count for name, count in stats.items() if name.startswith("downloader/response_status_count/3"))
    return {
        "pages": spider.pages,
        "poems": stats.get("item_scraped_count", 0),
        "without_poem": len(spider.without_poem),
        "failed": len(spider.failed),
        "not_asked_for": spider.not_asked_for,
        "unchanged": spider.unchanged,
        "as_kept": spider.as_kept,
        "retried": stats.get("retry/count", 0),
        "redirected": sum(redirects),
        "delay": spider.delay,
        "crawl_delay": spider.crawl_delay,
        "forbidden_by_robots": stats.get("robotstxt/forbidden", 0),
        "problems": dict(Counter(str(failure["problem"]) for failure in spider.failed).most_common()),
        "failures": sorted(spider.failed, key=lambda failure: failure["page"])[:EXAMPLES],
        "pages_without_poem": sorted(spider.without_poem)[:EXAMPLES],
    }


def _write_page(response: Response) -> None:
    _write(page=response.url)


def _write_poem(item: RawPoem) -> None:
    _write(poem=item)


def _note_error(failure: Any, response: Response, spider: PoemSpider) -> None:
    spider.note_failure(response.url, failure.type.__name__)


def _write(**message: Any) -> None:
    try:
        print(json.dumps(message, ensure_ascii=False), flush=True)
    except BrokenPipeError:  # whoever asked for the crawl is gone
        os._exit(1)


if __name__ == "__main__":
    sys.stdin.reconfigure(encoding="utf-8")
    sys.stdout.reconfigure(encoding="utf-8")
    crawl(**json.load(sys.stdin))
