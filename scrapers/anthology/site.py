"""The anthology as a site: every address and what a visitor gets there, in the markup of a Wikisource."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from scrapers.anthology.markup import block
from scrapers.anthology.poems import LANGUAGES, Poem, read_oddities, read_poems
from scrapers.styles import STYLE_OF_CATEGORY

PUBLIC_ADDRESS = "https://anthology.example"
CATEGORY_PAGE = 50  # members a page; Wikisource has 200
NOT_FOUND = "There is currently no text in this page."
ROBOTS = "User-agent: *\nDisallow: /w/\nDisallow: /wiki/Special:\nDisallow: /wiki/Anthology:Drafts/\n"
TEMPLATES = Environment(loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True)

WORDS = {
    "en": {
        "category": "Category",
        "poems": "Poems in English",
        "author": "Author",
        "by": "by",
        "copies": "A Commonplace Book",
        "preface": "Preface",
        "preface_text": "These leaves were found in a drawer. The editor has put them in no order.",
        "dead": "The Lost Page",
        "moved": "Old Ferry Timetable",
        "draft": "Anthology:Drafts/Unfinished Ode",
        "random": "Random work",
        "categories": "Categories",
        "subcategories": "Subcategories",
        "pages": "Pages in this category",
        "before": "previous page",
        "after": "next page",
        "licence": "This poem is dedicated to the public domain (CC0 1.0).",
        "footer": "This page was last edited in May.",
        "changes": "Recent changes",
        "history": "View history",
    },
    "es": {
        "category": "Categoría",
        "poems": "Poemas en español",
        "author": "Autor",
        "by": "de",
        "copies": "Cuaderno de copias",
        "preface": "Prólogo",
        "preface_text": "Estos papeles salieron de un cajón. El editor no les ha puesto orden.",
        "dead": "La página perdida",
        "moved": "Horario antiguo de invierno",
        "draft": "Anthology:Drafts/Oda sin terminar",
        "random": "Obra al azar",
        "categories": "Categorías",
        "subcategories": "Subcategorías",
        "pages": "Páginas en la categoría",
        "before": "página anterior",
        "after": "página siguiente",
        "licence": "Este poema está dedicado al dominio público (CC0 1.0).",
        "footer": "Esta página se editó por última vez en mayo.",
        "changes": "Cambios recientes",
        "history": "Ver historial",
    },
}
CATEGORY_OF_STYLE = {style: category for category, style in STYLE_OF_CATEGORY.items()}


@dataclass(frozen=True)
class Page:
    """What one address answers with."""

    body: str
    status: int = 200
    content_type: str = "text/html; charset=UTF-8"
    location: str = ""  # where a redirect leads
    fails_once: bool = False  # answers 503 the first time it is asked for


@dataclass(frozen=True)
class Link:
    name: str

    @property
    def path(self) -> str:
        return quote("/wiki/" + self.name.replace(" ", "_"), safe="/:")


def build_site() -> dict[str, Page]:
    """All pages by quoted path, and by path with `?pagefrom=` for the further pages of a category.

    Raises:
        ValueError: a poem's style has no category in `scrapers/styles.py`, or two poems have one address.
    """
    pages: dict[str, Page] = {}
    number = 0
    for language in LANGUAGES:
        poems = [*read_poems(language), *_copies(language), *read_oddities(language)]
        for poem in poems:
            if poem.style not in CATEGORY_OF_STYLE:
                raise ValueError(f"{poem.collection}: the style {poem.style!r} has no category in scrapers/styles.py")
            if _address(poem).path in pages:
                raise ValueError(f"{poem.collection}: two poems are called {poem.title!r}")
            pages[_address(poem).path] = Page(_poem_page(poem, poems, number), fails_once=number % 97 == 40)
            number += 1
        pages |= _lists(poems, language)
    pages["/"] = Page("", 301, location=Link("Main Page").path)
    pages[Link("Main Page").path] = Page(_list_page("Main Page", "en", [_section(language) for language in LANGUAGES]))
    pages["/robots.txt"] = Page(ROBOTS + f"Sitemap: {PUBLIC_ADDRESS}/sitemap.xml\n", content_type="text/plain")
    pages["/sitemap.xml"] = Page(_sitemap(pages), content_type="application/xml")
    return pages


def _copies(language: str) -> list[Poem]:
    """Two poems a second time, in another book: one letter for letter, one as another editor prints it."""
    poems = read_poems(language)
    book = WORDS[language]["copies"]
    edited = poems[-1].text.replace(";", ",").replace(":", ";").replace("—", "–").replace("!", ".")
    return [replace(poems[0], collection=book), replace(poems[-1], collection=book, text=edited)]


def _lists(poems: list[Poem], language: str) -> dict[str, Page]:
    """The pages of a language that list others, and the odd pages they lead to."""
    words = WORDS[language]
    loose = poems[-1].collection
    dead, moved, preface = (Link(f"{loose}/{words[key]}") for key in ("dead", "moved", "preface"))
    target = next(_address(poem) for poem in poems if poem.flaw == "navigation")
    pages = {
        moved.path: Page("", 301, location=target.path),
        preface.path: Page(_list_page(words["preface"], language, [], paragraphs=[words["preface_text"]])),
    }
    books: dict[str, list[Poem]] = {}
    authors: dict[str, list[Poem]] = {}
    styles: dict[str, list[Poem]] = {}
    for poem in poems:
        books.setdefault(poem.collection, []).append(poem)
        authors.setdefault(poem.author, []).append(poem)
        styles.setdefault(poem.style, []).append(poem)
    for book, its_poems in books.items():
        links = [_address(poem) for poem in its_poems] + ([preface, dead, moved] if book == loose else [])
        authors_of_book = {poem.author for poem in its_poems}
        by = _author(its_poems[0]) if len(authors_of_book) == 1 else None
        pages[Link(book).path] = Page(_list_page(book, language, links, by=by))
    for author, its_poems in authors.items():
        pages[_author(its_poems[0]).path] = Page(_list_page(author, language, [_address(poem) for poem in its_poems]))
    for its_poems in styles.values():
        pages |= dict(_category(_style(its_poems[0]), language, [_address(poem) for poem in its_poems]))
    members = [*map(_address, poems), *map(Link, books), preface, moved, Link(words["draft"])]
    return pages | dict(
        _category(_section(language), language, members, [_style(group[0]) for group in styles.values()])
    )


def _poem_page(poem: Poem, poems: list[Poem], number: int) -> str:
    siblings = [other for other in poems if other.collection == poem.collection]
    around = [None, *siblings, None]
    place = siblings.index(poem)
    previous, following = around[place], around[place + 2]
    verse, notes = block(poem, number)
    return _render(
        "poem.html",
        _address(poem),
        poem.language,
        title=poem.title,
        index=Link(poem.collection),
        author={"name": poem.author, "path": _author(poem).path},
        previous=previous and {"name": previous.title, "path": _address(previous).path},
        next=following and {"name": following.title, "path": _address(following).path},
        verse=Markup(verse),
        notes=notes,
        categories=[_section(poem.language), _style(poem)],
    )


def _list_page(name: str, language: str, links: list[Link], **values: Any) -> str:
    return _render("list.html", Link(name), language, links=links, **values)


def _category(
    category: Link, language: str, members: list[Link], subcategories: list[Link] | None = None
) -> Iterator[tuple[str, Page]]:
    """A category's pages, each with MediaWiki's links to the one before and the one after."""
    members = sorted(members, key=lambda link: link.name)
    parts = [members[start : start + CATEGORY_PAGE] for start in range(0, len(members), CATEGORY_PAGE)]
    starts = [None, *(part[0].name for part in parts[1:])]
    for place, part in enumerate(parts):
        query = f"?pagefrom={quote(starts[place], safe='')}" if place else ""
        body = _render(
            "category.html",
            category,
            language,
            links=part,
            subcategories=(subcategories or []) if not place else [],
            before=_turn(category, starts[place - 1]) if place else None,
            after=_turn(category, starts[place + 1]) if place + 1 < len(parts) else None,
        )
        yield category.path + query, Page(body)


def _turn(category: Link, start: str | None) -> str:
    """MediaWiki's address of a further page: under /w/, which robots.txt closes, unlike the same page under /wiki/."""
    query = f"&pagefrom={quote(start, safe='')}" if start else ""
    return f"/w/index.php?title={quote(category.name.replace(' ', '_'), safe=':')}{query}#mw-pages"


def _render(template: str, link: Link, language: str, **values: Any) -> str:
    shared = {
        "language": language,
        "words": WORDS[language],
        "heading": link.name,
        "path_title": link.path.removeprefix("/wiki/"),
        "canonical": PUBLIC_ADDRESS + link.path,
        "section_links": [_section(code) for code in LANGUAGES],
    }
    return TEMPLATES.get_template(template).render(shared | values)


def _sitemap(pages: dict[str, Page]) -> str:
    addresses = (path for path, page in pages.items() if page.status == 200 and "?" not in path and "/wiki/" in path)
    entries = "".join(f"<url><loc>{PUBLIC_ADDRESS}{path}</loc></url>\n" for path in addresses)
    return f'<?xml version="1.0"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{entries}</urlset>\n'


def _address(poem: Poem) -> Link:
    return Link(f"{poem.collection}/{poem.title}")


def _author(poem: Poem) -> Link:
    return Link(f"{WORDS[poem.language]['author']}:{poem.author}")


def _style(poem: Poem) -> Link:
    return Link(f"{WORDS[poem.language]['category']}:{CATEGORY_OF_STYLE[poem.style]}")


def _section(language: str) -> Link:
    return Link(f"{WORDS[language]['category']}:{WORDS[language]['poems']}")
