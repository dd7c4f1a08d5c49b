"""One source crawled in a process of its own, since Scrapy's event loop can run only once in each.

`python -m scrapers.crawl` reads the source as JSON from standard input and writes JSON lines as it goes:
`{"page": address}` for each answer, `{"poem": record}` for each poem, and at the end one `{"report": figures}`.
"""

import json
import logging
import os
import sys
from typing import Any

from scrapy import signals
from scrapy.crawler import AsyncCrawlerProcess, Crawler
from scrapy.http import Response
from scrapy.settings import Settings

from scrapers.items import RawPoem
from scrapers.spiders.wikisource import WikisourceSpider

EXAMPLES = 20  # addresses of each kind that a report names


def crawl(source: str, site: str, start: list[str], language: str, max_pages: int, delay: float) -> None:
    """Crawl a source to its end, telling standard output about it.

    Args:
        source: its name in params.yaml.
        site: the address without a path.
        start: paths of the pages to start from.
        language: ISO 639-1 code that the source declares.
        max_pages: pages read at most.
        delay: seconds between two requests at least.
    """
    settings = Settings()
    settings.setmodule("scrapers.settings")
    settings.set("DOWNLOAD_DELAY", delay)
    process = AsyncCrawlerProcess(settings)
    # The report says which pages failed; a robots.txt that cannot be had fails like the pages after it.
    logging.getLogger("scrapy.downloadermiddlewares.robotstxt").setLevel(logging.CRITICAL)
    crawler = process.create_crawler(WikisourceSpider)
    crawler.signals.connect(_tell_page, signals.response_received)
    crawler.signals.connect(_tell_poem, signals.item_scraped)
    crawler.signals.connect(_note_error, signals.spider_error)
    process.crawl(crawler, source=source, site=site, start=start, language=language, max_pages=max_pages)
    process.start()
    _tell(report=_report(crawler))


def _report(crawler: Crawler) -> dict[str, Any]:
    spider, figures = crawler.spider, crawler.stats.get_stats()
    redirects = (count for name, count in figures.items() if name.startswith("downloader/response_status_count/3"))
    return {
        "pages": spider.pages,
        "poems": figures.get("item_scraped_count", 0),
        "without_poem": len(spider.without_poem),
        "failed": len(spider.failed),
        "retried": figures.get("retry/count", 0),
        "redirected": sum(redirects),
        "forbidden_by_robots": figures.get("robotstxt/forbidden", 0),
        "failures": sorted(spider.failed, key=lambda failure: failure["page"])[:EXAMPLES],
        "pages_without_poem": sorted(spider.without_poem)[:EXAMPLES],
    }


def _tell_page(response: Response) -> None:
    _tell(page=response.url)


def _tell_poem(item: RawPoem) -> None:
    _tell(poem=item)


def _note_error(failure: Any, response: Response, spider: WikisourceSpider) -> None:
    spider.failed.append({"page": spider.path(response.url), "problem": failure.type.__name__})


def _tell(**message: Any) -> None:
    try:
        print(json.dumps(message, ensure_ascii=False), flush=True)
    except BrokenPipeError:  # whoever asked for the crawl is gone
        os._exit(1)


if __name__ == "__main__":
    sys.stdin.reconfigure(encoding="utf-8")
    sys.stdout.reconfigure(encoding="utf-8")
    crawl(**json.load(sys.stdin))
