"""A crawl of a site as the web really is: busy, breaking off, in old encodings, and leading elsewhere."""

import json
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from scrapy.http import Response

from pipeline.params import Scrape
from pipeline.scrape import scrape
from scrapers.retry import seconds_to_wait

HTML = {"Content-Type": "text/html"}
VERSE = "<meta charset='{0}'><div class='verse'>Mañana<br>será</div>"
OLD = VERSE.format("windows-1252").encode("windows-1252")
ROUGH = {
    "/": (
        200,
        HTML,
        b"".join(b"<a href='/%s'>x</a>" % name for name in (b"busy", b"cut", b"old", b"header", b"away", b"slow")),
    ),
    "/busy": (429, {"Retry-After": "1"}, b"Slow down"),  # the first time
    "/cut": (200, HTML | {"Content-Length": "9999"}, VERSE.encode()),
    "/old": (200, HTML, OLD),
    "/header": (200, {"Content-Type": "text/html; charset=utf-8"}, VERSE.format("windows-1252").encode()),
    "/slow": (200, HTML, VERSE.format("utf-8").encode()),  # in three pieces, half a second apart
    "/away": (302, {"Location": "http://localhost:1/"}, b""),
}


@pytest.fixture
def rough_site():
    """The address of the site, and the moments at which each path was asked for."""
    asked = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            times = asked.setdefault(self.path, [])
            times.append(time.monotonic())
            status, headers, body = ROUGH.get(self.path, (404, {}, b""))
            if status == 429 and len(times) > 1:
                status, headers, body = 200, HTML, VERSE.encode()
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(body))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            for piece in (body[:30], body[30:40], body[40:]) if self.path == "/slow" else (body,):
                self.wfile.write(piece)
                time.sleep(0.5 if self.path == "/slow" else 0)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


def test_a_rough_site_gives_what_it_has_and_the_rest_is_counted(rough_site, tmp_path):
    site, asked = rough_site
    fields = {"text": "div.verse"}
    source = {"kind": "selectors", "site": site, "language": "es", "delay": 0, "follow": ["a"], "fields": fields}
    report = scrape(Scrape.model_validate({"sources": {"mine": source}}), tmp_path, tmp_path / "earlier")["mine"]
    poems = [json.loads(line) for line in (tmp_path / "mine.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {poem["url"].removeprefix(site): poem["text"] for poem in poems} == dict.fromkeys(
        ("/busy", "/header", "/old", "/slow"), "Mañana\nserá"
    )
    first, second = asked["/busy"]
    assert second - first >= 1  # as Retry-After asks
    assert len(asked["/cut"]) == 4  # tried again three times
    assert [failure["page"] for failure in report["failures"]] == ["/cut"]
    assert report["redirected"] == 1


def wait_for(value: str) -> float:
    return seconds_to_wait(Response("https://poems.example", headers={"Retry-After": value}))


@pytest.mark.parametrize(
    ("value", "seconds"), [("120", 120), ("Wed, 21 Oct 2015 07:28:00 GMT", 0), ("soon", 0), ("", 0)]
)
def test_a_site_says_when_to_come_back(value, seconds):
    assert wait_for(value) == seconds


def test_a_site_says_when_to_come_back_by_a_date():
    moment = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=2)
    before = (moment - datetime.now(UTC)).total_seconds()
    waited = wait_for(format_datetime(moment, usegmt=True))
    after = (moment - datetime.now(UTC)).total_seconds()
    assert after <= waited <= before  # the later one asks, the shorter the wait


def test_a_site_that_does_not_say_when_is_asked_again_at_once():
    assert seconds_to_wait(Response("https://poems.example")) == 0
