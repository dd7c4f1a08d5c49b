"""A crawl of a site as the web really is: busy, breaking off, in old encodings, and leading elsewhere."""

import json
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

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


@pytest.fixture
def endless_site():
    """The address of a site with one poem, and pages that send more and more of a body, or say they will."""
    stopped = Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            page = b"".join(b"<a href='/%s'>x</a>" % name for name in (b"poem", b"drips", b"floods", b"vast"))
            body = {"/": page, "/poem": VERSE.format("utf-8").encode()}.get(self.path, b"")
            self.send_response(404 if self.path == "/robots.txt" else 200)
            self.send_header("Content-Type", "text/html")
            if body:
                self.send_header("Content-Length", str(len(body)))
            if self.path == "/vast":
                self.send_header("Content-Length", str(10**12))
            self.end_headers()
            self.wfile.write(body)
            with suppress(OSError):  # the crawl hangs up
                while self.path == "/drips" and not stopped.wait(0.05):
                    self.wfile.write(b" ")
                while self.path == "/floods" and not stopped.is_set():
                    self.wfile.write(b" " * 4096)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        stopped.set()
        server.shutdown()
        thread.join()


def test_pages_that_never_end_or_are_enormous_are_given_up_and_counted(endless_site, tmp_path, capsys):
    limits = {"max_seconds": 8, "max_megabytes": 0.5}
    source = {"kind": "selectors", "site": endless_site, "language": "es", "delay": 0, "follow": ["a"], **limits}
    source["fields"] = {"text": "div.verse"}
    report = scrape(Scrape.model_validate({"sources": {"mine": source}}), tmp_path, tmp_path / "earlier")["mine"]
    assert report["poems"] == 1
    assert report["problems"] == {"too large": 2, "too slow": 1}
    assert {failure["page"]: failure["problem"] for failure in report["failures"]} == {
        "/drips": "too slow",
        "/floods": "too large",
        "/vast": "too large",
    }
    assert "scrape mine: 3 pages failed (too large: 2, too slow: 1)" in capsys.readouterr().err


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
