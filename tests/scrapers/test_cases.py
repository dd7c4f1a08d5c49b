"""Pages on which a spider once failed, kept in a folder beside the repository; elsewhere these tests are skipped."""

from pathlib import Path

import pytest
from scrapy.http import HtmlResponse, Request

from scrapers.spiders.poemas_del_alma import PoemasDelAlmaSpider
from scrapers.spiders.selectors import SelectorsSpider
from scrapers.spiders.wikisource import WikisourceSpider
from tests.support.verse_markup import LAMP, TARDE, plain

CASES = Path(__file__).parents[3] / "shared" / "cases"
SPIDER = {"source": "mine", "start": ["/"], "language": "en", "max_pages": 9}
WIKISOURCE = WikisourceSpider(site="https://en.wikisource.org", **SPIDER)
SELECTORS = {"follow": [], "fields": {"text": ".poem, .o-poem"}, "leave_out": []}
HEADED = "Carter\n\n{}\n\nPart two\n\n{}".format(*map("\n".join, LAMP))

TEXTS = {
    "p01_es_wikisource_classes.html": plain(TARDE),
    "p02_es_ws_poema.html": plain(TARDE),
    "p03_verse_pre.html": plain(LAMP),
    "p05_dropinitial_image.html": plain(LAMP[:1]),
    "p06_poem_in_references.html": plain(LAMP[:1]),
    "p07_sidenote.html": plain(LAMP[:1]),
    "s01_pf_div_per_line.html": plain(LAMP),
    "s02_h1_inside.html": HEADED,
    "s04_nested_match.html": plain(LAMP[:1]),
    "s05_span_block_lines.html": plain(LAMP[:1]),
    "s06_pre_wrap.html": plain(LAMP[:1]),
}


def results(name, spider):
    if not (CASES / name).exists():
        pytest.skip("the folder of cases is not here")
    return list(spider.parse(HtmlResponse(f"{spider.site}/page-of-{name}", body=(CASES / name).read_bytes())))


@pytest.mark.parametrize("name", TEXTS)
def test_the_poem_of_the_page_is_read(name):
    fields = {key: value.copy() for key, value in SELECTORS.items()}
    is_wiki = name.startswith("p")
    spider = WIKISOURCE if is_wiki else SelectorsSpider(site="https://poems.example", **SPIDER, **fields)
    [poem] = results(name, spider)
    assert poem["text"] == TEXTS[name]
    if name in ("p01_es_wikisource_classes.html", "p02_es_ws_poema.html"):
        assert [poem[field] for field in ("author", "collection", "year")] == ["Ana Ruiz", "Libro", "1912"]


def test_a_script_among_the_links_loses_no_poem():
    spider = PoemasDelAlmaSpider(site="https://www.poemas-del-alma.com", **SPIDER)
    found = results("a01_pda_javascript_link.html", spider)
    assert all(isinstance(request, Request) for request in found)
    assert [spider.path(request.url) for request in found] == ["/el-carro.htm", "/la-puerta.htm"]
