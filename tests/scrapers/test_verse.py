"""Verse out of HTML: whatever markup it stands in, the same lines and stanzas come out."""

import pytest
from hypothesis import given, settings
from parsel import Selector

from scrapers.verse import joined_verse, verse
from tests.support.verse_markup import LAMP, MARKUP, MARKUP_OF_LONG_STANZAS, long_stanzas, plain, poems


def text_in(html, left_out="script", lang="en"):
    page = Selector(f"<html lang='{lang}'><body><article><div>Before</div>{html}</article></body></html>")
    return verse(page.css("div + *")[0], left_out)


def lines_in(html, **options):
    return text_in(f"<div>{html}</div>", **options).replace("\n", "|")


@pytest.mark.parametrize("markup", MARKUP)
@settings(max_examples=30)
@given(stanzas=poems)
def test_a_poem_comes_out_of_any_markup_as_it_went_in(markup, stanzas):
    assert text_in(f"<div>{MARKUP[markup](stanzas)}</div>", left_out="style, script") == plain(stanzas)


@pytest.mark.parametrize("markup", MARKUP_OF_LONG_STANZAS)
@settings(max_examples=30)
@given(stanzas=long_stanzas)
def test_blocks_of_several_lines_are_stanzas(markup, stanzas):
    assert text_in(f"<div>{MARKUP_OF_LONG_STANZAS[markup](stanzas)}</div>") == plain(stanzas)


@pytest.mark.parametrize(
    ("html", "lines"),
    [
        ("<h1>Carter</h1>a<br>b<h5>Part two</h5>c", "Carter||a|b||Part two||c"),
        ("a <i>b </i> c<br>  d", "a b c|d"),
        ("a<br>&nbsp;<br><br>b", "a||b"),
        ("<p>a<br>b</p><p class='x'><br></p><p>c<br>d</p>", "a|b||c|d"),
        ("<div>a<br></div><div>b <br> c</div><div>d</div><div>e</div><div>f</div>", "a|b|c|d|e|f"),
        ("<dl><dd>a<dl><dd>b</dd></dl></dd><dd>c</dd></dl><dl><dd>d</dd></dl>", "a|b|c||d"),
        ("<p style='margin: 0'>a</p><p style='margin:0'>b</p>", "a|b"),
        ("CHAP.<span class='wst-gap' style='display:inline-block;inline-size:1em'></span>IX", "CHAP. IX"),
        ("<table><tr><td>a half and</td><td>the other half</td></tr></table>", "a half and the other half"),
        ("<table><tr><td>a<br>b<br><br>c</td><td>5<br>10</td></tr></table>", "a|b||c"),
        ("<a><div>a</div><div>b</div></a>", "a|b"),
        ("a<br>b<span><b><br></b></span>c", "a|b|c"),
        ("a<!-- note --><wbr>b", "ab"),
    ],
)
def test_lines_and_stanzas_are_those_that_a_reader_sees(html, lines):
    assert lines_in(html) == lines


def test_what_holds_only_things_left_out_makes_no_stanza():
    assert lines_in("<div>a</div><div><b class='x'>12</b></div><div>b</div>", left_out=".x") == "a|b"


@pytest.mark.parametrize(
    "style", ["display:none", "display: none !important", "visibility:hidden", "DISPLAY:NONE; color: red"]
)
def test_what_is_not_displayed_is_no_verse(style):
    assert lines_in(f"a<span style='{style}'>x</span><br>b") == "a|b"
    assert lines_in("a<span hidden>x</span><br>b") == "a|b"


def test_style_sheets_of_the_page_count_by_their_weight_and_the_style_attribute_more():
    sheet = "/* .a{display:none} */ .a{display:block} b.a, i.b {display:none} @media print {.c {display:none}}"
    html = f"<style>{sheet}</style>x<b class=a>y</b><i class=b style='display:inline'>z</i><u class=c>c</u><p:bad::q>"
    assert lines_in(html, left_out="style") == "xzc"


def test_a_style_sheet_that_is_none_stops_nothing():
    sheet = "}}{ .a:hover::before{display:none} [{display:none} .b{display:none} :is(x){display:block} @import 'x';"
    assert lines_in(f"<style>{sheet}</style>a<b class=a>b</b>", left_out="style") == "ab"


def test_line_breaks_count_where_an_element_around_the_poem_keeps_them():
    page = Selector("<pre><b>a\nb</b></pre><div style='white-space:pre-line'><section>c\nd</section></div>")
    assert verse(page.css("b")[0]) == "a\nb"
    assert verse(page.css("section")[0]) == "c\nd"


@pytest.mark.parametrize(
    "initial",
    [
        "<span class='dropinitial'>T</span>",
        "<span class='dropinitial'>T</span> ",
        "<span class='dropinitial'><i class='dropinitial-fl'></i><span class='dropinitial-initial'>T</span></span>",
        "<span class='dropinitial'><span typeof='mw:File'><img alt='T' src='t.png'></span></span>",
        "<span class='dropinitial'><img alt='Initial T.png' src='x.png'></span>",
        "<span class='drop-cap'><img alt='' src='//upload/60px-Dropcap_T.png'></span>",
        "<span class='floatleft'><img alt='Letra capital T' src='x.png'></span>",
        "<div class='floatleft'><a href='/wiki/File:T'><img alt='T' src='x.png'></a></div>",
        "<figure><a><img alt='Ornamental initial T with a bird' src='x.png'></a></figure>",
        "<span style='float:left; font-size:300%'>T</span>",
        "<div style='float: left'>T</div>\n",
    ],
)
def test_an_initial_stands_at_its_word(initial):
    lines = "|".join(LAMP[0])
    assert lines_in(f"{initial}he lamp is low, the ledger shut,<br>{'<br>'.join(LAMP[0][1:])}") == lines
    assert lines_in(f"{initial}<p>he lamp is low, the ledger shut,<br>{'<br>'.join(LAMP[0][1:])}</p>") == lines


@pytest.mark.parametrize(
    ("lang", "html", "line"),
    [
        ("en", "<span class=dropinitial>A</span> lamp is low", "A lamp is low"),
        ("en", "<span class=dropinitial>A</span>nd then", "And then"),
        ("en", "<span class=dropinitial>I</span> t rained", "It rained"),
        ("en", "<span class=dropinitial>Y</span> ou sleep", "You sleep"),
        ("es", "<span class=dropinitial>Y</span> una tarde", "Y una tarde"),
        ("es", "<span class=dropinitial>¡A</span>y, molino!", "¡Ay, molino!"),
        ("es", "“<span class=dropinitial>B</span> AJA la tarde", "“BAJA la tarde"),
        ("en", "<p class='has-drop-cap'>The lamp is low</p>", "The lamp is low"),
        ("en", "The lamp<img alt='A picture of a cart' src='cart.png'> is low", "The lamp is low"),
    ],
)
def test_an_initial_that_is_a_word_keeps_its_space(lang, html, line):
    assert lines_in(html, lang=lang) == line


def test_numbers_and_notes_that_float_beside_the_verse_are_no_verse():
    note = (
        "<span style='float:right'>5</span>",
        "<span style='position: absolute; left: -9em'>The carter sets out</span>",
    )
    html = "<br>".join(line + beside for line, beside in zip(LAMP[0], [*note, "", ""], strict=True))
    assert lines_in(html) == "|".join(LAMP[0])


@pytest.mark.parametrize("name", ["numeroPagina", "line-number", "lineno", "ws-poem-left-verse-num", "verso_num"])
def test_a_number_whose_class_says_so_is_no_verse(name):
    mark = f'<span class="{name}">[12]</span>'
    assert lines_in(f"{mark}The kettle sings<br>upon the hob{mark}") == "The kettle sings|upon the hob"
    assert lines_in(f'The <span class="{name}">twelfth</span> of May<br>at noon') == "The twelfth of May|at noon"


@pytest.mark.parametrize("mark", ["1", "<a href='#n1'>[1]</a>", "*", "†"])
def test_a_raised_mark_of_a_note_is_no_verse_and_other_raised_letters_are(mark):
    assert lines_in(f"The kettle<sup>{mark}</sup> sings<br>to D<sup>r</sup> Lee") == "The kettle sings|to Dr Lee"


def test_what_only_screen_readers_say_is_no_verse():
    html = '<div><span class="sr-only">The</span><span aria-hidden="true">The</span> kettle sings</div>'
    assert joined_verse(Selector(html).css("div")) == "The kettle sings"


def test_columns_that_float_are_the_poem_itself():
    columns = "".join(f"<div style='float:left'>{'<br>'.join(stanza)}</div>" for stanza in LAMP)
    assert text_in(f"<div>{columns}</div>") == plain(LAMP)


def test_blocks_inside_of_others_count_once_and_the_page_stays_as_it_is():
    page = Selector("<div class=p><div class=p>a<br>b<i>x</i></div></div><p class=p>c</p>")
    blocks = page.css(".p")
    assert joined_verse(blocks, "i") == joined_verse(blocks, "i") == "a\nb\n\nc"
    assert page.css("i")
    assert joined_verse([], "i") == ""
