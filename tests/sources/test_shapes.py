"""Cells as text."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.sources.shapes import UnknownShape, field_of, text_of
from tests.support.sources import fault, jsonl, read, texts, write

LINES = ['It\'s late, the "lamp" is low,', "", "el año [se] va,", "a\\b"]


def test_lists_are_lines_and_lists_of_lists_stanzas():
    assert text_of(["one", "", "two"]) == "one\n\ntwo"
    assert text_of(["one\n", None, "two\n"]) == "one\n\ntwo"
    assert text_of([["one", "two"], ["three"]]) == "one\ntwo\n\nthree"
    assert text_of([[["one"], ["two"]], [["three", "four"]]]) == "one\n\ntwo\n\nthree\nfour"
    assert text_of(["one\ntwo", "three\nfour"]) == "one\ntwo\n\nthree\nfour"  # stanzas, as their breaks show
    assert text_of([]) is None


@pytest.mark.parametrize(
    "written",
    [
        str(LINES),
        str(np.array(LINES)),
        str(np.array(LINES, dtype=object)),
        repr(np.array(LINES)),
        str(list(np.array(LINES))),
        str(tuple(LINES)),
        '["It\'s late, the \\"lamp\\" is low,", "", "el a\\u00f1o [se] va,", "a\\\\b"]',
    ],
    ids=["python", "numpy", "numpy objects", "numpy repr", "list of numpy", "tuple", "json"],
)
def test_a_list_written_as_text_is_a_list(written):
    assert text_of(written) == "\n".join(LINES)
    assert text_of(f" {written}\n") == "\n".join(LINES)


def test_stanzas_written_as_text_are_stanzas():
    assert text_of("[['one', 'two'], ['three']]") == "one\ntwo\n\nthree"
    assert text_of("[array(['one', 'two'], dtype=object)\n array(['three'], dtype=object)]") == "one\ntwo\n\nthree"


def test_stanzas_of_a_single_line_are_stanzas():
    assert text_of([["one"], ["two", "three"], ["four"]]) == "one\n\ntwo\nthree\n\nfour"
    assert text_of('[["one"], ["two"]]') == "one\n\ntwo"


def test_an_array_of_postgres_is_a_list():
    assert text_of('{"The lamp, low,",waits,NULL,"","and waits"}') == "The lamp, low,\nwaits\n\n\nand waits"
    assert text_of(' {"She said \\"no\\"","a\\\\b"}\n') == 'She said "no"\na\\b'


def test_a_vector_of_r_is_a_list():
    assert text_of(r'c("The lamp, \"low,\"", NA, "waits")') == 'The lamp, "low,"\n\nwaits'
    assert text_of('list(c("one", "two"), c("three"))') == "one\ntwo\n\nthree"


@pytest.mark.parametrize("verse", ["{the kettle}", '{"the kettle" sings}', 'c("the kettle', "c(o)me in", "list(en)"])
def test_verse_that_begins_like_an_array_stays(verse):
    assert text_of(verse) == verse


@given(lines=st.lists(st.text(st.characters(codec="utf-8"), max_size=30), min_size=1))
def test_any_list_of_strings_survives_being_written_by_python(lines):
    assert text_of(str(lines)) == text_of(lines)


@pytest.mark.parametrize(
    "verse",
    [
        "[Untitled]",
        "(Untitled)",
        "[1]\nThe lamp",
        "['tis late]",
        "[It is late,",
        "['a', b]",
        "[['a'], 1]",
        "[a]['b']",
        "[",
        "]",
        "[]]",
    ],
)
def test_verse_in_brackets_is_no_list(verse):
    assert text_of(verse) == verse


def test_a_title_in_brackets_stays_as_it_is(tmp_path):
    path = write(
        tmp_path / "poems.jsonl", jsonl({"text": "x", "title": "['Tis late]"}, {"text": "x", "title": "['A']"})
    )
    assert [record["title"] for record in read(path, columns={"title": "title"})] == ["['Tis late]", "['A']"]


def test_bytes_are_decoded():
    assert text_of("el año\nva".encode()) == "el año\nva"
    assert text_of("b'el a\\xc3\\xb1o\\nva'") == "el año\nva"
    assert text_of([b"one", b"two"]) == "one\ntwo"
    assert field_of(b"Ida") == "Ida"
    with pytest.raises(UnknownShape, match="not UTF-8"):
        text_of(b"el a\xf1o")


MISSING = ["NaN", "nan", "None", "N/A", "n/a", "null", "NULL", "<NA>", "NA", " NaN ", "", " \n", float("nan"), None]


@pytest.mark.parametrize("missing", MISSING)
def test_what_says_that_nothing_is_there_is_nothing(missing):
    assert text_of(missing) is None
    assert field_of(missing) is None


@pytest.mark.parametrize("missing", ["-", "–", "—", "?", " ? "])
def test_a_sign_alone_is_no_field_but_may_be_verse(missing):
    assert field_of(missing) is None
    assert text_of(missing) == missing
    assert field_of(f"{missing}Where{missing}") == f"{missing}Where{missing}"


def test_words_that_only_look_like_it_stay():
    assert [field_of(name) for name in ("Nan Shepherd", "None but he", "Na", "Nulla dies")] == [
        "Nan Shepherd",
        "None but he",
        "Na",
        "Nulla dies",
    ]


def test_missing_cells_of_a_file_are_empty(tmp_path):
    path = write(tmp_path / "poems.csv", "title,text,author\nNaN,one,None\nCrane,NaN,Ida\n")
    records = read(path, columns={"title": "title", "author": "author"})
    assert [(record["title"], record["author"], record["text"]) for record in records] == [
        (None, None, "one"),
        ("Crane", "Ida", ""),
    ]
    path = write(tmp_path / "poems.jsonl", '{"text": NaN, "title": NaN}\n{"text": "x", "title": null}\n')
    assert [(record["title"], record["text"]) for record in read(path, columns={"title": "title"})] == [
        (None, ""),
        (None, "x"),
    ]


def test_what_excel_writes_for_a_carriage_return_goes():
    assert text_of("one_x000D_\ntwo_x000D_\r\nthree_x000d_") == "one\ntwo\r\nthree"
    assert text_of("one_x000D_two_x000A_three") == "one\ntwo\nthree"
    assert field_of("Crane_x000D_") == "Crane"


def test_half_a_character_becomes_a_lost_letter(tmp_path):
    path = write(tmp_path / "poems.jsonl", '{"text": "a\\ud83d b"}\n')
    assert read(path)[0]["text"] == "a\N{REPLACEMENT CHARACTER} b"


def test_a_list_of_lines_is_a_poem(tmp_path):
    path = write(tmp_path / "poetrydb.jsonl", jsonl({"lines": ["one", "", "two"]}))
    assert texts(path, columns={"text": "lines"}) == ["one\n\ntwo"]


def test_fields_of_one_line_are_plain():
    assert field_of(["Ann Lee", None, "Ida"]) == "Ann Lee, Ida"
    assert field_of(1898.0) == "1898"
    assert field_of(1898) == "1898"


@pytest.mark.parametrize("value", [{"n": 1}, [{"n": 1, "line": "one"}], [[[[[["deep"]]]]]]])
def test_any_other_shape_is_an_error_that_names_row_and_column(tmp_path, value):
    path = write(tmp_path / "poems.jsonl", jsonl({"text": "fine"}, {"text": value}))
    error = fault(path)
    assert error.place == "poems.jsonl#2"
    assert error.problem.startswith("column 'text' holds ")
    assert "scrape.sources.mine.columns" in error.remedy


@pytest.mark.parametrize("write", [repr, json.dumps])
def test_a_string_written_as_python_or_json_writes_it_is_that_string(write):
    poem = "El cántaro canta:\n«agua, agua»,\ny la tarde calla."
    assert text_of(write(poem)) == poem


@pytest.mark.parametrize(
    "verse", ["'Agua, agua'", '"Water," she said,\n"and bread."', "{the kettle}", "[untitled] ... [again]"]
)
def test_verse_in_quotes_and_brackets_is_no_such_string(verse):
    assert text_of(verse) == verse


@pytest.mark.parametrize(
    "text", ["['a line' 'b line' ... 'y line']", "['a', 'b', ..., 'z']", "{'lines': ['a', 'b']}", '{"a": 1}']
)
def test_a_list_that_numpy_cut_short_and_an_object_are_errors(text):
    with pytest.raises(UnknownShape):
        text_of(text)
