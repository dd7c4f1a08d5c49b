"""A crawl names the project, and its user only where params.yaml says so."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from pipeline.common.params import Scrape
from pipeline.scrape import scrape


@pytest.fixture
def site():
    """The address of a site of one poem, and the user agents that asked it."""
    agents = set()

    class Poem(BaseHTTPRequestHandler):
        def do_GET(self):
            agents.add(self.headers["User-Agent"])
            found = self.path == "/a.html"
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(b"<div class=verse>The crane<br>swings</div>" if found else b"")

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Poem)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", agents
    server.shutdown()


@pytest.mark.parametrize(
    ("contact", "agent"),
    [
        (None, "Estrofa/0.1 (poetry corpus builder)"),
        ("ana@example.org", "Estrofa/0.1 (poetry corpus builder; contact: ana@example.org)"),
    ],
)
def test_the_user_agent_has_the_contact_of_params(tmp_path, site, contact, agent):
    address, agents = site
    source = {"kind": "selectors", "site": address, "start": ["/a.html"], "language": "en", "delay": 0}
    params = Scrape.model_validate({"contact": contact, "sources": {"mine": source | {"fields": {"text": ".verse"}}}})
    assert scrape(params, tmp_path, tmp_path / "earlier")["mine"]["poems"] == 1
    assert agents == {agent}


@pytest.mark.parametrize("contact", ["", "Ana\r\nCookie: a", "two words", "(ana)", "ñ@example.org"])
def test_a_contact_that_no_header_holds_is_refused(contact):
    source = {"kind": "poetrydb", "site": "http://127.0.0.1:1", "language": "en"}
    with pytest.raises(ValueError, match="contact"):
        Scrape.model_validate({"contact": contact, "sources": {"mine": source}})
