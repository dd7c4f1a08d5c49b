"""A crawl of a site as the web really is: busy, breaking off, in old encodings, and leading elsewhere."""

import json
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

import pytest
from scrapy.http import Response

from pipeline.common.params import Scrape
from pipeline.scrape import scrape
from scrapers.retry import seconds_to_wait

HTML = {"Content-Type": "text/html"}
VERSE = "<meta charset='{0}'><div class='verse'>Mañana<br>será</div>"
PAGES = ("busy", "shut", "cut", "gone", "old", "header", "moved", "away", "slow")


@dataclass
class Markup:
    """How the sites of one kind of source are made."""

    start: str
    path: str
    link: str
    index: str
    poem: str
    params: dict[str, object] = field(default_factory=dict)


MARKUP = {
    "selectors": Markup(
        "/", "/{}", "<a href='{}'>x</a>", "{}", "<div class='verse'>Mañana<br>será</div>",
        {"follow": ["a"], "fields": {"text": "div.verse"}},
    ),
    "wikisource": Markup(
        "/wiki/Libro", "/wiki/Libro/{}", "<a href='{}'>x</a>", "<div class='mw-parser-output'>{}</div>",
        "<div class='mw-parser-output'><div class='poem'>Mañana<br>será</div></div>",
    ),
    "poemas-del-alma": Markup(
        "/ana.htm", "/{}.htm", "<li><a href='{}'>x</a></li>", "<ul id='ordenable'>{}</ul>",
        "<div class='poem-entry'>Mañana<br>será</div>",
    ),
}  # fmt: skip


def rough_pages(markup: Markup) -> dict[str, tuple[int, dict[str, str], bytes]]:
    """Status, headers and body by path."""

    def poem(encoding: str) -> bytes:
        return f"<meta charset='{encoding}'>{markup.poem}".encode(encoding)

    links = "".join(markup.link.format(markup.path.format(name)) for name in PAGES)
    pages = {
        "busy": (429, {"Retry-After": "1"}, b"Slow down"),  # the first time
        "shut": (503, {}, b"Try later"),  # the first time
        "cut": (200, HTML | {"Content-Length": "9999"}, poem("utf-8")),
        "old": (200, HTML, poem("windows-1252")),
        "header": (200, {"Content-Type": "text/html; charset=utf-8"}, poem("utf-8").replace(b"utf-8", b"windows-1252")),
        "moved": (301, {"Location": markup.path.format("new")}, b""),
        "new": (200, HTML, poem("utf-8")),
        "away": (302, {"Location": "http://localhost:1/"}, b""),
        "slow": (200, HTML, poem("utf-8")),  # in three pieces, half a second apart
    }
    found = {markup.path.format(name): page for name, page in pages.items()}
    return found | {markup.start: (200, HTML, markup.index.format(links).encode())}


@pytest.fixture(params=MARKUP)
def rough_site(request):
    """The kind of source, its site's address, and the moments at which each path was asked for."""
    markup, asked = MARKUP[request.param], {}
    pages, good = rough_pages(markup), (200, HTML, f"<meta charset='utf-8'>{markup.poem}".encode())

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            times = asked.setdefault(self.path, [])
            times.append(time.monotonic())
            status, headers, body = pages.get(self.path, (404, {}, b""))
            if status in (429, 503) and len(times) > 1:
                status, headers, body = good
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(body))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            is_slow = self.path == markup.path.format("slow")
            for piece in (body[:30], body[30:40], body[40:]) if is_slow else (body,):
                self.wfile.write(piece)
                time.sleep(0.5 if is_slow else 0)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield request.param, f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


def test_a_rough_site_of_any_kind_gives_what_it_has_and_the_rest_is_counted(rough_site, tmp_path):
    kind, site, asked = rough_site
    markup = MARKUP[kind]
    source = {"kind": kind, "site": site, "start": [markup.start], "language": "es", "delay": 0, **markup.params}
    report = scrape(Scrape.model_validate({"sources": {"mine": source}}), tmp_path, tmp_path / "earlier")["mine"]
    poems = [json.loads(line) for line in (tmp_path / "mine.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {poem["url"].removeprefix(site): poem["text"] for poem in poems} == {
        markup.path.format(name): "Mañana\nserá" for name in ("busy", "shut", "header", "new", "old", "slow")
    }
    first, second = asked[markup.path.format("busy")]
    assert second - first >= 1  # as Retry-After asks
    assert len(asked[markup.path.format("cut")]) == 4  # tried again three times
    failures = {failure["page"]: failure["problem"] for failure in report["failures"]}
    assert failures.keys() == {markup.path.format("cut"), markup.path.format("gone")}
    assert failures[markup.path.format("gone")] == 404
    assert report["redirected"] == 2


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
