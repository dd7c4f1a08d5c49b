"""Encodings: found where the file shows them, and named where the one in params does not fit."""

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.sources.encodings import find_encoding, fitting_encoding
from tests.support.sources import fault, read, texts, write

VERSE = "Baja la tarde despacio\npor la orilla del año,\n—¡ay!— y se lleva «el sí»\nlo que no dijo el “camino”.\n"


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path):
    path = write(tmp_path / "poems.csv", "\ufefftext\nLínea\n".encode())
    assert read(path)[0]["text"] == "Línea"
    assert read(path, encoding="cp1252")[0]["text"] == "Línea"


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16"])
def test_the_encoding_can_be_named(tmp_path, encoding):
    path = write(tmp_path / "poems.csv", "text\nel año —sí—\n".encode(encoding))
    assert read(path, encoding=encoding)[0]["text"] == "el año —sí—"


@pytest.mark.parametrize("declared", ["utf-8", "cp1252", "utf-16"])
@pytest.mark.parametrize("mark", [True, False])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_is_recognised_with_and_without_its_mark(tmp_path, encoding, mark, declared):
    start = {"utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE}[encoding] if mark else b""
    assert texts(write(tmp_path / "a.txt", start + VERSE.encode(encoding)), encoding=declared) == [VERSE]
    quoted = f'sep=;\r\n"title";"text"\r\nUno;"{VERSE}"\r\n'
    assert texts(write(tmp_path / "a.csv", start + quoted.encode(encoding)), encoding=declared) == [VERSE]


def test_invalid_utf_8_names_file_line_and_byte_and_the_encoding_that_fits(tmp_path):
    path = write(tmp_path / "poems.csv", b"text\nfine\nel a\xf1o\n")
    error = fault(path)
    assert error.place == f"{path}: line 3"
    assert error.problem == "byte 0xf1 at offset 14 is not utf-8"
    assert error.remedy == "Set params.yaml: scrape.sources.mine.encoding to cp1252, which fits"
    assert texts(path, encoding="cp1252") == ["fine", "el año"]


@pytest.mark.parametrize("encoding", ["cp1252", "mac_roman", "utf-8"])
def test_the_encoding_that_fits_is_found(encoding):
    assert fitting_encoding(VERSE.encode(encoding)) == encoding


def test_a_euro_sign_tells_latin_9_from_windows():
    assert fitting_encoding("el año, 5 €".encode("iso8859-15")) == "iso8859-15"


def test_an_old_dos_file_is_told_from_windows():
    assert fitting_encoding("corazón, año, mañana, allá, ¿qué?".encode("cp850")) == "cp850"


def test_a_file_of_several_encodings_fits_none(tmp_path):
    path = write(tmp_path / "poems.csv", "text\nel año\n".encode() + b"el a\xf1o\n")
    error = fault(path)
    assert error.place == f"{path}: line 3"
    assert "No encoding fits" in error.remedy
    assert fitting_encoding("Как тихо".encode("cp1251")) is None


def test_what_is_no_text_is_named(tmp_path):
    assert fault(write(tmp_path / "a.txt", bytes(range(16)) * 9)).problem == "the file is binary, not text"
    assert fault(write(tmp_path / "b.csv", b"%PDF-1.4 verse")).problem == "the file is a PDF, not text"


@pytest.mark.parametrize("encoding", ["utf-88", "hex", "rot13", "\0", ""])
def test_an_unknown_encoding_is_refused(tmp_path, encoding):
    path = write(tmp_path / "poems.txt", "x")
    error = fault(path, encoding=encoding)
    assert error.place == "params.yaml: scrape.sources.mine.encoding"
    assert repr(encoding) in error.problem


@given(text=st.text(st.sampled_from("abc áéñ\n,“”¿日"), min_size=40), mark=st.booleans())
def test_utf_8_is_never_taken_for_another(text, mark):
    content = text.encode("utf-8-sig" if mark else "utf-8")
    assert find_encoding(content, "utf-8").startswith("utf-8")
    assert fitting_encoding(content) == "utf-8"
