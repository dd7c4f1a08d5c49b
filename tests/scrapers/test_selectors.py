"""The source `selectors`: a site nobody wrote a spider for, described in params.yaml alone."""

import json
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline.common.params import Scrape, parse_params
from pipeline.common.stage import BadInput
from pipeline.scrape import scrape
from scrapers.anthology.server import serve
from scrapers.anthology.site import Page
from tests.support.verse_markup import LAMP, plain

ROOT = Path(__file__).parents[2]
FIELDS = {
    "text": "div.verse",
    "title": "h1, h2.title",
    "author": "meta[name=author]::attr(content)",
    "collection": ".book",
    "year": ".book small",
    "style": ".form::text",
    "licence": "footer a[rel=license]",
}
POEM = """<html><head><meta name="author" content="Ida  Ferr\u00e9"></head><body><h1>The <i>Crane</i></h1><h1>Other</h1>
<p class="book">Leaves</p><p class="book"><small>1855</small></p><p class="form">ode <b>draft</b></p>
<div class="verse"><p>The crane<sup>1</sup><br>swings</p></div><aside>Advert</aside>
<div class="verse"><pre>over
  the harbour
   
at night</pre></div><a class="next" href="b.html#top">next</a>
<footer><a rel="license" href="https://licence.example">CC BY</a></footer></body></html>"""
INDEX = """<nav><a href="poems/a.html">A</a> <a href="/poems/a.html#x">A</a> <a href="mailto:ida@x.example">Ida</a>
<a href="http://localhost:1/c.html">C</a> <a href="http://[broken/">D</a> <a>no link</a></nav>
<a href="/private">P</a>"""
LINES_ARE_BLOCKS = "<style>.verse .l9 {display: block}</style>"
PAGES = {
    "/index.html": Page(INDEX),
    "/poems/a.html": Page(POEM),
    "/poems/b.html": Page("<div class='verse'>One<br>two</div><a class='next' href='c.html'>next</a>"),
    "/poems/c.html": Page("<p>The end.</p>"),
}


def source(site, **values):
    common = {"kind": "selectors", "site": site, "start": ["/index.html"], "language": "en", "delay": 0}
    return common | {"follow": ["nav", "a.next"], "fields": FIELDS, "leave_out": ["sup"]} | values


def run(folder, pages, **values):
    with serve(pages) as site:
        report = scrape(
            Scrape.model_validate({"sources": {"mine": source(site, **values)}}), folder, folder / "earlier"
        )["mine"]
    lines = (folder / "mine.jsonl").read_text(encoding="utf-8").splitlines()
    return site, [json.loads(line) for line in lines], report


def test_selectors_alone_bring_every_field_and_every_page(tmp_path):
    site, poems, report = run(tmp_path, PAGES)
    assert poems[0] == {
        "source": "mine",
        "url": f"{site}/poems/a.html",
        "title": "The Crane",
        "author": "Ida Ferr\u00e9",
        "collection": "Leaves",
        "year": "1855",
        "style": "ode",
        "licence": "CC BY",
        "declared_language": "en",
        "text": "The crane\nswings\n\nover\nthe harbour\n\nat night",
    }
    assert [poem["text"] for poem in poems[1:]] == ["One\ntwo"]
    assert (report["pages"], report["failed"]) == (4, 0)
    assert report["pages_without_poem"] == ["/poems/c.html"]


def poem_page(verse, head=""):
    return Page(f"<html><head>{head}</head><body><div class='verse'>{verse}</div></body></html>")


@pytest.mark.parametrize(
    "page",
    [
        poem_page("".join(f"<div>{line}<br></div>" for line in (*LAMP[0], "", *LAMP[1]))),
        poem_page("".join(f"<span class='l9'>{line}</span>" for line in (*LAMP[0], "", *LAMP[1])), LINES_ARE_BLOCKS),
        poem_page(f"<div style='white-space: pre-line'>{plain(LAMP)}</div>"),
        poem_page(f"<div class='verse'>{'<br><br>'.join(map('<br>'.join, LAMP))}</div>"),
        poem_page("<table>" + "".join(f"<tr><td>{line}</td></tr>" for line in (*LAMP[0], "", *LAMP[1])) + "</table>"),
    ],
)
def test_lines_and_stanzas_are_those_of_the_page_whatever_its_markup(tmp_path, page):
    _, [poem], _ = run(tmp_path, {"/index.html": page})
    assert poem["text"] == plain(LAMP)


def test_headings_inside_of_the_verse_stand_apart(tmp_path):
    page = poem_page("<h1>Carter</h1>{}<h5>Part two</h5>{}".format(*map("<br>".join, LAMP)))
    _, [poem], _ = run(tmp_path, {"/index.html": page})
    assert poem["text"] == "Carter\n\n{}\n\nPart two\n\n{}".format(*map("\n".join, LAMP))


def test_links_that_lead_to_no_page_are_passed_over(tmp_path):
    links = ["javascript:void(0)", "JavaScript:go()", "mailto:ida@x.example", "tel:123", "data:text/html,x", "http://["]
    nav = "<nav>" + "".join(f'<a href="{link}">x</a>' for link in [*links, "/poems/b.html"]) + "</nav>"
    _, poems, report = run(tmp_path, PAGES | {"/index.html": Page(nav)})
    assert [poem["text"] for poem in poems] == ["One\ntwo"]
    assert report["failed"] == 0


def test_links_start_from_the_base_that_the_page_names(tmp_path):
    index = Page("<html><head><base href='/poems/'></head><body><nav><a href='b.html'>b</a></nav></body></html>")
    _, poems, _ = run(tmp_path, PAGES | {"/index.html": index})
    assert [poem["text"] for poem in poems] == ["One\ntwo"]


def test_an_endless_calendar_ends_at_max_pages(tmp_path):
    class Calendar(dict):
        def get(self, path, default):
            if not path.startswith("/day"):
                return default
            day = int(path.removeprefix("/day"))
            return Page(f"<div class='verse'>Day<br>{day}</div><a class='next' href='/day{day + 1}'>next</a>")

        def items(self):
            return ()

    _, poems, report = run(tmp_path, Calendar(), start=["/day1"], max_pages=7)
    assert report["pages"] == len(poems) == 7


@pytest.mark.parametrize(
    ("key", "values", "problem"),
    [
        ("follow.0", {"follow": ["a["]}, "not a CSS selector"),
        ("fields.text", {"fields": {"text": "meta::attr(content)"}}, "must select elements"),
        ("fields.poet", {"fields": {"text": "p", "poet": "h2"}}, "unknown key"),
        ("site", {"site": "poems.example"}, "https?"),
    ],
)
def test_a_faulty_selector_is_named_before_any_work(key, values, problem):
    params = YAML(typ="safe").load(ROOT / "params.yaml")
    params["scrape"]["sources"] = {"mine": source("https://poems.example") | values}
    with pytest.raises(BadInput) as caught:
        parse_params(params)
    assert key in caught.value.place
    assert problem in str(caught.value)
