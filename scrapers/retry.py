"""How long to wait before a busy site is asked again."""

import asyncio
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from scrapy.downloadermiddlewares.retry import RetryMiddleware
from scrapy.http import Request, Response

LONGEST_WAIT = 300.0  # seconds, even if the site asks for more


class PatientRetryMiddleware(RetryMiddleware):
    """Scrapy's retries, each after the wait that the site asks for in `Retry-After`."""

    async def process_response(self, request: Request, response: Response) -> Request | Response:
        answer = super().process_response(request, response)
        if isinstance(answer, Request):
            await asyncio.sleep(min(seconds_to_wait(response), LONGEST_WAIT))
        return answer


def seconds_to_wait(response: Response) -> float:
    """Seconds that `Retry-After` (RFC 9110, section 10.2.3) asks for, as a number or by a date; 0 without it."""
    value = response.headers.get("Retry-After", b"0").decode("latin-1").strip()
    if value.isdecimal():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
