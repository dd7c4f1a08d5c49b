"""Scraping a second time: what stays when a source is down, and what is said when it yields less than before."""

import hashlib
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path
from threading import Thread

import datasets
import huggingface_hub
import pytest

from pipeline.common.params import Scrape
from pipeline.common.stage import BadInput
from pipeline.common.tables import RAW_FIELDS
from pipeline.scrape import scrape
from pipeline.sources.snapshots import SourceDown
from scrapers.anthology.server import serve
from scrapers.anthology.site import Page

ROOT = Path(__file__).resolve().parents[2]
NOWHERE = "http://127.0.0.1:9"  # the port of nobody
POEM = '<div class="mw-parser-output"><p class="poem">The crane<br>swings</p></div>'


@pytest.fixture
def folders(tmp_path):
    """The folder of an earlier crawl, which found four poems, and one for the next crawl."""
    earlier, folder = tmp_path / "earlier", tmp_path / "raw"
    earlier.mkdir()
    folder.mkdir()
    texts = ["a", "b", "", "c", "d"]
    records = (json.dumps(dict.fromkeys(RAW_FIELDS) | {"text": text}) + "\n" for text in texts)
    (earlier / "mine.jsonl").write_text("".join(records))
    return earlier, folder


def wiki(site, start=("/wiki/A",)):
    return {"kind": "wikisource", "site": site, "start": list(start), "language": "en", "delay": 0}


def again(folders, max_drop=0.5, **sources):
    earlier, folder = folders
    return scrape(Scrape.model_validate({"sources": sources, "max_drop": max_drop}), folder, earlier)


def test_a_source_that_is_down_keeps_its_last_poems_and_the_others_are_fetched(folders, capsys):
    earlier, folder = folders
    with serve({"/wiki/A": Page(POEM)}) as site:
        reports = again(folders, mine=wiki(NOWHERE), other=wiki(site))
    assert (reports["mine"]["poems"], reports["mine"]["stale"]) == (4, True)
    assert "does not answer" in reports["mine"]["problem"]
    assert "scrape mine: " in capsys.readouterr().err
    assert (folder / "mine.jsonl").read_bytes() == (earlier / "mine.jsonl").read_bytes()
    assert reports["other"]["poems"] == 1
    assert "stale" not in reports["other"]


def test_a_site_that_answers_only_that_it_is_busy_is_down(folders):
    with serve({"/wiki/A": Page("Try later", 503)}) as site:
        reports = again(folders, mine=wiki(site))
    assert reports["mine"]["stale"]


def test_the_hub_out_of_reach_is_down(folders, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert again(folders, mine={"kind": "hub", "dataset": "nobody/no-such-poems"})["mine"]["stale"]


def test_a_source_that_is_down_and_was_never_fetched_stops_the_stage(folders):
    with pytest.raises(SourceDown):
        again(folders, unheard=wiki(NOWHERE))


def test_a_page_that_is_gone_is_a_fault_of_the_params_and_not_hidden_behind_old_poems(folders):
    with serve({}) as site, pytest.raises(BadInput, match="404") as caught:
        again(folders, mine=wiki(site))
    assert not isinstance(caught.value, SourceDown)


@pytest.mark.parametrize(("max_drop", "allowed"), [(0.74, False), (0.75, True)])
def test_a_drop_in_yield_beyond_the_threshold_stops_the_stage_and_a_smaller_one_is_said(
    folders, max_drop, allowed, capsys
):
    pages = {"/wiki/A": Page(POEM), "/wiki/B": Page("new markup")}
    with serve(pages) as site:
        source = wiki(site, ["/wiki/A", "/wiki/B", "/wiki/C"])
        if allowed:
            report = again(folders, max_drop, mine=source)["mine"]
            assert (report["poems"], report["fewer"], report["without_poem"]) == (1, 3, 1)
            assert "scrape mine: 3 poems fewer than before, 1 pages without a poem" in capsys.readouterr().err
            return
        with pytest.raises(BadInput) as caught:
            again(folders, max_drop, mine=source)
    assert caught.value.problem == "1 poems where there were 4; 1 pages without a poem, 1 failed"
    assert caught.value.place == "params.yaml: scrape.sources.mine"


def test_a_users_own_files_may_shrink(folders, tmp_path):
    poems = tmp_path / "poems.txt"
    poems.write_text("The crane")
    assert again(folders, mine={"kind": "files", "path": str(poems)})["mine"]["poems"] == 1


@pytest.fixture(params=[True, False], ids=["with ETag", "without"])
def changing_site(request):
    """A site whose pages were sent two days ago: its address, its pages, what it answered, whether it gives tags.

    Without any page it hangs up on whoever asks; a page that is a number answers with that status.
    """
    pages, answers, tagged = {}, [], request.param

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            if not pages:
                return
            body = pages.get(self.path, "").encode()
            tag = f'"{hashlib.sha256(body).hexdigest()}"'
            status = 404 if not body else 304 if tagged and self.headers["If-None-Match"] == tag else 200
            if body.isdigit():
                status, body = int(body), b"-"
            if body:
                answers.append((self.path, status))
            self.send_response_only(status)
            self.send_header("Date", format_datetime(datetime.now(UTC) - timedelta(days=2), usegmt=True))
            if tagged:
                self.send_header("ETag", tag)
            self.send_header("Content-Type", "application/json" if body[:1] in (b"[", b"{") else "text/html")
            self.send_header("Content-Length", str(len(body) if status == 200 else 0))
            self.end_headers()
            if status == 200:
                self.wfile.write(body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", pages, answers, tagged
        server.shutdown()
        thread.join()


PARTS = {"/wiki/A/1": "one", "/wiki/A/2": "two"}


def publish(pages, parts):
    """Put a book of poems on a site, each poem on a page of its own."""
    links = "".join(f'<a href="{path}">x</a>' for path in parts)
    pages["/wiki/A"] = f'<div class="mw-parser-output">{links}</div>'
    pages |= {path: f'<div class="mw-parser-output"><p class="poem">{text}</p></div>' for path, text in parts.items()}


def crawl_book(site, folder, recheck_days):
    """The poems of a crawl, and its report."""
    folder.mkdir()
    params = Scrape.model_validate({"sources": {"mine": wiki(site, ["/wiki/A"])}, "recheck_days": recheck_days})
    report = scrape(params, folder, folder / "no")["mine"]
    return [json.loads(line)["text"] for line in (folder / "mine.jsonl").read_text().splitlines()], report


def crawl_then_change(changing_site, folder):
    """Crawl the book once; then one of its poems is another, and what the site answers is noted anew."""
    site, pages, answers, _ = changing_site
    publish(pages, PARTS)
    crawl_book(site, folder, recheck_days=1)
    answers.clear()
    publish(pages, PARTS | {"/wiki/A/2": "two, changed"})


def test_a_refresh_asks_for_pages_that_lead_to_others_and_for_poems_that_are_new(changing_site, tmp_path, monkeypatch):
    site, pages, answers, tagged = changing_site
    monkeypatch.chdir(tmp_path)
    publish(pages, PARTS)
    poems, report = crawl_book(site, tmp_path / "first", recheck_days=30)
    assert (poems, report["not_asked_for"], report["unchanged"]) == (["one", "two"], 0, 0)
    answers.clear()
    publish(pages, PARTS | {"/wiki/A/3": "three"})
    poems, report = crawl_book(site, tmp_path / "second", recheck_days=30)
    assert (poems, report["not_asked_for"], report["unchanged"]) == (["one", "two", "three"], 2, 0)
    assert sorted(answers) == [("/wiki/A", 200), ("/wiki/A/3", 200)]
    answers.clear()
    poems, report = crawl_book(site, tmp_path / "third", recheck_days=30)
    assert (poems, report["not_asked_for"], report["unchanged"]) == (["one", "two", "three"], 3, 1)
    assert answers == [("/wiki/A", 304 if tagged else 200)]


def test_a_crawl_that_was_killed_goes_on_without_asking_for_a_page_that_it_had(tmp_path):
    asked = []

    class Pages(dict):
        def get(self, path, default):
            asked.append(path)
            return super().get(path, default)

    bodies = {}
    publish(bodies, {f"/wiki/A/{number}": f"poem {number}" for number in range(20)})
    pages = Pages({path: Page(body) for path, body in bodies.items()})
    limits = {"max_pages": 100, "delay": 0.1, "max_seconds": 60, "max_megabytes": 1, "recheck_days": 30}
    with serve(pages, cache_control="max-age=0") as site:
        order = json.dumps(wiki(site, ["/wiki/A"]) | limits | {"source": "mine"})

        def crawl():
            process = subprocess.Popen(
                [sys.executable, "-m", "scrapers.crawl"],
                cwd=tmp_path,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            process.stdin.write(order)
            process.stdin.close()
            return process, map(json.loads, process.stdout)

        process, messages = crawl()
        with process:
            told = (message["page"].removeprefix(site) for message in messages if "page" in message)
            had = set(islice(told, 8))
            process.kill()
        process, messages = crawl()
        with process:
            poems = [message["poem"]["text"] for message in messages if "poem" in message]
    assert sorted(poems) == sorted(f"poem {number}" for number in range(20))
    assert "/wiki/A" in had
    assert [path for path in had - {"/robots.txt"} if asked.count(path) != 1] == []


def test_a_poem_is_asked_for_again_after_its_days_and_is_new_only_if_it_changed(changing_site, tmp_path, monkeypatch):
    site, _, answers, tagged = changing_site
    monkeypatch.chdir(tmp_path)
    crawl_then_change(changing_site, tmp_path / "first")
    poems, report = crawl_book(site, tmp_path / "second", recheck_days=1)
    assert (poems, report["not_asked_for"], report["unchanged"]) == (["one", "two, changed"], 0, 2)
    unchanged = 304 if tagged else 200
    assert sorted(answers) == [("/wiki/A", unchanged), ("/wiki/A/1", unchanged), ("/wiki/A/2", 200)]


def test_a_site_that_is_down_is_said_to_be_so_though_its_pages_were_kept(changing_site, tmp_path, monkeypatch, capsys):
    site, pages, _, _ = changing_site
    monkeypatch.chdir(tmp_path)
    publish(pages, PARTS)
    crawl_book(site, tmp_path / "first", recheck_days=30)
    pages.clear()
    (tmp_path / "second").mkdir()
    sources = Scrape.model_validate({"sources": {"mine": wiki(site, ["/wiki/A"])}})
    report = scrape(sources, tmp_path / "second", earlier=tmp_path / "first")["mine"]
    assert (report["poems"], report["stale"]) == (2, True)
    assert "does not answer" in capsys.readouterr().err
    assert (tmp_path / "second/mine.jsonl").read_bytes() == (tmp_path / "first/mine.jsonl").read_bytes()


def test_a_page_that_a_site_is_too_busy_to_give_is_taken_as_it_was_and_counted(
    changing_site, tmp_path, monkeypatch, capsys
):
    site, pages, answers, _ = changing_site
    monkeypatch.chdir(tmp_path)
    crawl_then_change(changing_site, tmp_path / "first")
    pages["/wiki/A/1"] = "503"
    poems, report = crawl_book(site, tmp_path / "second", recheck_days=1)
    assert poems == ["one", "two, changed"]
    assert (report["failed"], report["as_kept"], report["unchanged"]) == (0, 1, 1)
    assert answers.count(("/wiki/A/1", 503)) == 4  # asked again three times
    assert "scrape mine: 1 pages failed and are taken as they were kept" in capsys.readouterr().err


def publish_api(pages, works):
    """Put authors and their poems, a line each, on a site that speaks PoetryDB's API."""
    pages.clear()
    pages["/author"] = json.dumps({"authors": list(works)})
    for author, titles in works.items():
        poems = [{"title": title, "author": author, "lines": [line]} for title, line in titles.items()]
        pages[f"/author/{author}:abs/title"] = json.dumps([{"title": title} for title in titles])
        pages[f"/author,poemcount/{author}:abs;{len(titles)}"] = json.dumps(poems)


def crawl_api(site, folder, recheck_days):
    folder.mkdir()
    sources = {"mine": {"kind": "poetrydb", "site": site, "delay": 0}}
    params = Scrape.model_validate({"sources": sources, "recheck_days": recheck_days})
    scrape(params, folder, folder / "no")
    return sorted(json.loads(line)["text"] for line in (folder / "mine.jsonl").read_text().splitlines())


def test_a_refresh_asks_an_api_for_the_poems_of_those_authors_alone_who_have_more(changing_site, tmp_path, monkeypatch):
    site, pages, answers, tagged = changing_site
    monkeypatch.chdir(tmp_path)
    works = {"Ida": {"Ferry": "one", "Kettle": "two"}, "Tom": {"Crane": "three", "Stove": "four"}}
    publish_api(pages, works)
    assert crawl_api(site, tmp_path / "first", 30) == ["four", "one", "three", "two"]
    answers.clear()
    publish_api(pages, {"Ida": works["Ida"] | {"Moon": "five"}, "Tom": works["Tom"]})
    assert crawl_api(site, tmp_path / "second", 30) == ["five", "four", "one", "three", "two"]
    unchanged = 304 if tagged else 200
    assert sorted(answers) == [
        ("/author", unchanged),
        ("/author,poemcount/Ida:abs;3", 200),
        ("/author/Ida:abs/title", 200),
        ("/author/Tom:abs/title", unchanged),
    ]
    answers.clear()
    publish_api(pages, {"Ida": works["Ida"], "Tom": works["Tom"] | {"Stove": "four, changed"}})
    assert crawl_api(site, tmp_path / "third", 1) == ["four, changed", "one", "three", "two"]
