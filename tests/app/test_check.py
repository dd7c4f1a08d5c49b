"""`estrofa check`: what a person with a fresh download is shown."""

import io
import json
import re
import zipfile

import pandas as pd
import pytest
from click.testing import CliRunner
from ruamel.yaml import YAML

from app.command import main
from pipeline.common.params import Scrape
from pipeline.sources.files import read_files
from tests.support.made_up import ROOT
from tests.support.sources import jsonl, write

EN = (
    "The lamp is low, the ledger shut,\nthe rain has nothing left to say;\na cart goes down the chalky cut\nand leaves."
)
ES = "Baja la tarde despacio\npor la orilla del molino,\ny se lleva entre las aguas\nlo que no dijo el camino."
TABLE = pd.DataFrame(
    {
        "Unnamed: 0": [0, 1, 2],
        "Title": ["Carter", "Molino", "Stump"],
        "Poem": [EN, ES, "Too short"],
        "Poet": ["Ida Marsh", "Ana Ruiz", None],
        "Tags": ["a", "b", "c"],
    }
)


def check(target, monkeypatch=None):
    result = CliRunner().invoke(main, ["check", str(target)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result


def entry(output):
    """The entry that is printed, as params takes it: its name and the source."""
    [(name, source)] = Scrape(sources=YAML(typ="safe").load(output.partition("scrape.sources:")[2])).sources.items()
    return name, source


@pytest.fixture(autouse=True)
def outside(tmp_path, monkeypatch):
    """No repository around."""
    monkeypatch.chdir(tmp_path)


def test_a_downloaded_table_is_explained_and_its_entry_can_be_pasted(tmp_path):
    path = tmp_path / "PoetryData.csv"
    TABLE.to_csv(path, index=False, sep=";", encoding="cp1252")
    result = check(path)
    assert result.exit_code == 0, result.output
    output = result.output
    assert output.startswith("PoetryData.csv: CSV, utf-8, delimiter ';'\n")
    for said in (
        "  Poem -> text\n",
        "  Title -> title\n",
        "  Poet -> author\n",
        "  not used: Unnamed: 0, Tags\n",
        "Of all 3 poems, 2 would be kept (1 en, 1 es)\n",
        "  rejected, too short: 1, such as PoetryData.csv#3: 1 lines\n",
        "Carter, by Ida Marsh [en]\n    The lamp is low, the ledger shut,\n",
        "Molino, by Ana Ruiz [es]\n    Baja la tarde despacio\n",
    ):
        assert said in output
    name, source = entry(output)
    assert (name, source.language) == ("poetrydata", None)
    assert [record["text"] for record in read_files(source, name)] == list(TABLE["Poem"])


def test_one_language_goes_into_the_entry_and_several_do_not(tmp_path):
    path = write(tmp_path / "poems.jsonl", jsonl({"text": ES}))
    assert entry(check(path).output)[1].language == "es"


@pytest.mark.parametrize("encoding", ["cp1252", "mac_roman", "utf-16"])
def test_the_encoding_is_found_and_named_where_it_must_be(tmp_path, encoding):
    path = write(tmp_path / "poema.txt", f"El año pasó así,\n{ES}".encode(encoding))
    output = check(path).output
    assert output.startswith(f"poema.txt: Text, {encoding}\n")
    assert "    El año pasó así,\n" in output
    assert entry(output)[1].encoding == (encoding if encoding != "utf-16" else "utf-8")


def test_a_file_without_a_header_gets_names_for_its_columns(tmp_path):
    content = "".join(f'2023-01-{day},"{text}"\n' for day, text in ((16, EN), (17, ES)))
    name, source = entry(check(write(tmp_path / "days.csv", content)).output)
    assert source.header == ["column 1", "column 2"]
    assert [record["text"] for record in read_files(source, name)] == [EN, ES]


@pytest.mark.parametrize("kind", ["parquet", "json", "columns", "index", "jsonl", "zip", "nested"])
def test_every_format_is_looked_into(tmp_path, kind):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("poems.csv", TABLE.to_csv(index=False))
    content = {
        "parquet": TABLE.to_parquet(),
        "json": TABLE.to_json(orient="records"),
        "columns": TABLE.to_json(orient="columns"),
        "index": TABLE.to_json(orient="index"),
        "jsonl": TABLE.to_json(orient="records", lines=True),
        "zip": buffer.getvalue(),
        "nested": json.dumps([{"data": row} for row in TABLE.to_dict("records")]).replace("NaN", "null"),
    }[kind]
    path = write(tmp_path / f"poems.{kind if kind in ('parquet', 'jsonl', 'zip') else 'json'}", content)
    result = check(path)
    assert result.exit_code == 0, result.output
    name, source = entry(result.output)
    assert [record["title"] for record in read_files(source, name)] == list(TABLE["Title"])
    assert "2 would be kept (1 en, 1 es)" in result.output


def test_a_folder_says_how_many_files_it_has_and_what_is_skipped(tmp_path):
    write(tmp_path / "all" / "a.txt", EN)
    write(tmp_path / "all" / "b.txt", ES)
    write(tmp_path / "all" / "LICENSE", "x")
    output = check(tmp_path / "all").output
    assert "Files: 2 text\n" in output
    assert "Skipped: LICENSE (a licence, by its name)\n" in output


def test_a_line_of_signs_that_parts_poems_is_pointed_out(tmp_path):
    path = write(tmp_path / "all.txt", f"{EN}\n\n* * *\n\n{ES}\n\n* * *\n\n{EN}\n")
    assert "set `separator`" in check(path).output


def test_a_column_of_an_unusual_name_is_found_by_what_it_holds(tmp_path):
    path = write(tmp_path / "poems.jsonl", jsonl({"id": 1, "poem": "Carter", "canto": EN}, {"id": 2, "canto": ES}))
    assert entry(check(path).output)[1].columns.text == "canto"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("poems.xlsx", b"PK", "an Excel workbook"),
        ("poems.csv", b'title,text\na,"b\nc,d\n', "a quote in this row is not closed"),
        ("poems.csv", "text\nel año\n".encode() + b"el a\xf1o", "No encoding fits"),
        ("poems.csv", b"", "empty"),
        ("poems.json", b"[", "does not end"),
        ("poems.csv.gz", b"no gzip", "not a whole gzip file"),
        ("poems.zip", b"no zip", "not a whole zip archive"),
        ("poems.parquet", b"none", "not Parquet"),
    ],
)
def test_what_cannot_be_read_is_one_clear_error(tmp_path, name, content, said):
    path = tmp_path / name
    path.write_bytes(content)
    result = check(path)
    assert result.exit_code == 2
    assert said in result.output
    assert "Traceback" not in result.output


def test_a_path_that_is_not_there_is_named():
    result = check("nothing.csv")
    assert result.exit_code == 2
    assert "no file at 'nothing.csv'" in result.output


def test_a_source_of_params_is_looked_into_by_its_name(tmp_path, monkeypatch):
    path = write(tmp_path / "poems.jsonl", jsonl({"verso": ES, "text": "x"}))
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    source = json.dumps({"mine": {"kind": "files", "path": str(path), "columns": {"text": "verso"}}})
    mine = re.sub(r"(?s)(\n  sources:).*?(?=\nclean:)", rf"\1 {source}\n", text)
    (tmp_path / "params.yaml").write_text(mine, encoding="utf-8")
    assert "1 would be kept (1 es)" in check("mine").output
    monkeypatch.chdir(ROOT)
    assert "is a site, which has to be crawled" in check("anthology-en").output
