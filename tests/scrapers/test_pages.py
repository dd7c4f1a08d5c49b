"""Encodings of pages, declared or not, as browsers take them."""

import pytest
from scrapy.http import HtmlResponse

from scrapers.pages import as_browsers_read

TEXT = "“Mañana” será — ‘ñandú’"
PAGE = "<html><head>{}</head><body>" + TEXT + "</body></html>"
BOM = b"\xef\xbb\xbf"


def text_of(body, content_type=None):
    headers = {"Content-Type": content_type} if content_type else {}
    return as_browsers_read(HtmlResponse("https://poems.example/a", body=body, headers=headers)).css("body::text").get()


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8", "utf-16"])
@pytest.mark.parametrize("content_type", [None, "text/html", "text/html; charset=none"])
def test_an_undeclared_encoding_is_utf_8_or_windows_1252(encoding, content_type):
    assert text_of(PAGE.format("").encode(encoding), content_type) == TEXT


@pytest.mark.parametrize("head", ['<meta charset="klingon">', '<meta name="x" content="text/html">'])
def test_a_declaration_that_is_none_counts_as_none(head):
    assert text_of(PAGE.format(head).encode("cp1252")) == TEXT


@pytest.mark.parametrize("name", ["iso-8859-1", "latin1", "us-ascii", "windows-1252"])
def test_latin_1_is_windows_1252_however_it_is_declared(name):
    body = PAGE.format("").encode("cp1252")
    assert text_of(body, f"text/html; charset={name}") == TEXT
    assert text_of(PAGE.format(f'<meta charset="{name}">').encode("cp1252")) == TEXT
    http_equiv = f'<meta http-equiv="Content-Type" content="text/html; charset={name}">'
    assert text_of(PAGE.format(http_equiv).encode("cp1252")) == TEXT


def test_a_byte_order_mark_comes_before_the_header_and_the_header_before_the_page():
    assert text_of(BOM + PAGE.format("").encode(), "text/html; charset=ISO-8859-1") == TEXT
    assert text_of(PAGE.format('<meta charset="utf-8">').encode("cp1252"), "text/html; charset=windows-1252") == TEXT


def test_a_declaration_may_stand_late():
    head = f'<!--{"x" * 6000}--><meta charset="windows-1251">'
    body = PAGE.format(head).replace(TEXT, "Привет").encode("cp1251")
    assert text_of(body) == "Привет"


def test_an_element_that_says_utf_16_can_only_be_utf_8():
    assert text_of(PAGE.format('<meta charset="utf-16">').encode()) == TEXT


def test_bytes_that_are_wrong_or_in_no_encoding_stop_nothing():
    assert TEXT in text_of(PAGE.format("").encode("cp1252").replace(b"</body>", b"\x81\x00\x9d</body>"))
    assert TEXT in text_of(PAGE.format("").encode().replace(b"</body>", b"\xf1</body>"))


def test_the_end_of_a_break_is_a_break():
    page = as_browsers_read(HtmlResponse("https://poems.example/a", body=b"a</br>b<BR></BR>c<br/>d"))
    assert page.css("br").getall() == ["<br>"] * 3
