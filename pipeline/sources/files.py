"""Poems from a user's own files: CSV, JSON lines, Parquet or plain text, each also gzipped."""

import codecs
import csv
import glob
import gzip
import io
import json
import re
import sys
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TextIO

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.common.params import Columns, FilesSource, Table
from pipeline.common.stage import BadInput
from pipeline.common.tables import RAW_FIELDS

FORMATS = {".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet", ".txt": "text"}
TEXT_FILE = Columns(text="text", title="title")
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")  # JSON can name one, UTF-8 cannot hold it
Row = dict[str, Any]


def read_files(source: FilesSource, name: str) -> Iterator[dict[str, str | None]]:
    """Yield a raw record for each row, file by file in the order of their paths; one without text has the text "".

    A plain text file is one poem, titled as the file. A row without an address of its own gets `file#row`, from 1.

    Args:
        source: which files, and which of their columns hold what.
        name: the source's name in params.yaml.

    Raises:
        BadInput: no file matches, a file is empty, broken or of no known format, or a mapped column is not there;
            the place names the file and, where there is one, the line.
    """
    place = f"params.yaml: scrape.sources.{name}"
    try:
        codecs.lookup(source.encoding)
    except LookupError as error:
        raise BadInput(f"{place}.encoding", f"{source.encoding!r} is no encoding", "Try utf-8 or cp1252") from error
    for path, label in find_files(source.path, f"{place}.path"):
        kind = FORMATS.get(_ending(path)) if source.format == "auto" else source.format
        if kind is None:
            raise BadInput(str(path), f"{_ending(path)!r} tells no format", f"Set {place}.format")
        columns = TEXT_FILE if kind == "text" else source.columns
        number = 0
        for number, row in enumerate(_rows(path, kind, columns, source.encoding, place), start=1):
            yield raw_record(row, columns, source, name, f"{label}#{number}")
        if not number:
            raise BadInput(str(path), "the file is empty", "Remove it, or put the right one in its place")


def raw_record(row: Row, columns: Columns, source: Table, name: str, address: str) -> dict[str, str | None]:
    """A row as a raw record.

    Args:
        row: its cells by column.
        columns: which of them hold what.
        source: says the language and the licence where no column does.
        name: the source's name in params.yaml.
        address: for a row without one of its own.
    """
    fields = {field: _string(row.get(column)) for field, column in columns.model_dump().items() if column}
    return dict.fromkeys(RAW_FIELDS) | {
        **{field: value for field, value in fields.items() if field in RAW_FIELDS},
        "source": name,
        "url": fields.get("url") or address,
        "licence": fields.get("licence") or source.licence,
        "declared_language": fields.get("language") or source.language,
        "text": fields["text"] or "",
    }


def find_files(pattern: str, place: str) -> list[tuple[Path, str]]:
    """The files that a path, a folder or a glob names, each with its path below the folder where the search begins.

    A folder stands for the files of known formats in it and below it.

    Raises:
        BadInput: there are none.
    """
    root = Path(pattern).expanduser()
    if root.is_dir():
        base, found = root, [path for path in root.rglob("*") if _ending(path) in FORMATS]
    elif root.exists():
        base, found = root.parent, [root]
    else:
        base = next(parent for parent in root.parents if not glob.has_magic(str(parent)))
        found = [Path(path) for path in glob.glob(str(root), recursive=True)]
    files = [(path, path.relative_to(base).as_posix()) for path in sorted(found) if path.is_file()]
    if not files:
        raise BadInput(place, f"no file at {pattern!r}", "Correct the path, which starts at the repository's root")
    return files


def check_columns(place: Path | str, present: Sequence[str], wanted: list[str], source_place: str) -> None:
    """Raise BadInput if a mapped column is not there, naming those that are.

    Args:
        place: the file, the line or the data set.
        present: its columns.
        wanted: the columns that params.yaml names.
        source_place: where params.yaml names them.
    """
    if missing := [column for column in wanted if column not in present]:
        has = ", ".join(map(repr, present))
        remedy = f"Name the right one in {source_place}.columns"
        raise BadInput(str(place), f"no column {missing[0]!r}; it has {has}", remedy)


def _rows(path: Path, kind: str, columns: Columns, encoding: str, place: str) -> Iterator[Row]:
    wanted = [column for column in columns.model_dump().values() if column]
    try:
        with _opened(path) as file:
            if kind == "parquet":
                yield from _parquet_rows(path, file, wanted, place)
                return
            with_mark = "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding
            text = io.TextIOWrapper(file, encoding=with_mark, newline="")
            match kind:
                case "csv":
                    yield from _csv_rows(path, text, wanted, place)
                case "jsonl":
                    yield from _json_rows(path, text, columns.text, place)
                case "text":
                    title = Path(path.name.removesuffix(".gz")).stem
                    yield from ({"text": poem, "title": title} for poem in [text.read()] if poem)
    except UnicodeError as error:
        raise _undecodable(path, encoding, place) from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise BadInput(str(path), f"not a whole gzip file: {error}", "Fetch or compress it again") from error


def _csv_rows(path: Path, file: TextIO, wanted: list[str], place: str) -> Iterator[Row]:
    csv.field_size_limit(sys.maxsize)  # a poem may be longer than 128 KiB
    start = file.readline()
    file.seek(0)
    reader = csv.DictReader(file, delimiter=max(",;\t", key=start.count))
    try:
        if reader.fieldnames:
            check_columns(path, reader.fieldnames, wanted, place)
        yield from reader
    except csv.Error as error:
        raise BadInput(f"{path}: line {reader.line_num}", f"not CSV: {error}", "Correct the line") from error


def _json_rows(path: Path, file: TextIO, text_key: str, place: str) -> Iterator[Row]:
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            problem = f"not JSON: {error.msg} at character {error.colno}"
            raise BadInput(f"{path}: line {number}", problem, "Each line must be a JSON object") from error
        if not isinstance(row, dict):
            problem = f"{line.strip()[:40]!r} is no JSON object"
            raise BadInput(f"{path}: line {number}", problem, "Each line must be a JSON object")
        check_columns(f"{path}: line {number}", list(row), [text_key], place)
        yield row


def _parquet_rows(path: Path, file: BinaryIO, wanted: list[str], place: str) -> Iterator[Row]:
    try:
        table = pq.ParquetFile(file)
        check_columns(path, table.schema_arrow.names, wanted, place)
        for batch in table.iter_batches(columns=wanted):
            yield from batch.to_pylist()
    except (pa.ArrowInvalid, pa.ArrowIOError) as error:
        raise BadInput(str(path), f"not Parquet: {error}", "Write or fetch it again") from error


def _string(value: Any) -> str | None:
    """A cell as text: a list is a poem's lines, and blank is as good as nothing."""
    if isinstance(value, list):
        value = "\n".join(map(str, value))
    text = "" if value is None else str(value)
    text = _HALF_CHARACTER.sub("\N{REPLACEMENT CHARACTER}", text)
    return text if text.strip() else None


def _undecodable(path: Path, encoding: str, place: str) -> BadInput:
    """What to say of a file that is not in its encoding, with the first byte that does not fit."""
    with _opened(path) as file:
        content = file.read()
    try:
        content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        problem = f"byte 0x{content[error.start]:02x} at offset {error.start} is not {encoding}"
        return BadInput(f"{path}: line {line}", problem, f"Set {place}.encoding, for example to cp1252")
    except UnicodeError as error:  # UTF-16 without its byte order mark
        return BadInput(str(path), f"not {encoding}: {error}", f"Set {place}.encoding")
    raise AssertionError(f"{path} decodes as {encoding} after all")


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        yield file


def _ending(path: Path) -> str:
    return Path(path.name.removesuffix(".gz")).suffix.lower()
