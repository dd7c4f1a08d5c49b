import gzip
import json
from pathlib import Path

import pandas as pd
import pytest

from pipeline.common.params import FilesSource
from pipeline.common.stage import BadInput
from pipeline.common.tables import RAW_FIELDS
from pipeline.sources.files import read_files

SHARED_CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
LINES = "The crane swings over\nthe sleeping harbour"


def read(path, **values):
    return list(read_files(FilesSource(kind="files", path=str(path), **values), "mine"))


def fault(path, **values):
    with pytest.raises(BadInput) as caught:
        read(path, **values)
    return caught.value


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    content = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def jsonl(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_each_format_gives_the_same_poem(tmp_path, ending):
    table = pd.DataFrame({"text": [LINES], "title": ["Crane"]})
    contents = {
        "csv": table.to_csv(index=False).encode(),
        "jsonl": jsonl({"text": LINES, "title": "Crane"}).encode(),
        "parquet": table.to_parquet(),
        "txt": LINES.encode(),
    }
    for kind, content in contents.items():
        path = write(tmp_path / f"Crane.{kind}{ending}", content)
        [record] = read(path, columns={"title": "title"}, language="en", licence="CC0")
        assert list(record) == list(RAW_FIELDS)
        assert record == dict.fromkeys(RAW_FIELDS) | {
            "source": "mine",
            "url": f"Crane.{kind}{ending}#1",
            "title": "Crane",
            "licence": "CC0",
            "declared_language": "en",
            "text": LINES,
        }


def test_columns_are_mapped_and_a_rows_own_values_come_before_the_sources(tmp_path):
    row = {
        "Poem": LINES,
        "Poet": "Ida Marsh",
        "Lang": "es",
        "Rights": "CC BY",
        "Where": "https://example.org/1",
        "Form": "ode",
    }
    path = write(tmp_path / "poems.jsonl", jsonl(row))
    columns = {
        "text": "Poem",
        "author": "Poet",
        "language": "Lang",
        "licence": "Rights",
        "url": "Where",
        "style": "Form",
    }
    [record] = read(path, columns=columns, language="en", licence="CC0")
    assert record["author"] == "Ida Marsh"
    assert record["style"] == "ode"
    assert record["declared_language"] == "es"
    assert record["licence"] == "CC BY"
    assert record["url"] == "https://example.org/1"


def test_the_poetry_foundation_csv_keeps_its_cells_of_many_lines(tmp_path):
    header = ",Title,Poem,Poet,Tags\r\n"
    rows = (
        '0,"\r\r\n    Crane\r\r\n","\r\r\nThe crane, ""old""\r\r\nswings\r\r\n\r\r\nover\r\r\n",Ida,\r\n'
        '1,Two,"a\r\r\nb",Ida,x\r\n'
    )
    path = write(tmp_path / "PoetryFoundationData.csv", header + rows)
    first, second = read(path, columns={"text": "Poem", "title": "Title", "author": "Poet"})
    assert first["text"] == '\r\r\nThe crane, "old"\r\r\nswings\r\r\n\r\r\nover\r\r\n'
    assert first["title"].strip() == "Crane"
    assert second["url"] == "PoetryFoundationData.csv#2"


def test_a_csv_may_be_divided_by_semicolons(tmp_path):
    path = write(tmp_path / "poems.csv", "text;title\nuno, dos;Tres\n")
    assert read(path, columns={"title": "title"})[0]["text"] == "uno, dos"


def test_a_poem_longer_than_the_csv_modules_limit_is_read(tmp_path):
    path = write(tmp_path / "epic.csv", "text\n" + "a" * 200_000 + "\n")
    assert len(read(path)[0]["text"]) == 200_000


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path):
    path = write(tmp_path / "poems.csv", "\ufefftext\nLínea\n".encode())
    assert read(path)[0]["text"] == "Línea"


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16"])
def test_the_encoding_can_be_named(tmp_path, encoding):
    path = write(tmp_path / "poems.csv", "text\nel año —sí—\n".encode(encoding))
    assert read(path, encoding=encoding)[0]["text"] == "el año —sí—"


def test_a_list_of_lines_is_a_poem(tmp_path):
    path = write(tmp_path / "poetrydb.jsonl", jsonl({"lines": ["one", "", "two"]}))
    assert read(path, columns={"text": "lines"})[0]["text"] == "one\n\ntwo"


def test_half_a_character_becomes_a_lost_letter(tmp_path):
    path = write(tmp_path / "poems.jsonl", '{"text": "a\\ud83d b"}\n')
    assert read(path)[0]["text"] == "a\N{REPLACEMENT CHARACTER} b"


def test_a_folder_is_read_in_order_and_a_row_without_text_keeps_its_number(tmp_path):
    write(tmp_path / "b.jsonl", jsonl({"text": "x"}, {"text": None}, {"text": "z"}))
    write(tmp_path / "a" / "one.txt", "y")
    write(tmp_path / "notes.pdf", "no poem")
    records = read(tmp_path)
    assert [(record["url"], record["text"]) for record in records] == [
        ("a/one.txt#1", "y"),
        ("b.jsonl#1", "x"),
        ("b.jsonl#2", ""),
        ("b.jsonl#3", "z"),
    ]


def test_a_glob_tells_files_of_one_name_apart(tmp_path):
    write(tmp_path / "x" / "poem.txt", "1")
    write(tmp_path / "y" / "poem.txt", "2")
    write(tmp_path / "y" / "poem.md", "3")
    assert [record["url"] for record in read(tmp_path / "*" / "*.txt")] == ["x/poem.txt#1", "y/poem.txt#1"]


def test_no_matching_file_names_the_path(tmp_path):
    error = fault(tmp_path / "nothing-*.csv")
    assert error.place == "params.yaml: scrape.sources.mine.path"
    assert "nothing-*.csv" in error.problem


@pytest.mark.parametrize("kind", ["csv", "parquet", "jsonl"])
def test_a_missing_column_is_told_with_those_there_are(tmp_path, kind):
    table = pd.DataFrame({"Poem": ["x"], "Poet": ["y"]})
    content = {
        "csv": table.to_csv(index=False),
        "parquet": table.to_parquet(),
        "jsonl": table.to_json(lines=True, orient="records"),
    }
    path = write(tmp_path / f"poems.{kind}", content[kind])
    error = fault(path)
    assert error.place.startswith(str(path))
    assert error.problem == "no column 'text'; it has 'Poem', 'Poet'"
    assert "scrape.sources.mine.columns" in error.remedy


def test_invalid_utf_8_names_file_line_and_byte_and_the_remedy(tmp_path):
    path = write(tmp_path / "poems.csv", b"text\nfine\nel a\xf1o\n")
    error = fault(path)
    assert error.place == f"{path}: line 3"
    assert error.problem == "byte 0xf1 at offset 14 is not utf-8"
    assert "scrape.sources.mine.encoding" in error.remedy


def test_a_line_that_is_not_json_is_named(tmp_path):
    path = write(tmp_path / "poems.jsonl", '{"text": "x"}\n\n{"text": "y"\n')
    assert fault(path).place == f"{path}: line 3"
    path = write(tmp_path / "list.jsonl", '["x"]\n')
    assert fault(path).problem == "'[\"x\"]' is no JSON object"


def test_an_unknown_encoding_is_told(tmp_path):
    path = write(tmp_path / "poems.txt", "x")
    error = fault(path, encoding="utf-88")
    assert error.place == "params.yaml: scrape.sources.mine.encoding"
    assert "'utf-88'" in error.problem


@pytest.mark.parametrize("name", ["poems.csv", "poems.jsonl", "poem.txt", "poem.txt.gz"])
def test_an_empty_file_is_told(tmp_path, name):
    path = write(tmp_path / name, "")
    assert fault(path).place == str(path)
    assert "empty" in fault(path).problem


def test_a_csv_with_a_header_alone_is_empty(tmp_path):
    assert "empty" in fault(write(tmp_path / "poems.csv", "text\n")).problem


def test_an_unknown_ending_asks_for_the_format(tmp_path):
    path = write(tmp_path / "poems.data", jsonl({"text": "x"}))
    assert "scrape.sources.mine.format" in fault(path).remedy
    assert read(path, format="jsonl")[0]["text"] == "x"


def test_a_file_cut_short_is_told(tmp_path):
    path = write(tmp_path / "poems.txt.gz", "x" * 1000)
    path.write_bytes(path.read_bytes()[:-6])
    assert "not a whole gzip file" in fault(path).problem
    path = write(tmp_path / "poems.parquet", pd.DataFrame({"text": ["x"]}).to_parquet()[:-6])
    assert "not Parquet" in fault(path).problem


@pytest.mark.skipif(not SHARED_CORPUS.is_dir(), reason="the shared corpus is not beside the repository")
def test_the_whole_shared_corpus_is_read():
    records = read(SHARED_CORPUS / "*.jsonl.gz", columns={"title": "title", "author": "author", "language": "language"})
    assert len(records) == len({record["url"] for record in records}) == 23_128
