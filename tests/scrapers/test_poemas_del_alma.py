"""The source `poemas-del-alma` on a replica of the site's markup on loopback."""

import json

from pipeline.common.params import Scrape
from pipeline.scrape import scrape
from scrapers.anthology.server import serve
from scrapers.anthology.site import Page

LETTERS = '<ul id="letters"><li><a href="/A.html">A</a></li><li><a href="/B.html">B</a></li></ul>'


def page(content, heading="<h1>Poemas del Alma</h1>"):
    return Page(
        f"<html><body>{LETTERS}{heading}<div id='content'>{content}</div>"
        '<a href="http://localhost:1/elsewhere.htm">Blog</a></body></html>'
    )


def listed(*links):
    return "".join(f'<li><a href="{path}">{text}</a></li>' for path, text in links)


SITE = {
    "/A.html": page(
        f"<ul>{listed(('/ana-ruiz.htm', 'Ana <b>Ruiz</b>'), ('/A.html', 'A'), ('/gone.htm', 'Nadie'))}</ul>"
    ),
    "/B.html": page(f"<ul>{listed(('/blas-otal.htm', 'Blas Otal'))}</ul>"),
    "/ana-ruiz.htm": page(
        '<ul class="list-poems"><li><a href="/moved.htm">Lo más leído</a></li></ul><ul id="ordenable">'
        + listed(("la-grulla.htm", "La grulla"), ("libro.htm", "Cien sonetos"), ("nota.htm", "Nota"))
        + "</ul>",
        "<h1>Poemas de Ana Ruiz</h1>",
    ),
    "/libro.htm": page(f'<ul class="list-poems">{listed(("soneto-1.htm", "I"))}</ul>', "<h2>Cien sonetos</h2>"),
    "/blas-otal.htm": page(f'<div id="block-poems">{listed(("moved.htm", "El puente"))}</div>'),
    "/la-grulla.htm": page(
        '<h2 class="title-poem">La grulla</h2><div class="poem-entry"><div id="contentfont">'
        "<p>La grulla<br />\nen el aire</p>\n<p>se va.<br/><br/>Adiós.</p>"
        '<div class="likebox">Me gusta</div><script>var a</script></div></div>'
    ),
    "/soneto-1.htm": page('<div class="poem-entry"><h2>Soneto I</h2>Al alba<br>cruza el puente</div>', ""),
    "/moved.htm": Page("", 301, location="/el-puente.htm"),
    "/el-puente.htm": page(
        '<div class="poem-entry" id="contentfont"><p>Un panadero<br>cruza</p></div>', "<h1>Puente</h1>"
    ),
    "/nota.htm": page("<p>Biografía</p>"),
}


def run(folder, pages=SITE, **values):
    with serve(pages) as site:
        source = {"kind": "poemas-del-alma", "site": site, "delay": 0, **values}
        report = scrape(Scrape.model_validate({"sources": {"alma": source}}), folder, folder / "earlier")["alma"]
    lines = (folder / "alma.jsonl").read_text(encoding="utf-8").splitlines()
    return site, {poem["title"]: poem for poem in map(json.loads, lines)}, report


def test_letters_lead_to_authors_their_poems_and_their_books(tmp_path):
    site, poems, report = run(tmp_path)
    assert poems["La grulla"] == {
        "source": "alma",
        "url": f"{site}/la-grulla.htm",
        "title": "La grulla",
        "author": "Ana Ruiz",
        "collection": None,
        "year": None,
        "style": None,
        "licence": None,
        "declared_language": "es",
        "text": "La grulla\nen el aire\n\nse va.\n\nAdiós.",
    }
    sonnet = poems["Soneto I"]
    assert (sonnet["author"], sonnet["collection"]) == ("Ana Ruiz", "Cien sonetos")
    assert sonnet["text"] == "Al alba\ncruza el puente"
    assert (poems["Puente"]["author"], poems["Puente"]["url"]) == ("Blas Otal", f"{site}/el-puente.htm")
    assert len(poems) == report["poems"] == 3
    assert report["pages_without_poem"] == ["/nota.htm"]
    assert report["failed"] == 25  # 24 letters without a page, and one author
    assert report["redirected"] == 1


def test_a_crawl_may_start_from_one_author(tmp_path):
    _, poems, report = run(tmp_path, start=["/ana-ruiz.htm"])
    assert {title: poem["author"] for title, poem in poems.items()} == {"La grulla": "Ana Ruiz", "Soneto I": "Ana Ruiz"}
    assert report["failed"] == 0


def test_links_that_lead_to_no_page_lose_nothing(tmp_path):
    links = ["javascript:void(0)", "mailto:ana@x.example", "http://[", "la-grulla.htm"]
    site = {
        "/A.html": page(f"<ul>{listed(('javascript:a.htm', 'Menú'), ('ana-ruiz.htm', 'Ana Ruiz'))}</ul>"),
        "/ana-ruiz.htm": page('<ul id="ordenable">' + listed(*((link, "x") for link in links)) + "</ul>"),
        "/la-grulla.htm": SITE["/la-grulla.htm"],
    }
    _, poems, report = run(tmp_path, site, start=["/A.html"])
    assert [poem["author"] for poem in poems.values()] == ["Ana Ruiz"]
    assert report["failed"] == 0
