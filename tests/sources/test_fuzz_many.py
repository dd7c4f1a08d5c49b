"""Whatever a file holds, it is read or refused in one sentence: no traceback, for any bytes."""

import gzip
import io
import json
import zipfile
from contextlib import suppress

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.common.stage import BadInput
from tests.support.sources import read

ROWS = [{"text": f'verse {number},\nel año "que" viene\n', "title": "Crane; a"} for number in range(6)]
ROWS[3]["text"] = str(["one", "two"])


def _zipped(content):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", content)
        archive.writestr("b.txt", "verse")
    return file.getvalue()


CSV = pd.DataFrame(ROWS).to_csv(index=False).encode()
GOOD = {
    "csv": CSV,
    "tsv": pd.DataFrame(ROWS).to_csv(index=False, sep="\t").encode("utf-16"),
    "jsonl": "\n".join(map(json.dumps, ROWS)).encode(),
    "json": json.dumps(ROWS, ensure_ascii=False).encode(),
    "parquet": pd.DataFrame(ROWS).to_parquet(compression=None),
    "txt": "el año\nva".encode("utf-16"),
    "csv.gz": gzip.compress(CSV),
    "zip": _zipped(CSV),
}
PIECES = [b'"', b"\n", b"\r", b",", b"\\", b"\0", b"\xff\xfe", b"\xf1", b"[", b"]", b"{", b"}", b"\t", b"'", b"NaN"]
MANY = settings(max_examples=1500, deadline=None, suppress_health_check=list(HealthCheck))


def read_or_refuse(path, content, **values):
    path.write_bytes(content)
    with suppress(BadInput):
        read(path, **values)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


@pytest.mark.parametrize("ending", GOOD)
@MANY
@given(content=st.binary(max_size=300), encoding=st.sampled_from(["utf-8", "cp1252", "utf-16", "shift_jis"]))
def test_any_bytes(folder, ending, content, encoding):
    read_or_refuse(folder / f"a.{ending}", content, encoding=encoding)


@pytest.mark.parametrize("ending", GOOD)
@MANY
@given(data=st.data())
def test_any_change_to_a_good_file(folder, ending, data):
    content = bytearray(GOOD[ending])
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content)))
        end = start + data.draw(st.sampled_from([0, 0, 1, 3, 20]))
        content[start:end] = data.draw(st.sampled_from(PIECES) | st.binary(max_size=4))
    read_or_refuse(folder / f"b.{ending}", bytes(content), columns={"title": "title"})


@MANY
@given(text=st.text(st.sampled_from('a,;\t|"\n\r\\ ñ'), max_size=60), delimiter=st.sampled_from(",;\t|"))
def test_any_text_below_a_header_is_read_or_refused(folder, text, delimiter):
    read_or_refuse(folder / "c.csv", f"title{delimiter}text\n{text}".encode())


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda x: st.lists(x) | st.dictionaries(st.sampled_from(["text", "title", "poem", ""]), x),
)


@MANY
@given(value=JSON)
def test_any_json_value(folder, value):
    read_or_refuse(folder / "d.json", json.dumps(value).encode(), columns={"title": "title", "author": "poem.text"})
    read_or_refuse(folder / "e.jsonl", json.dumps({"text": value}).encode())
