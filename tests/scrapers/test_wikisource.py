"""The Wikisource spider: what it takes from a page, what it leaves, and how it moves through a site."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from parsel import Selector
from scrapy.http import HtmlResponse, Request, Response
from scrapy.settings import Settings

from scrapers import settings as scrapy_settings
from scrapers.anthology.markup import block
from scrapers.anthology.poems import Poem
from scrapers.cache import AskWhetherItChanged
from scrapers.spiders.wikisource import NOT_VERSE, WikisourceSpider
from scrapers.verse import verse

SITE = "https://en.wikisource.org"
BARE_POEM = '<div class="mw-parser-output"><div class="poem"><p>One line</p></div></div>'


def spider():
    return WikisourceSpider(source="ws", site=SITE, start=["/wiki/Category:Poems"], language="en", max_pages=10)


def visit(body, path="/wiki/Leaves/Song", crawler=None):
    """What the spider makes of a page: its poems, and the paths it would go to next."""
    crawler = crawler or spider()
    results = list(crawler.parse(HtmlResponse(SITE + path, body=body.encode(), encoding="utf-8")))
    poems = [result for result in results if not isinstance(result, Request)]
    return poems, [crawler.path(result.url) for result in results if isinstance(result, Request)]


def verse_of(html):
    return verse(Selector(html).css("div")[0], NOT_VERSE)


def test_a_break_ends_a_line_and_a_paragraph_a_stanza():
    html = '<div class="poem">\n<p>One<br />\ntwo\n</p>\n<p>three<br>four\n</p></div>'
    assert verse_of(html) == "One\ntwo\n\nthree\nfour"


def test_line_breaks_of_the_html_source_are_spaces():
    assert verse_of("<div>\n  One\n   long   line\n</div>") == "One long line"


def test_spaces_that_do_not_break_stay_for_the_cleaner():
    assert verse_of("<div>One<br/>&#160;&#160;two</div>") == "One\n\N{NO-BREAK SPACE}\N{NO-BREAK SPACE}two"


def test_what_the_markup_says_is_no_verse_goes_and_the_words_after_it_stay():
    html = (
        '<div class="ws-poem"><div class="ws-poem-stanza"><span class="ws-poem-line"><span class="ws-poem-versenum">5 '
        '</span>The <i>crane</i><sup class="reference">[1]</sup> swings</span><br class="ws-poem-break"/>'
        '<!-- note --><span class="wst-pline">10</span>over<span class="ws-noexport">edit</span></div></div>'
    )
    assert verse_of(html) == "The crane swings\nover"


words = st.text(string.ascii_letters + "áéíóúñü¿¡,;—'&<>", min_size=1, max_size=8)
lines = st.lists(words, min_size=1, max_size=6).map(" ".join)
stanzas = st.lists(lines, min_size=1, max_size=6).map("\n".join)


@given(st.lists(stanzas, min_size=1, max_size=4).map("\n\n".join), st.integers(0, 400))
def test_a_poem_comes_out_of_every_kind_of_markup_as_it_went_in(text, number):
    html, _ = block(Poem("Book", "Author", "ode", "en", "Title", text), number)
    assert verse_of(html) == text


def test_a_poems_page_gives_every_field():
    body = """<html><head><link rel="canonical" href="https://en.wikisource.org/wiki/Leaves/Song"/></head>
    <h1 id="firstHeading">Leaves/Song</h1><div class="mw-parser-output" lang="es">
    <div id="headertemplate" class="ws-noexport"><span id="header-section-text">Song of <i>Myself</i></span></div>
    <div id="ws-data"><span id="ws-title">Leaves</span><span id="ws-author">Walt  Ida</span>
    <span id="ws-year">1855</span></div>
    <div class="poem"><p>One<br/>two</p></div><span class="licensetpl_short">CC0</span></div>
    <div id="mw-normal-catlinks"><a>Categories</a><ul><li><a>1855 works</a></li><li><a>Odes</a></li></ul></div>"""
    [poem], _ = visit(body)
    assert poem == {
        "source": "ws",
        "url": "https://en.wikisource.org/wiki/Leaves/Song",
        "title": "Song of Myself",
        "author": "Walt Ida",
        "collection": "Leaves",
        "year": "1855",
        "style": "ode",
        "licence": "CC0",
        "declared_language": "es",
        "text": "One\ntwo",
    }


def test_a_bare_page_gives_its_heading_as_title_and_the_sources_language():
    [poem], _ = visit('<h1 id="firstHeading">The Raven</h1>' + BARE_POEM, "/wiki/The_Raven")
    assert (poem["title"], poem["collection"], poem["author"]) == ("The Raven", None, None)
    assert (poem["declared_language"], poem["url"]) == ("en", SITE + "/wiki/The_Raven")


def test_poem_blocks_of_one_page_are_stanzas_of_one_poem():
    blocks = '<div class="poem"><p>a</p></div><div class="ws-poem"><div class="ws-poem-stanza">b</div></div>'
    [poem], _ = visit(f'<div class="mw-parser-output">{blocks}</div>')
    assert poem["text"] == "a\n\nb"


def test_a_category_leads_to_its_members_its_subcategories_and_its_other_pages_but_not_off_the_wiki():
    body = """<div id="mw-subcategories"><li><a href="/wiki/Category:Odes">O</a></li></div>
    <div id="mw-pages">(previous page)
    (<a href="/w/index.php?title=Category:Poems&amp;pagefrom=%C3%89a+b#mw-pages">next page</a>)
    <ul><li><a href="/wiki/A/B">B</a></li><li><a href="https://other.example/wiki/C">C</a></li></ul></div>"""
    poems, paths = visit(body, "/wiki/Category:Poems")
    assert not poems
    assert paths == ["/wiki/Category:Odes", "/wiki/A/B", "/wiki/Category:Poems?pagefrom=Éa b"]


def test_a_book_leads_to_its_poems_alone():
    body = """<div class="mw-parser-output"><a href="/wiki/Leaves/A">A</a> <a href="/wiki/Author:Ida">Ida</a>
    <a href="/wiki/Leavestaking">L</a></div><footer><a href="/wiki/Leaves/Footer">F</a></footer>"""
    assert visit(body, "/wiki/Leaves") == ([], ["/wiki/Leaves/A"])


def test_a_category_with_more_subcategories_than_a_page_takes_leads_to_the_others():
    body = """<div id="mw-subcategories">(<a href="/w/index.php?title=Category:Poems&amp;subcatfrom=Odes#x">next</a>)
    <a href="/wiki/Category:Poems?subcatfrom=Songs">next</a></div>"""
    _, paths = visit(body, "/wiki/Category:Poems")
    assert paths == ["/wiki/Category:Poems?subcatfrom=Odes", "/wiki/Category:Poems?subcatfrom=Songs"]


def test_pages_about_works_and_pieces_of_scans_are_not_followed():
    links = "".join(
        f'<li><a href="/wiki/{name}">x</a></li>' for name in ("Author:Ida", "Page:A.djvu/3", "%C3%8Dndice:A")
    )
    assert visit(f'<div id="mw-pages"><ul>{links}<li><a href="/wiki/Hamlet:_a_song">x</a></li></ul></div>')[1] == [
        "/wiki/Hamlet:_a_song"
    ]


def test_an_author_leads_to_their_works_and_not_to_other_authors():
    body = """<div class="mw-parser-output"><a href="/wiki/The_Crane#II">C</a> <a href="/wiki/Author:Max">M</a>
    <a href="/w/index.php?title=Lost&amp;redlink=1">L</a> <a href="https://other.example/">O</a></div>"""
    assert visit(body, "/wiki/Author:Ida") == ([], ["/wiki/The_Crane"])


EDITIONS = """<div class="mw-parser-output"><div class="ws-noexport">Versions of <b>The Crane</b> include:</div><ul>
<li>"<a href="/wiki/Leaves/The_Crane">The Crane</a>" in <i><a href="/wiki/Leaves">Leaves</a></i> (1855)</li>
<li><a href="/wiki/Author:Ida">Ida</a>: <a href="/wiki/The_Heron_(Ida)">The Heron</a> (1860)</li>
<li>by others<ul><li><a href="/wiki/The_Crane_(Max)">The Crane</a></li></ul></li>
<li><a href="/w/index.php?title=Lost&amp;redlink=1">lost</a></li></ul>
<p>See also <a href="/wiki/Birds">Birds</a>.</p></div>"""


@pytest.mark.parametrize(
    "categories",
    [
        '<div id="mw-normal-catlinks"><ul><li><a>Disambiguation pages</a></li></ul></div>',
        '<div id="mw-hidden-catlinks"><ul><li><a>Poems</a></li><li><a>Versions pages</a></li></ul></div>',
        '<div id="mw-normal-catlinks"><ul><li><a>Wikisource:Desambiguación</a></li></ul></div>',
    ],
)
def test_a_list_of_editions_leads_to_each_of_them_and_not_to_the_books_that_hold_them(categories):
    _, paths = visit(EDITIONS + categories, "/wiki/The_Crane")
    assert set(paths) == {"/wiki/Leaves/The_Crane", "/wiki/The_Heron_(Ida)", "/wiki/The_Crane_(Max)"}


def test_a_page_that_does_not_say_that_it_is_a_list_leads_to_works_of_its_own_title_alone():
    _, paths = visit(EDITIONS, "/wiki/The_Crane_(Ida)")
    assert set(paths) == {"/wiki/Leaves/The_Crane", "/wiki/The_Crane_(Max)"}
    crawler = spider()
    assert visit(EDITIONS, "/wiki/A_Tale_of_Birds", crawler) == ([], [])
    assert crawler.without_poem == ["/wiki/A_Tale_of_Birds"]


def test_a_list_that_the_source_starts_from_leads_to_all_its_entries():
    crawler = WikisourceSpider(source="ws", site=SITE, start=["/wiki/Portal:Aves"], language="en", max_pages=10)
    _, paths = visit(EDITIONS, "/wiki/Portal:Aves", crawler)
    assert set(paths) == {"/wiki/Leaves/The_Crane", "/wiki/The_Heron_(Ida)", "/wiki/The_Crane_(Max)"}


def test_a_page_with_verse_of_its_own_leads_to_no_other_editions():
    [poem], paths = visit(BARE_POEM + EDITIONS, "/wiki/The_Crane")
    assert (poem["text"], paths) == ("One line", [])


def test_a_page_shown_in_place_of_another_leads_to_the_parts_of_its_own_and_gives_its_poem_once():
    head = '<link rel="canonical" href="https://en.wikisource.org/wiki/Leaves_(1855)"/>'
    crawler = spider()
    body = head + BARE_POEM + '<div class="mw-parser-output"><a href="/wiki/Leaves_(1855)/A">A</a></div>'
    poems, paths = visit(body, "/wiki/Leaves", crawler)
    assert (poems[0]["url"], paths) == ("https://en.wikisource.org/wiki/Leaves_(1855)", ["/wiki/Leaves_(1855)/A"])
    assert visit(body, "/wiki/Leaves_(1855)", crawler)[0] == []


def test_a_poem_block_inside_of_another_is_read_once():
    [poem], _ = visit('<div class="mw-parser-output"><div class="poem"><p class="ws-poem">a<br>b</p></div></div>')
    assert poem["text"] == "a\nb"


def test_a_page_without_a_poem_is_counted():
    crawler = spider()
    assert visit('<div class="mw-parser-output"><p>Prose.</p></div>', "/wiki/Preface", crawler) == ([], [])
    list(crawler.parse(Response(SITE + "/wiki/File.pdf", body=b"%PDF")))
    assert crawler.without_poem == ["/wiki/Preface", "/wiki/File.pdf"]


def test_the_settings_are_polite():
    assert scrapy_settings.ROBOTSTXT_OBEY
    assert scrapy_settings.AUTOTHROTTLE_ENABLED
    assert not scrapy_settings.RANDOMIZE_DOWNLOAD_DELAY  # `delay` is the least
    assert scrapy_settings.USER_AGENT.startswith("Estrofa/")
    assert {429, 503} <= set(scrapy_settings.RETRY_HTTP_CODES)


@pytest.mark.parametrize(
    ("status", "headers", "kept"),
    [(200, {}, True), (200, {"Cache-Control": "private, no-store"}, False), (503, {}, False)],
)
def test_pages_are_kept_for_a_crawl_that_goes_on_unless_the_site_forbids_it(status, headers, kept):
    values = Settings()
    values.setmodule(scrapy_settings)
    response = Response(SITE, status=status, headers=headers)
    assert AskWhetherItChanged(values).should_cache_response(response, Request(SITE)) is kept
