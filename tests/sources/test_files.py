import gzip
import json
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from pipeline.common.tables import RAW_FIELDS
from tests.support.sources import fault, jsonl, read, texts, write

SHARED_CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
LINES = "The crane swings over\nthe sleeping harbour"


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


def zipped(path, **files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def test_a_zip_archive_stands_for_the_files_in_it(tmp_path):
    files = {
        "poems/b.csv": "text\nb\n",
        "poems/a.json": '[{"text": "a"}]',
        "c.txt": "c",
        "d.parquet": pd.DataFrame({"text": ["d"]}).to_parquet(),
        "__MACOSX/._c.txt": "\0\5",
        "notes.pdf": "no poem",
    }
    skipped = []
    path = zipped(tmp_path / "kaggle.zip", **files)
    records = read(path, skip=lambda *told: skipped.append(told))
    assert {record["url"]: record["text"] for record in records} == {
        "kaggle.zip/c.txt#1": "c",
        "kaggle.zip/d.parquet#1": "d",
        "kaggle.zip/poems/a.json#1": "a",
        "kaggle.zip/poems/b.csv#1": "b",
    }
    assert skipped == [("kaggle.zip/notes.pdf", "a book, which is not read")]
    write(tmp_path / "folder" / "a.txt", "first")
    path.rename(tmp_path / "folder" / "kaggle.zip")
    assert [record["text"] for record in read(tmp_path / "folder")] == ["first", "c", "d", "a", "b"]


def test_a_damaged_archive_is_named(tmp_path):
    path = zipped(tmp_path / "poems.zip", **{"poems.csv": "text\n" + "verse after verse\n" * 100})
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    assert "not a whole zip archive" in fault(path).problem
    path.write_bytes(whole[:50] + b"\xff\xff\xff" + whole[53:])
    assert "not a whole zip archive" in fault(path).problem
    assert fault(path).place == f"{path}: poems.csv"


def test_hidden_and_system_files_are_left_out(tmp_path):
    for name in ["._Carter.txt", ".ipynb_checkpoints/Carter.txt", "__MACOSX/x.csv", "~$b.csv", "a/.git/c.json"]:
        write(tmp_path / name, b"\0\1\2")
    write(tmp_path / "Carter.txt", LINES)
    assert texts(tmp_path) == texts(tmp_path / "**" / "*") == [LINES]


def test_a_folder_names_the_files_that_it_leaves_out_and_why(tmp_path):
    write(tmp_path / "Carter.txt", LINES)
    write(tmp_path / "License.txt", "I have a license\nto sing at night\nand none to sleep")
    write(tmp_path / "README.md", "# Poems")
    write(tmp_path / "mit.txt", "Permission is hereby granted, free of charge, to any person")
    write(tmp_path / "packages.txt", "numpy==1.26\npandas>=2\nscrapy\n")
    write(tmp_path / "links.txt", "https://example.org/1\nhttps://example.org/2\nwww.example.org\n")
    write(tmp_path / "book.xlsx", b"PK")
    write(tmp_path / "empty.txt", "")
    write(tmp_path / "notes", "x")
    skipped = {}
    assert [record["title"] for record in read(tmp_path, skip=skipped.__setitem__)] == ["Carter"]
    assert skipped == {
        "License.txt": "a licence, by its name",
        "README.md": "a readme, by its name",
        "book.xlsx": "an Excel workbook, which is not read",
        "empty.txt": "empty",
        "links.txt": "a list of addresses",
        "mit.txt": "a licence, by its words",
        "notes": "its name has no ending",
        "packages.txt": "a list of packages",
    }
    assert read(tmp_path / "License.txt")[0]["title"] == "License"  # the file that you name is read


def test_a_folder_without_anything_to_read_says_what_is_in_it(tmp_path):
    write(tmp_path / "book.xlsx", b"PK")
    error = fault(tmp_path)
    assert error.place == "params.yaml: scrape.sources.mine.path"
    assert "book.xlsx (an Excel workbook, which is not read)" in error.problem
    assert "CSV" in error.remedy


def test_a_workbook_is_named_as_such_whatever_its_ending(tmp_path):
    error = fault(write(tmp_path / "poems.xlsx", b"PK\3\4" + b"\0" * 50))
    assert error.problem == "an Excel workbook, which is not read"
    assert "Save it as CSV" in error.remedy
    assert "an Excel workbook" in fault(write(tmp_path / "poems.csv", b"PK\3\4" + b"\0" * 50)).problem


def test_a_format_holds_for_all_files_of_a_folder(tmp_path):
    write(tmp_path / "one", "1")
    write(tmp_path / "two.verse", "2")
    assert texts(tmp_path, format="text") == ["1", "2"]


def test_a_text_file_with_a_separator_holds_many_poems(tmp_path):
    path = write(tmp_path / "all.txt", "one\r\n\r\ntwo\r\n * * *\r\nthree * * * four\r\n* * *\r\n\r\n* * *\r\n")
    records = read(path, separator="* * *")
    assert [record["text"] for record in records] == ["one\n\ntwo", "three * * * four"]
    assert [record["url"] for record in records] == ["all.txt#1", "all.txt#2"]
    assert [record["title"] for record in records] == [None, None]
    path = write(tmp_path / "gaps.txt", "a\n\nb\n\n\n\nc\n")
    assert texts(path, separator="\n\n\n") == ["a\n\nb", "c"]


def test_a_parquet_file_holds_bytes_lists_and_nested_columns(tmp_path):
    table = pd.DataFrame(
        {
            "text": [b"el a\xc3\xb1o\nva", b"plain"],
            "lines": [["a", "b"], ["c"]],
            "poem": [{"body": "x", "by": "Ida"}, {"body": "y", "by": None}],
        }
    )
    path = write(tmp_path / "poems.parquet", table.to_parquet())
    assert texts(path) == ["el año\nva", "plain"]
    assert texts(path, columns={"text": "lines"}) == ["a\nb", "c"]
    nested = read(path, columns={"text": "poem.body", "author": "poem.by"})
    assert [(record["text"], record["author"]) for record in nested] == [("x", "Ida"), ("y", None)]


KETTLE = "The kettle sings upon the hob,\nthe cat has found the sun,\nand so the day is done."


def test_a_separator_that_stands_nowhere_is_an_error_and_blank_lines_may_hold_spaces(tmp_path):
    path = write(tmp_path / "book.txt", f"{KETTLE}\n \t\n\n{KETTLE}\r\n")
    assert "stands nowhere" in fault(path, separator="***").problem
    assert texts(path, separator="\n\n\n") == [KETTLE, KETTLE]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n", "pointer of Git LFS"),
        (r"{\rtf1\ansi The kettle sings}", "RTF"),
        (json.dumps([{"text": KETTLE}]), "is JSON"),
        (jsonl({"text": KETTLE}, {"text": KETTLE}), "is JSON"),
    ],
)
def test_a_text_file_that_is_something_else_is_named(tmp_path, content, said):
    assert said in fault(write(tmp_path / "a.txt", content)).problem
    numbered = f"[1]\n{KETTLE}"
    assert texts(write(tmp_path / "b.txt", numbered)) == [numbered]


def test_lists_among_poems_are_left_out_with_their_reason(tmp_path):
    lists = {
        "index": "".join(f"{number:03}.txt\n" for number in range(9)),
        "contents": "Contents\nThe Lamp ..... 3\nThe Rain ..... 9\nThe Mill . . . . 12\n",
        "words": "\n".join(["able", "bread", "cat", "door", "ear", "fire", "goat", "hill", "iron", "jug"]),
        "AUTHORS": "Ann Lee <ann@mail.example>\nBea Roe <bea@mail.example>\nCy Fox <cy@mail.example>\n",
        "robots": "User-agent: *\nDisallow: /x\n",
    }
    for name, content in lists.items():
        write(tmp_path / f"{name}.txt", content)
    write(tmp_path / "kettle.txt", KETTLE)
    skipped = []
    assert [record["text"] for record in read(tmp_path, lambda *said: skipped.append(said))] == [KETTLE]
    assert {name for name, _ in skipped} == {f"{name}.txt" for name in lists}


def test_names_in_archives_of_windows_and_endings_in_capitals(tmp_path):
    with zipfile.ZipFile(tmp_path / "book.zip", "w") as archive:
        archive.writestr("poems\\one.txt", KETTLE)
        archive.writestr("__MACOSX\\._one.txt", b"\0\5")
        archive.writestr("../two.txt", KETTLE)
    assert sorted(record["title"] for record in read(tmp_path / "book.zip")) == ["one", "two"]
    (tmp_path / "A.CSV.GZ").write_bytes(gzip.compress(f'text\n"{KETTLE}"\n'.encode()))
    assert texts(tmp_path / "A.CSV.GZ") == [KETTLE]


@pytest.mark.parametrize(
    "content",
    [
        'title,text\nCrane,"one\ntwo"\nGate,three\n',
        "\ufeffTitle\tAuthor\tPoem\r\nCrane\tIda\tone\r\n",
        '"título";"texto"\n"La grulla";"uno, dos"\n',
    ],
    ids=["csv", "tabs", "semicolons"],
)
def test_a_table_in_a_text_file_is_named_as_such(tmp_path, content):
    path = write(tmp_path / "poems.txt", content)
    error = fault(path)
    assert error.problem == "the text is a table of CSV"
    assert error.remedy == "Set params.yaml: scrape.sources.mine.format to csv"


@pytest.mark.parametrize(
    "verse", ["Title, author, year,\nI read them all.", "The poem, the poet,\nthe lamp, the bread", "Poem, text\n"]
)
def test_verse_about_poems_is_no_table(tmp_path, verse):
    assert texts(write(tmp_path / "poem.txt", verse)) == [verse]
