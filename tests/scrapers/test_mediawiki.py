"""Replicas of the shapes that pages of English and Spanish Wikisource have, and what is verse in them."""

import pytest
from scrapy.http import HtmlResponse, Request

from scrapers.spiders.wikisource import WikisourceSpider, works
from tests.support.verse_markup import LAMP, TARDE, plain

BREAK = "<br />\n"
PARAGRAPHS = "".join(f"<p>{BREAK.join(stanza)}\n</p>\n" for stanza in LAMP)
BREAKS = "<br /><br />".join(map(BREAK.join, LAMP))
POEM = f'<div class="poem">\n{PARAGRAPHS}</div>'


def visit(content, path="/wiki/Book/The_Carter", site="https://en.wikisource.org", lang="en"):
    """What the spider makes of a page with this content: its poems, and the pages without one."""
    body = f"""<html><body><h1 id="firstHeading"><span class="mw-page-title-main">Book/The Carter</span></h1>
    <div id="mw-content-text"><div class="mw-content-ltr mw-parser-output" lang="{lang}" dir="ltr">{content}</div></div>
    <div id="catlinks"><div id="mw-normal-catlinks"><ul><li><a>Poems</a></li></ul></div></div></body></html>"""
    spider = WikisourceSpider(source="ws", site=site, start=["/wiki/Category:P"], language="en", max_pages=9)
    found = list(spider.parse(HtmlResponse(site + path, body=body.encode(), encoding="utf-8")))
    return [poem for poem in found if not isinstance(poem, Request)], spider.without_poem


def text_of(content, **page):
    poems, _ = visit(content, **page)
    return poems[0]["text"] if poems else None


ES_HEADER = """<div id="headertemplate" class="noprint ws-noexport"><a href="/wiki/Libro">Libro</a></div>
<div id="ws-data" class="ws-noexport" style="display:none"><span class="ws-title">Libro</span>
<span class="ws-author">Ana <b>Ruiz</b></span><span class="ws-year">1912</span></div>"""
EN_HEADER = """<div class="wst-header ws-header ws-noexport noprint"><span id="header-title-text">Leaves</span>
<div class="header-notes"><div class="poem"><p>A verse<br>in the notes</p></div></div></div>
<div id="ws-data" class="ws-noexport" style="display:none;"><span id="ws-title">Leaves</span>
<span id="ws-author">Ida Vale</span><span id="ws-year">1855</span></div>"""
OLD_HEADER = """<table id="headertemplate"><tr><td><span id="header_title_text">Leaves</span> by
<span id="header_author_text">Ida Vale</span></td></tr></table><div class="header_notes">Set to music<br>twice.</div>"""
ES_POEM = '<div class="ws-poema">{}</div>'.format(
    "".join(
        f'<div class="ws-poema-estrofa">{"".join(f"<span class=ws-poema-line>{line}<br /></span>" for line in stanza)}'
        "</div>"
        for stanza in TARDE
    )
)


@pytest.mark.parametrize(
    ("header", "fields"),
    [
        (ES_HEADER, ("Ana Ruiz", "Libro", "1912")),
        (EN_HEADER, ("Ida Vale", "Leaves", "1855")),
        (OLD_HEADER, ("Ida Vale", "Leaves", None)),
        ('<span class="ws-author">Ana Ruiz</span>', ("Ana Ruiz", "Book", None)),
        ("", (None, "Book", None)),
    ],
)
def test_headers_of_both_languages_name_author_book_and_year(header, fields):
    [poem], _ = visit(header + POEM)
    assert (poem["author"], poem["collection"], poem["year"]) == fields
    assert (poem["title"], poem["text"]) == ("The Carter", plain(LAMP))


def test_the_spanish_poem_template_gives_stanzas_and_lines():
    [poem], _ = visit(f'{ES_HEADER}<div class="prp-pages-output" lang="es">{ES_POEM}</div>')
    assert (poem["text"], poem["declared_language"]) == (plain(TARDE), "es")


CONTAINERS = {
    "poem tag": POEM,
    "poem tag with a style and a class": f'<div style="margin: 1em" class="poem big">{PARAGRAPHS}</div>',
    "poem tag of Parsoid": f'<div class="poem" typeof="mw:Extension/poem">{PARAGRAPHS}</div>',
    "poem tag in a centred block": f'<div class="wst-block-center">{POEM}</div>',
    "verse and pre": f'<div class="verse"><pre>\n{plain(LAMP)}\n</pre></div>',
    "verse with breaks": f'<div class="verse">{BREAKS}</div>',
    "stanza": "".join(f'<div class="stanza">{BREAK.join(stanza)}</div>' for stanza in LAMP),
    "poem across pages of a scan": (
        f'<div class="poem"><p>{BREAK.join(LAMP[0])}\n</p></div><span class="pagenum ws-pagenum">12</span>'
        f'<div class="poem"><p>{BREAK.join(LAMP[1])}\n</p></div>'
    ),
    "ppoem": '<div class="ws-poem">{}</div>'.format(
        "".join(
            '<div class="ws-poem-stanza">{}</div>'.format(
                "".join(
                    f'<span class="ws-poem-line"><span class="ws-poem-indent">&#8195;</span>{line}'
                    '<span class="ws-poem-break"><br /></span></span>'
                    for line in stanza
                )
            )
            for stanza in LAMP
        )
    ),
    "block centre": f'<div class="wst-block-center">{PARAGRAPHS}</div>',
    "center": f"<center>{PARAGRAPHS}</center>",
    "center with breaks": f"<center>{BREAKS}</center>",
    "a center a stanza": "".join(f"<center>{BREAK.join(stanza)}</center>" for stanza in LAMP),
    "div align": f'<div align="center">{BREAKS}</div>',
    "div with text-align": f'<div style="text-align: center;">{BREAKS}</div>',
    "div with a margin": f'<div style="margin: 0 auto; width: 20em">{PARAGRAPHS}</div>',
    "indented div with breaks": f'<div style="margin-left: 4em">{BREAKS}</div>',
    "table of one cell": f'<table align="center"><tr><td>{PARAGRAPHS}</td></tr></table>',
    "table of lines": "<table>{}</table>".format(
        "<tr><td></td></tr>".join("".join(f"<tr><td>{line}</td></tr>" for line in stanza) for stanza in LAMP)
    ),
    "table of stanzas": "<table>{}</table>".format(
        "".join(f"<tr><td>{BREAK.join(stanza)}</td></tr>" for stanza in LAMP)
    ),
    "indents": "".join("<dl>{}</dl>".format("".join(f"<dd>{line}</dd>" for line in stanza)) for stanza in LAMP),
    "paragraphs": PARAGRAPHS,
    "paragraphs from scans": f'<div class="prp-pages-output" lang="en">{PARAGRAPHS}</div>',
    "pre": f"<pre>{plain(LAMP)}</pre>",
}


@pytest.mark.parametrize("shape", CONTAINERS)
def test_verse_is_found_in_every_container(shape):
    assert text_of(EN_HEADER + CONTAINERS[shape]).replace("\N{EM SPACE}", "") == plain(LAMP)


def test_numbers_of_parts_stay_and_titles_and_places_around_verse_without_poem_markup_go():
    content = f"<center>THE CARTER</center>{PARAGRAPHS}<center>II</center>{PARAGRAPHS}<p>Madrid, 1912.</p>"
    assert text_of(content) == f"{plain(LAMP)}\n\nII\n\n{plain(LAMP)}"


PROSE = f"<p>It was {'a long way and ' * 40}late.</p>"


@pytest.mark.parametrize(
    "content",
    [
        PROSE,
        f"<center>A PREFACE<br>to the<br>SECOND EDITION</center>{PROSE}",
        f"{PROSE * 3}<p>I am, sir, your most humble<br>and most obedient servant,<br>a carter of the county</p>",
        "<center>LEAVES<br>and other poems<br>by<br>Ida Vale<br>Boston<br>1855</center>",
        "<p>{}</p>".format("<br>".join(f'<a href="/w/{line}">{line}</a>' for line in LAMP[0])),
        "<center>BOOKS OF THE CARTER<br>AND OF THE CHALKY CUT<br>AND OF THE EVENING</center>",
    ],
)
def test_prose_title_pages_and_lists_of_links_are_no_poems(content):
    assert visit(content) == ([], ["/wiki/Book/The_Carter"])


BESIDE = [
    '<span class="wst-sidenote wst-sidenote-right"><span class="wst-sidenote-inner">The carter sets out.</span></span>',
    '<span class="left-sidenote">The carter</span>',
    '<span class="nota-al-margen">El carretero</span>',
    '<span style="float:right; font-size:80%">The carter sets out.</span>',
    '<span style="position:absolute; left:-8em">The carter sets out.</span>',
    "<aside>The carter</aside>",
    '<span class="pagenum ws-pagenum" id="12"><span class="pagenum-inner">12</span></span>',
    '<span class="numeropagina">[p. 12]</span>',
    '<span class="wst-pline">5</span>',
    '<span class="numeroverso">5</span>',
    '<span class="ws-poem-versenum">5 </span>',
    '<span class="wst-verse wst-verse-default" id="10:41"><sup>41</sup></span>',
    '<span class="wst-floatright"><span title="(3)">(3)</span></span>',
    '<span style="float: right">5</span>',
    '<sup id="cite_ref-1" class="reference"><a href="#cite_note-1">[1]</a></sup>',
    '<sup class="mw-ref reference"><a href="./Book#cite_note-1">[1]</a></sup>',
    '<span style="display:none">hidden</span>',
    "<span hidden>hidden</span>",
    '<style>.mw-parser-output .secret{display:none}</style><span class="secret">hidden</span>',
    '<span class="mw-editsection">[edit]</span>',
    '<span class="ws-noexport noprint">edit</span>',
    '<link rel="mw-deduplicated-inline-style" href="mw-data:TemplateStyles:r1"/>',
]


@pytest.mark.parametrize("beside", BESIDE)
@pytest.mark.parametrize("place", range(len(LAMP[0])))
def test_notes_numbers_and_what_is_hidden_are_left_out_wherever_they_stand(beside, place):
    for before, after in ((beside, ""), ("", beside)):
        lines = [f"{before}{line}{after}" if index == place else line for index, line in enumerate(LAMP[0])]
        assert text_of(f'<div class="poem"><p>{BREAK.join(lines)}\n</p></div>') == "\n".join(LAMP[0])


QUOTED = '<div class="poem"><p>another verse<br />quoted in a note</p></div>'


@pytest.mark.parametrize(
    "around",
    [
        '<ol class="references"><li><span class="reference-text">Cf. {}</span></li></ol>',
        '<div class="mw-references-wrap"><ol><li>{}</li></ol></div>',
        '<div class="reflist">{}</div>',
        '<div class="ws-noexport">{}</div>',
        '<div class="noprint">{}</div>',
        '<div class="wst-header">{}</div>',
        '<div style="display: none">{}</div>',
        '<div class="licenseContainer">{}</div>',
        "<aside>{}</aside>",
        '<div class="footnotes"><p>{}</p></div>',
    ],
)
def test_verse_in_notes_headers_and_hidden_blocks_is_no_part_of_the_poem(around):
    quoted = around.format(QUOTED)
    assert text_of(POEM + quoted) == text_of(quoted + POEM) == plain(LAMP)


@pytest.mark.parametrize("heading", ["Notes", "Footnotes", "Notas", "Referencias", "Notas del editor"])
def test_verse_below_a_heading_of_notes_is_none_until_the_next_heading(heading):
    notes = f'<div class="mw-heading"><h2 id="N">{heading}</h2></div>{QUOTED}'
    assert text_of(POEM + notes) == plain(LAMP)
    assert text_of(f"{notes}<h2>The Carter</h2>{POEM}") == plain(LAMP)


def test_a_block_with_room_for_side_notes_is_verse():
    assert text_of(f'<div class="sidenotes-L">{POEM}</div>') == plain(LAMP)


INITIALS = [
    '<span class="dropinitial"><span class="dropinitial-initial">{}</span></span>',
    '<span class="dropinitial drop-initial-image"><span typeof="mw:File"><img alt="{}" src="i.png" /></span></span>',
    '<span style="float:left; font-size:300%; line-height:1">{}</span>',
    '<div class="floatleft"><a href="/wiki/File:I.png"><img alt="Initial {}.png" src="i.png" /></a></div>',
]


@pytest.mark.parametrize("initial", INITIALS)
@pytest.mark.parametrize("space", ["", " ", "\n"])
@pytest.mark.parametrize("stanzas", [LAMP, TARDE])
def test_drop_initials_stand_at_their_word(initial, space, stanzas):
    first = initial.format(stanzas[0][0][0]) + space + stanzas[0][0][1:]
    content = f'<div class="poem"><p>{BREAK.join([first, *stanzas[0][1:]])}\n</p></div>'
    assert text_of(content, lang="es" if stanzas is TARDE else "en") == "\n".join(stanzas[0])


def test_the_language_is_that_of_the_verse():
    [poem], _ = visit(f'<div class="poem" lang="es-ES"><p>{BREAK.join(TARDE[0])}</p></div>')
    assert poem["declared_language"] == "es"


NAMESPACES = """Special Talk User User_talk Wikisource Wikisource_talk File File_talk MediaWiki_talk Template Help
Template_talk Category_talk Portal_talk Author Author_talk Page Page_talk Index Index_talk Module_talk Especial
Discusión Usuario Usuaria Usuario_discusión Usuaria_discusión Wikisource_discusión Archivo Archivo_discusión Plantilla
Plantilla_discusión Ayuda Ayuda_discusión Categoría_discusión Portal_discusión Autor Autor_discusión Página
Página_discusión Índice Índice_discusión Módulo_discusión usuario_discusión"""


@pytest.mark.parametrize("name", NAMESPACES.split())
def test_pages_about_works_are_not_followed_in_either_language(name):
    assert works([f"/wiki/{name}:Ana"]) == []


def test_works_and_categories_are_followed_whatever_word_they_begin_with():
    links = ["/wiki/Usuario", "/wiki/Discusión_de_amor:_soneto", "/wiki/Categoría:Odas", "/wiki/Pageant:_an_ode"]
    assert works(links) == links
