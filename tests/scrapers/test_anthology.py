"""The embedded site answers as a Wikisource does, oddities and all, and its poems are what they are said to be."""

from collections import Counter
from difflib import SequenceMatcher
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest
from parsel import Selector

from scrapers.anthology.markup import flawed
from scrapers.anthology.poems import read_collection, read_oddities, read_poems
from scrapers.anthology.server import serve
from scrapers.anthology.site import CATEGORY_PAGE, Link, build_site
from scrapers.spiders.wikisource import NOT_VERSE
from scrapers.styles import STYLE_OF_CATEGORY
from scrapers.verse import verse


@pytest.fixture(scope="module")
def address():
    with serve() as address:
        yield address


def get(address, path):
    connection = HTTPConnection(urlsplit(address).netloc)
    connection.request("GET", path)
    response = connection.getresponse()
    body = response.read().decode()
    connection.close()
    return response.status, response.headers, Selector(body) if "html" in response.headers["Content-Type"] else body


@pytest.mark.parametrize("language", ["en", "es"])
def test_each_language_has_150_poems_that_a_person_would_read_in_one_go(language):
    poems = read_poems(language)
    assert len(poems) >= 150
    assert len({poem.text for poem in poems}) == len(poems)
    for poem in poems:
        count = sum(1 for line in poem.text.split("\n") if line.strip())
        assert 6 <= count <= 40, f"{poem.collection}: {poem.title}"
        assert poem.language == language
        assert poem.style in STYLE_OF_CATEGORY.values(), poem.style


def test_there_are_twelve_books_with_styles_of_their_own():
    poems = read_poems("en") + read_poems("es")
    assert len({poem.collection for poem in poems}) >= 12
    assert len({poem.style for poem in poems}) >= 9


def test_every_poem_has_a_page_with_header_licence_and_neighbours(address):
    first, second = read_poems("es")[:2]
    path = Link(f"{first.collection}/{first.title}").path
    status, _, page = get(address, path)
    assert status == 200
    assert page.css("#header-section-text::text").get() == first.title
    assert page.css("#header-author-text a::text").get() == first.author
    assert page.css("#headernext a::text").get() == second.title
    assert not page.css("#headerprevious a")
    assert page.css(".licensetpl_short::text").get() == "CC0"
    assert page.css(".mw-parser-output::attr(lang)").get() == "es"
    assert get(address, page.css("#header-author-text a::attr(href)").get())[0] == 200


@pytest.mark.parametrize(
    ("language", "category"), [("en", "Category:Poems in English"), ("es", "Categoría:Poemas en español")]
)
def test_a_languages_category_lists_all_its_poems_page_by_page(address, language, category):
    path, listed, pages = Link(category).path, [], 0
    while path:
        status, _, page = get(address, path)
        assert status == 200
        members = page.css("#mw-pages li a::text").getall()
        assert len(members) <= CATEGORY_PAGE
        listed += members
        pages += 1
        path = page.xpath('//*[@id="mw-pages"]/a[contains(., "next") or contains(., "siguiente")]/@href').get()
    assert pages > 1
    assert len(set(listed)) == len(listed)
    assert {f"{poem.collection}/{poem.title}" for poem in read_poems(language)} <= set(listed)


def test_one_page_in_each_language_is_busy_the_first_time(address):
    busy = [path for path, page in build_site().items() if page.fails_once]
    assert len(busy) >= 2
    for path in busy:
        assert [get(address, path)[0] for _ in range(2)] == [503, 200]


def test_a_dead_link_and_a_redirect_stand_in_a_books_list(address):
    _, _, page = get(address, "/wiki/Loose_Leaves")
    answers = [get(address, link) for link in page.css(".mw-parser-output li a::attr(href)").getall()]
    assert Counter(status for status, *_ in answers)[404] == 1
    [location] = [headers["Location"] for status, headers, _ in answers if status == 301]
    assert get(address, location)[0] == 200


def test_robots_are_told_what_is_closed_and_where_the_map_is(address):
    _, _, robots = get(address, "/robots.txt")
    assert "Disallow: /w/" in robots
    _, _, sitemap = get(address, "/sitemap.xml")
    assert sitemap.count("<loc>https://anthology.example/wiki/") > 300


def test_one_poem_stands_twice_and_one_in_another_edition():
    poems = read_poems("en")
    pages = build_site()

    def text(book, poem):
        page = Selector(pages[Link(f"{book}/{poem.title}").path].body)
        return verse(page.css(".poem, .ws-poem")[0], NOT_VERSE)

    copied, edited = poems[0], poems[-1]
    assert text("A Commonplace Book", copied) == text(copied.collection, copied)
    edition = text("A Commonplace Book", edited)
    assert edition != text(edited.collection, edited)
    assert SequenceMatcher(None, edition, edited.text, autojunk=False).ratio() > 0.9


def test_the_odd_pages_are_odd():
    odd = {poem.flaw: poem for poem in read_oddities("en")}
    assert len(odd["far too long"].text.split()) > 600
    assert len(odd["fragment"].text.split("\n")) == 2
    assert "Mi abuela" in odd["bilingual"].text
    assert "My grandmother" in odd["bilingual"].text
    assert "boulangère" in odd["french"].text
    assert "\N{REPLACEMENT CHARACTER}" in flawed(odd["lost letters"])
    assert "cafÃ©" in flawed(odd["mojibake"])
    assert flawed(odd["navigation"]).startswith("← Previous poem")
    assert "[2]" in flawed(odd["plain footnote marks"])
    assert flawed(odd["plain verse numbers"]).split("\n")[5].endswith("\N{NO-BREAK SPACE}5")


def test_a_poem_without_a_text_is_refused_by_file_and_number(tmp_path):
    path = tmp_path / "book.txt"
    path.write_text("collection: Book\nauthor: A\nstyle: ode\nlanguage: en\n===\ntitle: One\n")
    with pytest.raises(ValueError, match=r"book\.txt: poem 1 has no text"):
        read_collection(path)
    path.write_text("collection: Book\nauthor: A\nstyle: ode\nlanguage: en\n===\ntitel: One\n\ntext\n")
    with pytest.raises(ValueError, match=r"book\.txt: poem 1: .*titel"):
        read_collection(path)
