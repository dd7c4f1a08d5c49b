"""The source `poetrydb` on a replica of its API on loopback."""

import json

import pytest

from pipeline.common.params import Scrape
from pipeline.common.stage import BadInput
from pipeline.scrape import scrape
from scrapers.anthology.server import serve
from scrapers.anthology.site import Page


def answer(value, **fields):
    return Page(json.dumps(value), content_type="application/json", **fields)


def poem(author, title, *lines):
    return {"title": title, "author": author, "lines": lines, "linecount": str(len(lines))}


IDA = "Ida Ferré"
API = {
    "/author": answer({"authors": [IDA, "Tom Vale", "Lost Poet", "Shut Poet"]}),
    "/author/Ida%20Ferr%C3%A9:abs/title": answer([{"title": "Ferry/Night?"}, {"title": "Silence"}]),
    "/author/Tom%20Vale:abs/title": answer([{"title": "Kettle"}], fails_once=True),
    "/author/Lost%20Poet:abs/title": answer({"status": 404, "reason": "Not found"}),
    "/author%2Cpoemcount/Ida%20Ferr%C3%A9:abs%3B2": answer(
        [
            poem(IDA, "Ferry/Night?", "The crane swings", "  over", "", " ", "the harbour  "),
            poem(IDA, "Silence", "", ""),
        ]
    ),
    "/author%2Cpoemcount/Tom%20Vale:abs%3B1": answer([poem("Tom Vale", "Kettle", "It knows", "the hour")]),
    "/robots.txt": Page("User-agent: *\nDisallow: /author/Shut", content_type="text/plain"),
}


def run(folder, pages, **values):
    with serve(pages) as site:
        source = {"kind": "poetrydb", "site": site, "delay": 0, **values}
        report = scrape(Scrape.model_validate({"sources": {"db": source}}), folder, folder / "earlier")["db"]
    lines = (folder / "db.jsonl").read_text(encoding="utf-8").splitlines()
    return site, [json.loads(line) for line in lines], report


def test_every_poem_of_every_author_arrives_with_its_stanzas_and_its_own_address(tmp_path):
    site, poems, report = run(tmp_path, API, licence="public domain")
    assert poems[0] == {
        "source": "db",
        "url": f"{site}/author,title/Ida%20Ferr%C3%A9;Ferry%2FNight%3F",
        "title": "Ferry/Night?",
        "author": IDA,
        "collection": None,
        "year": None,
        "style": None,
        "licence": "public domain",
        "declared_language": "en",
        "text": "The crane swings\n  over\n\nthe harbour",
    }
    assert [poem["title"] for poem in poems] == ["Ferry/Night?", "Kettle"]
    assert (report["poems"], report["without_poem"], report["failed"]) == (2, 1, 1)
    assert report["failures"] == [{"page": "/author/Lost Poet:abs/title", "problem": 404}]
    assert report["forbidden_by_robots"] == 1
    assert report["retried"] >= 1


def test_named_authors_are_asked_for_alone(tmp_path):
    _, poems, report = run(tmp_path, API, authors=["Tom Vale"])
    assert [poem["author"] for poem in poems] == ["Tom Vale"]
    assert report["pages"] == 2


def test_an_answer_that_has_changed_its_form_is_a_failure_in_the_report(tmp_path):
    changed = {**API, "/author%2Cpoemcount/Ida%20Ferr%C3%A9:abs%3B2": answer([{"name": "Ferry"}])}
    _, poems, report = run(tmp_path, changed)
    assert [poem["title"] for poem in poems] == ["Kettle"]
    assert {"page": f"/author,poemcount/{IDA}:abs;2", "problem": "KeyError"} in report["failures"]


def test_an_api_without_a_poem_is_told(tmp_path):
    with pytest.raises(BadInput, match=r"scrape\.sources\.db: no poem on 1 pages"):
        run(tmp_path, {"/author": answer({"authors": []})})
