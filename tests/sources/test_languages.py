"""Languages as tables name them."""

import pytest

from pipeline.sources.languages import language_code
from tests.support.sources import fault, jsonl, read, write


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("en", ["en", "EN", "English", "english ", "en-US", "en_GB", "eng", "inglés", "ingles", "English (UK)"]),
        ("es", ["es", "ES", "Spanish", "español", "Español", "espanol", "es_MX", "es-419", "spa", "Castellano"]),
        ("fr", ["French", "français", "fre", "fra"]),
        ("pt", ["Portuguese", "pt-BR", "português"]),
        ("la", ["Latin", "latín"]),
        ("sco", ["sco", "Scots"]),
        ("osp", ["osp"]),
        ("sw", ["sw"]),
        (None, ["unknown", "und"]),
    ],
)
def test_a_language_is_known_by_its_codes_and_names(code, names):
    assert [language_code(name) for name in names] == [code] * len(names)


@pytest.mark.parametrize("name", ["Klingonese", "xx", "xyz", "English and Spanish", "en/es", "1898", "-"])
def test_an_unknown_name_is_no_language(name):
    with pytest.raises(ValueError, match=name):
        language_code(name)


def test_an_unknown_name_in_a_file_is_an_error_that_shows_it(tmp_path):
    path = write(tmp_path / "poems.jsonl", jsonl({"text": "x", "in": "Spanish"}, {"text": "y", "in": "Klingonese"}))
    error = fault(path, columns={"language": "in"})
    assert error.place == "poems.jsonl#2"
    assert error.problem == "column 'in' holds 'Klingonese', a language of no known name"


def test_a_row_without_a_language_has_the_sources(tmp_path):
    path = write(tmp_path / "poems.jsonl", jsonl({"text": "x", "in": "español"}, {"text": "y", "in": "N/A"}))
    found = read(path, columns={"language": "in"}, language="en")
    assert [record["declared_language"] for record in found] == ["es", "en"]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("Spanish; Castilian", "es"),
        ("en_GB.UTF-8", "en"),
        ("British English", "en"),
        ("Early Modern English", "en"),
        ("English language", "en"),
        ("Español de México", "es"),
        ("Lengua española", "es"),
        ("lang:es", "es"),
        ("Irish", "ga"),
        ("anglais", "en"),
    ],
)
def test_names_that_say_more_than_the_language(name, code):
    assert language_code(name) == code


@pytest.mark.parametrize("name", ["en,es", "English/Spanish", "Middle English", "Klingon", "us"])
def test_names_of_several_languages_or_of_none_are_refused(name):
    with pytest.raises(ValueError, match=name):
        language_code(name)
