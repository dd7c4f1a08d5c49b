"""JSON in the shapes in which people keep poems: lines, arrays, objects of objects, what pandas writes."""

import json

import pandas as pd
import pytest

from tests.support.sources import fault, jsonl, read, texts, write

TABLE = pd.DataFrame({"title": ["Crane", "Gate"], "text": ["one\ntwo", "three"]})


def titled(path, **values):
    return [(record["title"], record["text"]) for record in read(path, columns={"title": "title"}, **values)]


@pytest.mark.parametrize("ending", ["json", "jsonl", "ndjson", "json.gz"])
@pytest.mark.parametrize("indent", [None, 2])
def test_an_array_of_objects_is_read_whatever_the_ending(tmp_path, ending, indent):
    path = write(tmp_path / f"poems.{ending}", json.dumps(TABLE.to_dict("records"), indent=indent))
    assert titled(path) == [("Crane", "one\ntwo"), ("Gate", "three")]


def test_json_lines_may_be_called_json(tmp_path):
    assert texts(write(tmp_path / "poems.json", jsonl({"text": "one"}, {"text": "two"}))) == ["one", "two"]


def test_a_line_may_be_an_array_of_poems(tmp_path):
    path = write(tmp_path / "poems.jsonl", '[{"text": "a"}, {"text": "b"}]\n[{"text": "c"}]\n')
    assert texts(path) == ["a", "b", "c"]
    path = write(tmp_path / "poems.jsonl", '{"text": "a"}\n[{"text": "b"}]\n')
    assert texts(path) == ["a", "b"]


@pytest.mark.parametrize("orient", ["records", "index", "columns", "split"])
def test_what_pandas_writes_is_read(tmp_path, orient):
    path = write(tmp_path / "poems.json", TABLE.to_json(orient=orient))
    assert titled(path) == [("Crane", "one\ntwo"), ("Gate", "three")]


def test_columns_may_be_lists(tmp_path):
    path = write(tmp_path / "poems.json", json.dumps(TABLE.to_dict("list")))
    assert titled(path) == [("Crane", "one\ntwo"), ("Gate", "three")]


def test_the_keys_of_an_object_of_poems_are_a_column(tmp_path):
    path = write(tmp_path / "poems.json", '{\n"Crane": {"text": "one", "by": "Ida"},\n"Gate": {"text": "two"}}')
    records = read(path, columns={"title": "key", "author": "by"})
    assert [(record["title"], record["author"]) for record in records] == [("Crane", "Ida"), ("Gate", None)]


def test_a_list_of_poems_may_lie_under_one_key(tmp_path):
    path = write(tmp_path / "poems.json", json.dumps({"version": 2, "poems": [{"text": "a"}, {"text": "b"}]}))
    assert texts(path) == ["a", "b"]


def test_poems_may_lie_under_their_author(tmp_path):
    authors = [
        {"author": "Ida", "poems": [{"title": "A", "text": "one"}, {"title": "B", "text": "two"}]},
        {"author": "Ana", "poems": [{"title": "C", "text": "three", "author": "Ana Ruiz"}]},
    ]
    for content in (json.dumps(authors), jsonl(*authors)):
        path = write(tmp_path / "poems.json", content)
        records = read(path, columns={"title": "title", "author": "author"})
        found = [(record["title"], record["author"], record["text"]) for record in records]
        assert found == [("A", "Ida", "one"), ("B", "Ida", "two"), ("C", "Ana Ruiz", "three")]


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize(
    ("document", "author"),
    [
        ({"author": "Ida", "poems": [{"text": "one"}, {"text": "two"}]}, "author"),
        ({"author": {"name": "Ida"}, "poems": [{"text": "one"}, {"text": "two"}]}, "author.name"),
        ({"authors": [{"author": "Ida", "poems": [{"text": "one"}, {"text": "two"}]}]}, "author"),
        ({"Ida": {"born": 1801, "poems": [{"text": "one"}, {"text": "two"}]}, "Ana": {"text": "three"}}, "key"),
        ({"Ida": [{"text": "one"}, {"text": "two"}], "Ana": [{"text": "three"}]}, "key"),
    ],
    ids=["list", "object", "list of lists", "by key", "lists by key"],
)
def test_poems_of_one_document_may_lie_under_their_author(tmp_path, document, author, indent):
    path = write(tmp_path / "poems.json", json.dumps(document, indent=indent))
    found = [(record["author"], record["text"]) for record in read(path, columns={"author": author})]
    assert found == [("Ida", "one"), ("Ida", "two"), ("Ana", "three")][: 3 if author == "key" else 2]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ('{"text": "a"}\n{"text": "b", "text": "c"}\n', 2),
        ('[\n{"text": "a"},\n{"text": "b",\n"text": "c"}\n]', 3),
        ('{"text": "a", "text": "b"}', 1),
        ('{"meta": {"text": 1, "text": 2}, "text": "a"}', 1),
    ],
    ids=["lines", "array", "one object", "nested"],
)
def test_a_key_that_stands_twice_in_an_object_is_named(tmp_path, content, line):
    path = write(tmp_path / "poems.json", content)
    error = fault(path)
    assert error.place == f"{path}: line {line}"
    assert "the key 'text' stands twice in an object" in error.problem


def test_an_object_may_hold_verse_by_title(tmp_path):
    path = write(tmp_path / "poems.json", json.dumps({"Crane": "one\ntwo", "Gate": ["three", "four"]}))
    found = [(record["title"], record["text"]) for record in read(path, columns={"title": "key"})]
    assert found == [("Crane", "one\ntwo"), ("Gate", "three\nfour")]


def test_wrappings_are_taken_off(tmp_path):
    path = write(tmp_path / "poems.json", json.dumps({"data": {"poems": [{"text": "a"}, {"text": "b"}]}}))
    assert texts(path) == ["a", "b"]


@pytest.mark.parametrize("indent", [None, 2])
def test_one_object_is_one_poem(tmp_path, indent):
    path = write(tmp_path / "crane.json", json.dumps({"title": "Crane", "text": ["one", "two"]}, indent=indent))
    assert titled(path) == [("Crane", "one\ntwo")]


def test_one_object_with_stanzas_is_one_poem(tmp_path):
    path = write(tmp_path / "crane.json", json.dumps({"title": "Crane", "text": [["one", "two"], ["three"]]}))
    assert texts(path) == ["one\ntwo\n\nthree"]


def test_objects_over_several_lines_may_follow_each_other(tmp_path):
    path = write(tmp_path / "poems.json", '{\n "text": "a"\n}\n{\n "text": "b"\n}\n')
    assert texts(path) == ["a", "b"]


def test_a_dotted_column_reaches_into_nested_objects(tmp_path):
    rows = [{"poem": {"text": "a", "meta": {"title": "A"}}, "x.y": "z"}, {"poem": {"text": None}}, {"poem": None}]
    for content in (jsonl(*rows), json.dumps(rows)):
        path = write(tmp_path / "poems.json", content)
        columns = {"text": "poem.text", "title": "poem.meta.title", "style": "x.y"}
        records = read(path, columns=columns)
        assert [(record["text"], record["title"], record["style"]) for record in records] == [
            ("a", "A", "z"),
            ("", None, None),
            ("", None, None),
        ]
    error = fault(path, columns={"text": "poem.words"})
    assert error.problem == "no column 'poem.words'; it has 'poem.text', 'poem.meta.title', 'x.y'"


def test_an_array_longer_than_what_is_read_at_once(tmp_path):
    rows = [{"text": f"{number} " + "verse " * (40_000 if number == 3 else 50)} for number in range(2000)]
    path = write(tmp_path / "poems.json", json.dumps(rows))
    assert texts(path) == [row["text"] for row in rows]


def test_a_fault_in_an_array_is_named_by_its_line(tmp_path):
    path = write(tmp_path / "poems.json", '[\n{"text": "a"},\n{"text": "b",}\n]')
    error = fault(path)
    assert error.place == f"{path}: line 3"
    assert "not JSON" in error.problem
    path = write(tmp_path / "poems.json", '[\n{"text": "a"},\n{"text": "b"}\n')
    assert "the array does not end" in fault(path).problem
    path = write(tmp_path / "poems.json", '[\n{"text": "a"},\n{"words": "b"}\n]')
    assert fault(path).place == f"{path}: line 3"
    assert fault(path).problem == "no column 'text'; it has 'words'"


@pytest.mark.parametrize("content", ["[" * 100_000, '{"text": ' + "9" * 5000 + "}", "[1]", "nonsense", '"text"', "{}"])
def test_what_is_no_table_is_refused(tmp_path, content):
    path = write(tmp_path / "poems.json", content)
    assert fault(path).place == f"{path}: line 1"
    path = write(tmp_path / "poems.jsonl", f'{{"text": "a"}}\n{content}\n')
    assert fault(path).place == f"{path}: line 2"
