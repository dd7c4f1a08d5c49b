"""The inputs beside the repository that once went wrong, where they are there."""

from pathlib import Path

import pytest

from tests.support.sources import fault, read, texts

CASES = Path(__file__).parents[3] / "shared" / "cases"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="the shared cases are not beside the repository")

EIGHT_LINES = ["f01_list_repr_cell.csv", "f01b_json_list_cell.csv"]
FOUR_LINES = ["f08_utf16.txt", "f08b_utf16.csv", "b07_utf16_as_cp1252.txt", "f25b_bytes.parquet", "f29_x000D.csv"]
FOUR_LINES += [
    "f04_array.json",
    "f04b_array_oneline.jsonl",
    "f11_sep_line.csv",
    "f23_kaggle.zip",
    "f14_backslash_quotes.csv",
]
FOUR_LINES += ["f22_mac", "f40_folder_with_licence"]


@pytest.mark.parametrize(("name", "lines"), [*((n, 8) for n in EIGHT_LINES), *((n, 4) for n in FOUR_LINES)])
def test_a_poem_has_all_its_lines_and_no_more(name, lines):
    for text in texts(CASES / name):
        assert text.count("\n") + 1 == lines
        assert not any(sign in text for sign in ("\0", "ÿ", "x000D", "[", "\\"))


def test_stanzas_and_columns():
    assert [text.split("\n\n")[1][:10] for text in texts(CASES / "f05_stanza_lists.jsonl")] == ["I hear the"]
    assert texts(CASES / "b11_nested_key.jsonl", columns={"text": "poem.text"}) == ["The lamp"]
    assert texts(CASES / "b01_bare_cr.csv") == ["The lamp is low\rand shut", "ok line"]
    assert texts(CASES / "b05_blank_first_line.csv") == ["The lamp\nis low"]
    assert texts(CASES / "f03_pipe.csv") == ["The lamp is low, the ledger shut,"]
    assert len(texts(CASES / "f07_no_header.csv", header=["date", "text"])) == 2
    assert len(texts(CASES / "f39_excel_empty_headers.csv", columns={"text": "Poem"})) == 1


def test_languages_and_missing_values():
    found = read(CASES / "f02_language_names.csv", columns={"language": "Lang"})
    assert {record["declared_language"] for record in found} == {"en", "es"}
    found = read(CASES / "f17_nan_fields.csv", columns={"title": "title", "author": "author"})
    assert [(record["title"], record["author"]) for record in found] == [
        (None, None),
        (None, None),
        ("Carter", "Ann Lee"),
    ]
    assert [record["text"] == "" for record in read(CASES / "b12_nan.jsonl")] == [True, False]


@pytest.mark.parametrize(
    ("name", "line"), [("f15_unclosed_quote.csv", 2), ("f13_unquoted_comma.csv", 2), ("b06_utf8_mixed.csv", 3)]
)
def test_a_fault_is_named_by_its_line(name, line):
    assert fault(CASES / name).place == f"{CASES / name}: line {line}"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("f06_line_objects.jsonl", "column 'text' holds an object"),
        ("f07_no_header.csv", "is no header"),
        ("f24_book.xlsx", "an Excel workbook"),
        ("f39_excel_empty_headers.csv", "it has 'Title', 'Poem'"),
    ],
)
def test_what_is_not_read_is_said_in_a_line(name, said):
    assert said in fault(CASES / name).problem
