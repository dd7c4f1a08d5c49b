"""Poems from your own files: CSV, JSON, Parquet or plain text, each also gzipped or in a zip archive."""

import csv
import glob
import gzip
import io
import json
import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO, TextIO

from pipeline.common.params import Columns, FilesSource
from pipeline.common.stage import BadInput
from pipeline.sources.encodings import HEAD, check_encoding, check_is_text, find_encoding, undecodable
from pipeline.sources.nested import json_rows
from pipeline.sources.paperwork import is_paperwork, why_list, why_no_poem, why_unread
from pipeline.sources.records import Record, Row, record_maker
from pipeline.sources.tables import DELIMITERS, csv_rows, parquet_rows

FORMATS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    ".parquet": "parquet",
    ".txt": "text",
}
TEXT_FILE = Columns(text="text", title="title")
# What columns of a table of poems are called.
_COLUMNS = {
    *("title", "poem", "text", "content", "lines", "author", "poet", "year", "language", "id", "url", "genre", "tags"),
    *("título", "titulo", "poema", "texto", "contenido", "versos", "autor", "autora", "poeta", "año", "idioma"),
}
_GZ = re.compile(r"\.gz$", re.IGNORECASE)
_SYSTEM = {"__MACOSX", "__pycache__", "Thumbs.db", "desktop.ini", "$RECYCLE.BIN"}
_BROKEN = (gzip.BadGzipFile, zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError, NotImplementedError)
Skip = Callable[[str, str], None]


@dataclass(frozen=True)
class File:
    """A file on disk or in a zip archive.

    Args:
        place: where it is, for messages.
        label: its path below the folder where the search begins.
        raw: opens its bytes as they lie there.
        named: whether params.yaml names this very file, which is then read whatever it is called.
    """

    place: str
    label: str
    raw: Callable[[], BinaryIO]
    named: bool = False

    @property
    def name(self) -> PurePosixPath:
        """Its name without `.gz`."""
        return PurePosixPath(_GZ.sub("", PurePosixPath(self.label).name))

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Open its bytes, decompressed."""
        with self.raw() as file:
            if _GZ.search(self.label):
                with gzip.open(file) as inner:
                    yield inner
            else:
                yield file


def read_files(source: FilesSource, name: str, skip: Skip = lambda file, reason: None) -> Iterator[Record]:
    """Yield a raw record for each row, file by file in the order of their paths; one without text has the text "".

    A plain text file is one poem, titled as the file, or, with a separator, many without a title. A row without an
    address of its own gets `file#row`, from 1.

    Args:
        source: which files, and which of their columns hold what.
        name: the source's name in params.yaml.
        skip: is called for each file of a folder that is left out, with its path and why.

    Raises:
        BadInput: no file matches, a file is empty, broken or of no known format, a row does not fit its header, or a
            mapped column is not there; the place names the file and, where there is one, the line.
    """
    key = f"params.yaml: scrape.sources.{name}"
    check_encoding(source.encoding, f"{key}.encoding")
    make = record_maker(source.columns, source, name)
    make_from_text = record_maker(TEXT_FILE, source, name)
    skipped: list[str] = []

    def leave_out(file: File, reason: str) -> None:
        skipped.append(f"{file.label} ({reason})")
        skip(file.label, reason)

    read = False
    for file in find_files(source.path, f"{key}.path"):
        kind = format_of(file, source)
        if kind is None or (not file.named and is_paperwork(file.name)):
            reason = why_unread(file.name)
            if file.named:
                raise BadInput(file.place, reason, f"Save it as CSV or plain text, or set {key}.format")
            leave_out(file, reason)
            continue
        number = 0
        for number, row in enumerate(rows_of(file, kind, source, key), start=1):
            if kind != "text":
                yield make(row, f"{file.label}#{number}")
            elif not file.named and (reason := why_no_poem(row["text"]) or why_list(row["text"])):
                leave_out(file, reason)
            else:
                read = True
                yield make_from_text(row, f"{file.label}#{number}")
        if not number and kind == "text" and not file.named:
            leave_out(file, "empty")
        elif not number:
            raise BadInput(file.place, "the file is empty", "Remove it, or put the right one in its place")
        read = read or kind != "text"
    if not read:
        problem = f"no file at {source.path!r} can be read as poems: {', '.join(skipped[:5])}"
        raise BadInput(f"{key}.path", problem, f"Save them as CSV or plain text, or set {key}.format")


def find_files(pattern: str, place: str) -> Iterator[File]:
    """The files that a path, a folder or a glob names, in the order of their paths, without hidden ones.

    A zip archive stands for the files in it. It stays open while its files are read.

    Raises:
        BadInput: there is none; `place` is where the pattern was given.
    """
    for path, label in find_paths(pattern, place):
        if path.suffix.lower() == ".zip":
            yield from _members(path, label)
        else:
            yield File(str(path), label, partial(path.open, "rb"), named=path == Path(pattern).expanduser())


def find_paths(pattern: str, place: str) -> list[tuple[Path, str]]:
    """The same on disk, where a zip archive is one file, each with its path below the folder where the search begins.

    Raises:
        BadInput: as in `find_files`.
    """
    root = Path(pattern).expanduser()
    if root.is_dir():
        base, found = root, root.rglob("*")
    elif root.exists():
        base, found = root.parent, [root]
    else:
        base = next((parent for parent in root.parents if not glob.has_magic(str(parent))), Path())
        found = map(Path, glob.glob(str(root), recursive=True))
    labelled = [(path, path.relative_to(base).as_posix()) for path in sorted(found)]
    kept = [(path, label) for path, label in labelled if path.is_file() and (path == root or not is_hidden(label))]
    if not kept:
        raise BadInput(place, f"no file at {pattern!r}", "Correct the path, which starts at the repository's root")
    return kept


def _members(path: Path, label: str) -> Iterator[File]:
    """The files in a zip archive."""
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, struct.error, ValueError, NotImplementedError, OSError) as error:
        raise BadInput(str(path), f"not a whole zip archive: {error}", "Fetch or pack it again") from error
    with archive:
        for entry in sorted(archive.infolist(), key=lambda entry: entry.filename):
            if not entry.filename or entry.is_dir() or is_hidden(entry.filename.replace("\\", "/")):
                continue
            if entry.flag_bits & 1:
                raise BadInput(f"{path}: {entry.filename}", "encrypted", "Unpack it, and name the folder")
            name = entry.filename.replace("\\", "/")  # as some programs for Windows write it
            yield File(f"{path}: {entry.filename}", f"{label}/{name}", partial(_open_entry, archive, entry))


def _open_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> BinaryIO:
    try:
        return archive.open(entry)
    except (OSError, ValueError, struct.error, NotImplementedError) as error:  # a wrong offset, name or method
        raise zipfile.BadZipFile(str(error)) from error


def is_hidden(label: str) -> bool:
    """Whether a path is the system's own, not the user's: `._poem.txt`, `.ipynb_checkpoints/`, `__MACOSX/`."""
    return any(
        (part.startswith((".", "~$")) and part != "..") or part in _SYSTEM for part in PurePosixPath(label).parts
    )


def format_of(file: File, source: FilesSource) -> str | None:
    """csv, json, parquet or text, by params or by the file's ending; None where neither says."""
    kind = FORMATS.get(file.name.suffix.lower()) if source.format == "auto" else source.format
    return "json" if kind == "jsonl" else kind


def rows_of(file: File, kind: str, source: FilesSource, key: str, whole: bool = False) -> Iterator[Row]:
    """The rows of one file, cells by column.

    Args:
        file: one that `find_files` yields.
        kind: its format.
        source: its encoding, header or separator, and the columns wanted.
        key: where params.yaml names the source.
        whole: whether all columns are wanted, whatever the source names.

    Raises:
        BadInput: the file cannot be read; the place names it and, where there is one, the line.
    """
    wanted = list(dict.fromkeys(column for column in source.columns.model_dump().values() if column and not whole))
    with faults_named(file, source.encoding, key):
        match kind:
            case "parquet":
                with file.open() as opened:
                    on_disk = isinstance(opened, io.BufferedReader)  # else to seek is to unpack from the start again
                    table = opened if on_disk else io.BytesIO(opened.read())
                    yield from parquet_rows(table, wanted or None, file.place, key)
            case "text":
                yield from _text_rows(file, source, key)
            case "csv":
                open_text = partial(opened_as_text, file, source.encoding)
                yield from csv_rows(open_text, source.header, wanted, file.place, key)
            case "json":
                with opened_as_text(file, source.encoding) as text:
                    yield from json_rows(text, source.columns.text, file.place, key)


@contextmanager
def faults_named(file: File, declared: str, key: str) -> Iterator[None]:
    """Turn what reading bytes raises into a BadInput that names the file.

    Args:
        file: the one that is read.
        declared: its encoding by params.yaml.
        key: where params.yaml names the source.
    """
    try:
        yield
    except UnicodeError as error:
        with file.open() as opened:
            content = opened.read()
        encoding = find_encoding(content[:HEAD], declared)
        raise undecodable(content, encoding, file.place, f"{key}.encoding") from error
    except _BROKEN as error:
        kind = "gzip file" if file.label.endswith(".gz") else "zip archive"
        raise BadInput(file.place, f"not a whole {kind}: {error}", "Fetch or compress it again") from error


@contextmanager
def opened_as_text(file: File, declared: str, newline: str = "") -> Iterator[TextIO]:
    """Open a file as text, in the encoding that its first bytes show or else the declared one."""
    with file.open() as opened:
        head = opened.read(HEAD)
        opened.seek(0)
        encoding = find_encoding(head, declared)
        check_is_text(head, encoding, file.place)
        with io.TextIOWrapper(opened, encoding=encoding, newline=newline) as text:
            yield text


def _text_rows(file: File, source: FilesSource, key: str) -> Iterator[Row]:
    """The poem of a text file, or its poems where a separator stands between them."""
    with file.open() as opened:
        content = opened.read()
    encoding = find_encoding(content[:HEAD], source.encoding)
    check_is_text(content[:HEAD], encoding, file.place)
    text = content.decode(encoding).rstrip("\x1a")  # the end of a file of DOS
    if text.lstrip("\ufeff \r\n\t")[:1] in ("[", "{") and _is_json(text):
        raise BadInput(file.place, "the text is JSON", f"Set {key}.format to json")
    if _is_table(text):
        raise BadInput(file.place, "the text is a table of CSV", f"Set {key}.format to csv")
    if source.separator is None:
        yield from [{"text": text, "title": file.name.stem}] if text else []
        return
    poems = split_poems(text, source.separator)
    if file.named and len(poems) == 1:
        problem = f"the separator {source.separator!r} stands nowhere between two poems"
        raise BadInput(file.place, problem, f"Correct {key}.separator, or leave it out if the file is one poem")
    yield from ({"text": poem} for poem in poems)


def _is_json(text: str) -> bool:
    """Whether a text is an array or objects of JSON, or begins with a line that is one."""
    for part in (text, text.strip().partition("\n")[0]):
        with suppress(ValueError, RecursionError):
            found = json.loads(part.lstrip("\ufeff"))
            items = found if isinstance(found, list) else [found]
            return any(isinstance(item, dict | str) for item in items)
    return False


def _is_table(text: str) -> bool:
    """Whether a text is CSV: two cells or more of its first line name columns, and a row of as many stands below."""
    first = text.lstrip("\ufeff \r\n")[:200].partition("\n")[0].lower()
    if len(_COLUMNS & set(re.findall(r"\w+", first))) < 2:
        return False
    for delimiter in DELIMITERS:
        with suppress(csv.Error):
            rows = csv.reader(io.StringIO(text.lstrip("\ufeff \r\n"), ""), delimiter=delimiter)
            header, row = next(rows, []), next(filter(None, rows), [])
            names = _COLUMNS & {name.strip().lower() for name in header}
            if len(names) > 1 and len(row) == len(header):
                return True
    return False


def split_poems(text: str, separator: str) -> list[str]:
    """The poems of a text between which a separator stands.

    Args:
        text: with any line breaks.
        separator: a line, such as `***`, or, where it holds line breaks, any text, such as three of them.
    """
    text = re.sub("\r+\n|\r", "\n", text)
    if "\n" in separator:
        poems = re.sub(r"^[^\S\n]+$", "", text, flags=re.MULTILINE).split(separator)  # blank lines may hold spaces
    else:
        poems = re.split(rf"^[^\S\n]*{re.escape(separator.strip())}[^\S\n]*$", text, flags=re.MULTILINE)
    return [poem.strip("\n") for poem in poems if poem.strip()]
