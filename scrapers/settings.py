"""Scrapy's settings for every source; params.yaml sets delays, limits and when to check again."""


def user_agent(contact: str | None = None) -> str:
    """What crawls call themselves, with the address of whoever runs them where params.yaml has one."""
    purpose = "poetry corpus builder" if contact is None else f"poetry corpus builder; contact: {contact}"
    return f"Estrofa/0.1 ({purpose})"


BOT_NAME = "estrofa"
SPIDER_MODULES = ["scrapers.spiders"]
USER_AGENT = user_agent()

ROBOTSTXT_OBEY = True
ROBOTSTXT_USER_AGENT = "Estrofa"
AUTOTHROTTLE_ENABLED = True  # waits about as long as the site takes to respond, never less than `delay`
AUTOTHROTTLE_START_DELAY = 0.0
RANDOMIZE_DOWNLOAD_DELAY = False  # it would go below `delay`
CONCURRENT_REQUESTS_PER_DOMAIN = 2
DEPTH_PRIORITY = -1  # a page's links come before its neighbours, so that a crawl that ends early has whole books
SCHEDULER_MEMORY_QUEUE = "scrapy.squeues.FifoMemoryQueue"  # in the order of the page
DOWNLOAD_WARNSIZE = 0  # no warning before the limit
DOWNLOADER_MIDDLEWARES = {  # in place of Scrapy's own, and where those are
    "scrapy.downloadermiddlewares.robotstxt.RobotsTxtMiddleware": None,
    "scrapers.robots.SlowRobotsTxtMiddleware": 100,
    "scrapy.downloadermiddlewares.retry.RetryMiddleware": None,
    "scrapers.retry.PatientRetryMiddleware": 550,
    "scrapy.downloadermiddlewares.httpcache.HttpCacheMiddleware": None,
    "scrapers.cache.PatientCacheMiddleware": 900,
}
RETRY_TIMES = 3
RETRY_HTTP_CODES = [429, 500, 502, 503, 504, 522, 524, 408]

# A stopped crawl continues from its cached pages; after a day the site is asked which of them changed.
HTTPCACHE_ENABLED = True
HTTPCACHE_DIR = "httpcache"
HTTPCACHE_FRESH_SECS = 24 * 3600
POEM_RECHECK_DAYS = 30
HTTPCACHE_IGNORE_HTTP_CODES = [404, *RETRY_HTTP_CODES]
HTTPCACHE_POLICY = "scrapers.cache.AskWhetherItChanged"

COOKIES_ENABLED = False
TELNETCONSOLE_ENABLED = False
LOG_LEVEL = "ERROR"
RETRY_GIVE_UP_LOG_LEVEL = "INFO"  # the report lists the page
