"""The anthology on loopback: `with serve() as address:` serves it until the block ends."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from scrapers.anthology.site import NOT_FOUND, Page, build_site


class AnthologyServer(ThreadingHTTPServer):
    """Pages by address, and which of them have yet to fail."""

    daemon_threads = True

    def __init__(self, pages: dict[str, Page], cache_control: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pages, self.cache_control = pages, cache_control
        self._failing = {path for path, page in pages.items() if page.fails_once}
        self._lock = Lock()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def answer(self, target: str) -> Page:
        """The page at a request target, however its path is escaped."""
        parts = urlsplit(target)
        query = parse_qs(parts.query)
        path = quote(parts.path, safe="/:%")
        if path == "/w/index.php" and "title" in query:
            path = quote(f"/wiki/{query['title'][0]}", safe="/:")
        if "pagefrom" in query:
            path += f"?pagefrom={quote(query['pagefrom'][0], safe='')}"
        with self._lock:
            if path in self._failing:
                self._failing.remove(path)
                return Page("The server is busy. Try again.", 503)
        return self.pages.get(path, Page(NOT_FOUND, 404))


class _Handler(BaseHTTPRequestHandler):
    server: AnthologyServer
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # head and body in one packet

    def do_GET(self) -> None:
        page = self.server.answer(self.path)
        body = page.body.encode("utf-8")
        self.send_response(page.status)
        self.send_header("Content-Type", page.content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", self.server.cache_control)
        if page.location:
            self.send_header("Location", page.location)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Log nothing; a line a request would hide the crawl's own progress."""


@contextmanager
def serve(pages: dict[str, Page] | None = None, cache_control: str = "no-store") -> Iterator[str]:
    """Serve the anthology, or other pages, on a free port of loopback; yields the address, without a final slash.

    The port is new each time, so a cached page could never be used again; hence `no-store`.
    """
    with AnthologyServer(build_site() if pages is None else pages, cache_control) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield server.address
        finally:
            server.shutdown()
            thread.join()
