"""The stage `scrape` on real sites on loopback: what it writes, what it counts, and how it fails."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import psutil
import pytest

from pipeline.common.params import Scrape, load_params
from pipeline.common.stage import BadInput
from pipeline.common.tables import RAW_FIELDS
from pipeline.scrape import scrape
from scrapers.anthology.poems import read_poems
from scrapers.anthology.server import serve
from scrapers.anthology.site import Page
from tests.support.made_up import wait_until

ROOT = Path(__file__).resolve().parents[2]
POEM = (
    '<link rel="canonical" href="https://x.example/{0}">'
    '<div class="mw-parser-output"><p class="poem">{0}<br>b</p></div>'
)


def wiki(site, start="/wiki/Book", **values):
    return {"kind": "wikisource", "site": site, "start": [start], "language": "en", "delay": 0, **values}


def run(folder, **sources):
    return scrape(Scrape.model_validate({"sources": sources}), folder, folder / "earlier")


def book(*titles):
    links = "".join(f'<a href="/wiki/Book/{title}">{title}</a>' for title in titles)
    return Page(f'<div class="mw-parser-output">{links}</div>')


def records(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def crawled(tmp_path_factory):
    """The anthology crawled as the quick run does it: the folder and the reports."""
    folder = tmp_path_factory.mktemp("raw")
    return folder, scrape(load_params(ROOT / "params.yaml").scrape, folder, folder / "earlier")


def test_every_poem_of_the_anthology_arrives_with_all_its_fields(crawled):
    folder, _ = crawled
    for language in ("en", "es"):
        found = {(poem["collection"], poem["title"]): poem for poem in records(folder / f"anthology-{language}.jsonl")}
        for poem in read_poems(language):
            record = found[poem.collection, poem.title]
            assert list(record) == list(RAW_FIELDS)
            assert (record["author"], record["style"], record["licence"]) == (poem.author, poem.style, "CC0")
            assert record["declared_language"] == language
            assert record["text"].split() == poem.text.split()


def test_the_report_counts_what_went_wrong_and_names_it(crawled):
    _, reports = crawled
    report = reports["anthology-en"]
    assert report["failures"] == [{"page": "/wiki/Loose_Leaves/The_Lost_Page", "problem": 404}]
    assert report["pages_without_poem"] == ["/wiki/Loose_Leaves/Preface"]
    assert report["failed"] == report["redirected"] == report["forbidden_by_robots"] == report["without_poem"] == 1
    assert report["retried"] >= 1
    assert report["pages"] > report["poems"] > 150


def test_a_second_crawl_gives_the_same_bytes_and_the_same_report(crawled, tmp_path):
    folder, reports = crawled
    sources = load_params(ROOT / "params.yaml").scrape.sources
    again = scrape(Scrape(sources={"anthology-es": sources["anthology-es"]}), tmp_path, tmp_path / "earlier")
    assert again["anthology-es"] == reports["anthology-es"]
    name = "anthology-es.jsonl"
    assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_a_page_without_a_poem_and_a_dead_link_are_counts_and_no_errors(tmp_path):
    pages = {
        "/wiki/Book": book("a", "empty", "dead"),
        "/wiki/Book/a": Page(POEM.format("a")),
        "/wiki/Book/empty": Page(""),
    }
    with serve(pages) as site:
        report = run(tmp_path, mine=wiki(site))["mine"]
    assert (report["poems"], report["without_poem"], report["failed"]) == (1, 1, 1)
    assert records(tmp_path / "mine.jsonl")[0]["text"] == "a\nb"


def test_a_crawl_stops_at_its_greatest_number_of_pages(tmp_path):
    titles = [f"t{number}" for number in range(60)]
    pages = {f"/wiki/Book/{title}": Page(POEM.format(title)) for title in titles}
    with serve({"/wiki/Book": book(*titles), **pages}) as site:
        report = run(tmp_path, mine=wiki(site, max_pages=10))["mine"]
    assert (report["pages"], report["poems"], report["failed"]) == (10, 9, 0)
    # In the book's order, but for one of two pages on their way that the other overtakes.
    assert {record["text"].split()[0] for record in records(tmp_path / "mine.jsonl")} <= set(titles[:20])


def test_a_crawl_run_again_takes_the_pages_it_has_and_asks_only_for_the_others(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pages = {"/wiki/Book": book("a", "late"), "/wiki/Book/a": Page(POEM.format("a"))}
    with serve(pages, cache_control="max-age=0") as site:
        assert run(tmp_path, mine=wiki(site))["mine"]["failed"] == 1
        pages.clear()
        pages["/wiki/Book/late"] = Page(POEM.format("late"))
        report = run(tmp_path, mine=wiki(site))["mine"]
    assert (report["poems"], report["failed"]) == (2, 0)


def test_a_category_without_end_stops_at_the_greatest_number_of_pages(tmp_path):
    class Category(dict):
        def get(self, path, default):
            number = int(path.partition("=")[2] or 0) if path.startswith("/wiki/Category:All") else None
            if number is None:
                return Page(POEM.format(path)) if path.startswith("/wiki/Poem") else default
            turn = f'<a href="/w/index.php?title=Category:All&amp;pagefrom={number + 1}">next page</a>'
            return Page(f'<div id="mw-pages">{turn}<ul><li><a href="/wiki/Poem_{number}">x</a></li></ul></div>')

        def items(self):
            return ()

    with serve(Category()) as site:
        report = run(tmp_path, mine=wiki(site, "/wiki/Category:All", max_pages=9))["mine"]
    assert report["pages"] == 9
    assert report["poems"] >= 3


def test_lists_of_editions_lead_from_one_to_the_next_and_round_in_circles_only_once(tmp_path):
    def listed(*paths):
        links = "".join(f'<li><a href="/wiki/{path}">x</a> in <a href="/wiki/Book">Book</a></li>' for path in paths)
        category = '<div id="mw-hidden-catlinks"><ul><li><a>Versions pages</a></li></ul></div>'
        return Page(f'<div class="mw-parser-output"><ul>{links}</ul></div>{category}')

    pages = {
        "/wiki/Crane": listed("Crane_(Ida)", "Book/Crane"),
        "/wiki/Crane_(Ida)": listed("Crane", "Leaves_(1855)/Crane", "Leaves_(1860)/Crane", "gone"),
        "/wiki/Book/Crane": Page(POEM.format("a")),
        "/wiki/Leaves_(1855)/Crane": Page(POEM.format("b")),
        "/wiki/Leaves_(1860)/Crane": Page(POEM.format("c")),
    }
    with serve({quote(path): page for path, page in pages.items()}) as site:
        report = run(tmp_path, mine=wiki(site, "/wiki/Crane"))["mine"]
    assert [poem["text"] for poem in records(tmp_path / "mine.jsonl")] == ["a\nb", "b\nb", "c\nb"]
    assert (report["pages"], report["without_poem"], report["failed"]) == (5, 0, 1)


def test_files_are_a_source_beside_sites(tmp_path):
    poems = tmp_path / "poems.jsonl"
    poems.write_text('{"text": "The crane\\nswings"}\n{"text": " "}\n')
    reports = run(tmp_path, mine={"kind": "files", "path": str(poems), "language": "en"})
    assert reports == {"mine": {"poems": 1, "without_poem": 1}}
    assert [record["url"] for record in records(tmp_path / "mine.jsonl")] == ["poems.jsonl#1", "poems.jsonl#2"]


def test_files_that_are_skipped_are_named_in_the_report_and_on_the_terminal(tmp_path, capsys):
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    (inbox / "Crane.txt").write_text("The crane\nswings")
    (inbox / "LICENSE.txt").write_text("Permission is hereby granted")
    (inbox / "cover.jpg").write_bytes(b"\xff\xd8")
    (inbox / ".DS_Store").write_bytes(b"\0")
    report = run(tmp_path, mine={"kind": "files", "path": str(inbox)})["mine"]
    assert report == {
        "poems": 1,
        "without_poem": 0,
        "skipped": 2,
        "skipped_files": [
            {"file": "LICENSE.txt", "reason": "a licence, by its name"},
            {"file": "cover.jpg", "reason": "'.jpg' is not the ending of a known format"},
        ],
    }
    assert "2 files skipped, such as LICENSE.txt (a licence, by its name)" in capsys.readouterr().err


def fault(folder, **sources):
    with pytest.raises(BadInput) as caught:
        run(folder, **sources)
    return caught.value


def test_a_site_that_is_down_is_named(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        site = f"http://127.0.0.1:{free.getsockname()[1]}"
    error = fault(tmp_path, mine=wiki(site))
    assert error.place == "params.yaml: scrape.sources.mine.site"
    assert f"{site} does not answer" in error.problem


def test_a_site_where_every_page_fails_is_told_with_the_status(tmp_path):
    with serve({}) as site:
        error = fault(tmp_path, mine=wiki(site))
    assert error.place == "params.yaml: scrape.sources.mine.start"
    assert "/wiki/Book: 404" in error.problem


def test_a_site_whose_robots_forbid_the_start_is_told(tmp_path):
    with serve({"/robots.txt": Page("User-agent: Estrofa\nDisallow: /wiki/", content_type="text/plain")}) as site:
        error = fault(tmp_path, mine=wiki(site))
    assert "robots.txt forbids" in error.problem


def test_a_source_without_a_single_poem_is_told(tmp_path):
    with serve({"/wiki/Book": Page('<div class="mw-parser-output">Prose.</div>')}) as site:
        error = fault(tmp_path, mine=wiki(site))
    assert error.problem == "no poem on 1 pages"
    blank = tmp_path / "blank.csv"
    blank.write_text("text,title\n ,A\n")
    error = fault(tmp_path, mine={"kind": "files", "path": str(blank)})
    assert error.place == "params.yaml: scrape.sources.mine.columns.text"


@pytest.fixture
def slow_stage(tmp_path):
    """The stage as a process in a folder with an earlier crawl, crawling a site that will take minutes."""
    titles = [f"t{number}" for number in range(60)]
    pages = {f"/wiki/Book/{title}": Page(POEM.format(title)) for title in titles}
    (tmp_path / "data/raw").mkdir(parents=True)
    (tmp_path / "data/raw/mine.jsonl").write_text("earlier\n")
    with serve({"/wiki/Book": book(*titles), **pages}) as site:
        params = (ROOT / "params.yaml").read_text(encoding="utf-8")
        head, _, rest = params.partition("  sources:")
        source = f"  sources: {json.dumps({'mine': wiki(site, delay=3.0)})}\n\n"
        text = head + source + rest[rest.index("\nclean:") :]
        (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
        process = subprocess.Popen(
            [sys.executable, "-m", "pipeline.scrape"],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            crawl = wait_until(lambda: psutil.Process(process.pid).children())[0]
            wait_until(lambda: crawl.net_connections())
            yield process, crawl
        finally:
            process.kill()
            process.communicate()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_crawl_ends_at_once_and_leaves_the_earlier_one(slow_stage, tmp_path, how):
    process, crawl = slow_stage
    process.send_signal(how)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "scrape: stopped" in errors
    assert "Traceback" not in errors
    assert not crawl.is_running()
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["raw"]
    assert (tmp_path / "data/raw/mine.jsonl").read_text() == "earlier\n"


def test_a_killed_stage_leaves_the_earlier_crawl_and_no_crawl_running(slow_stage, tmp_path):
    process, crawl = slow_stage
    process.kill()
    crawl.wait(timeout=300)
    assert (tmp_path / "data/raw/mine.jsonl").read_text() == "earlier\n"
