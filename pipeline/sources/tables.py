"""Rows of CSV, whatever its delimiter, quotes and line ends, and of Parquet.

A CSV file is looked through once before its first row is read: a quote that is not closed may swallow rows without any
other trace, so that the way to read it must fit the whole file.
"""

import csv
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import BinaryIO, Literal, TextIO

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.common.stage import BadInput
from pipeline.sources.encodings import HEAD
from pipeline.sources.records import Row, check_columns

_BATCH = 2000  # rows of a Parquet file in memory
DELIMITERS = ",;\t|"
_QUOTES = 'Close each quote, write a quote inside of a cell twice (""), and put cells that hold {!r} in quotes'
_SEP_LINE = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
# Noncharacters, which no text has, for what Python's reader would take as the end of a row or of a cell.
_BARE_CR, _QUOTE = "\ufdd0", "\ufdd1"
_ESCAPED = re.compile(r'\\(["\\])')
_DATE_OR_NUMBER = re.compile(r"[\d.,:/\s-]+")

Quoting = Literal["doubled", "doubled, after a space", "backslash", "none"]
Opener = Callable[[str], AbstractContextManager[TextIO]]  # opens the file as text; takes what `newline` of `open` takes


class _DoesNotFit(Exception):
    """A way to read a CSV file fails at a line."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(line, problem)
        self.line, self.problem = line, problem


@dataclass(frozen=True)
class CSVFormat:
    """How a CSV file is written."""

    delimiter: str
    newline: str  # "\n": rows end there, and a bare carriage return is part of a cell; "": rows end at these too
    skipped: int  # lines above the header
    header: Sequence[str]
    has_header: bool = True  # False where params.yaml names the columns
    quoting: Quoting = "doubled"

    @property
    def width(self) -> int:
        """The number of cells that a row must have: unnamed columns at the end do not count."""
        return max((number for number, name in enumerate(self.header, 1) if name), default=0)


def csv_rows(
    open_text: Opener, header: Sequence[str] | None, wanted: Sequence[str], place: str, key: str
) -> Iterator[Row]:
    """The rows of a CSV file, cells by column.

    Args:
        open_text: opens the file.
        header: the names of the columns of a file that has no header.
        wanted: the columns that params.yaml names.
        place: the file.
        key: where params.yaml names the source.

    Raises:
        BadInput: a column is not there, or a row does not fit the header; the place names the line.
    """
    csv.field_size_limit(sys.maxsize)  # a poem may be longer than 128 KiB
    found = find_format(open_text, header, wanted)
    if not found.header:
        return
    _check_header(found, wanted, place, key)
    try:
        found = _fitting_quotes(open_text, found)
    except _DoesNotFit as error:
        named = _with_row_names(open_text, found)
        if named is None:
            raise BadInput(f"{place}: line {error.line}", error.problem, _QUOTES.format(found.delimiter)) from error
        found = named
    with open_text(found.newline) as file:
        for _, cells in _rows(file, found):
            yield dict(zip(found.header, cells, strict=False))


def find_format(open_text: Opener, header: Sequence[str] | None, wanted: Sequence[str]) -> CSVFormat:
    """What the first lines of a CSV file say of its delimiter, its line ends and its header; empty for a blank file."""
    with open_text("\n") as file:
        start = file.read(HEAD).lstrip("\r\n ")
    newline = "" if re.match(r"[^\r\n]*\r(?!\r*\n)", start) else "\n"
    delimiter, skipped = None, 0
    with open_text(newline) as file:
        for line in file:
            if sep := _SEP_LINE.fullmatch(line):
                delimiter = sep[1]
            elif line.strip(f'{DELIMITERS}\r\n" ') and not (header is None and _is_comment(line, wanted)):
                break
            skipped += 1
        else:
            return CSVFormat(",", newline, skipped, [])
    first = line.rstrip("\r\n").replace("\r", _BARE_CR)
    delimiter = delimiter or _find_delimiter(first, header, wanted)
    if header is not None:
        return CSVFormat(delimiter, newline, skipped, list(header), has_header=False)
    with open_text(newline) as file:
        found = CSVFormat(delimiter, newline, skipped, [""])
        names = next(csv.reader(_lines(file, found), delimiter=delimiter), [])
    return CSVFormat(delimiter, newline, skipped, [_restored(name).strip().lstrip("\ufeff") for name in names])


def _is_comment(line: str, wanted: Sequence[str]) -> bool:
    """Whether a line above the header is a comment: `# Poems, 2024`, but not a header whose first column is `#`."""
    if not line.startswith("#") or line[1:].lstrip()[:1] in (*DELIMITERS, ""):
        return False
    cells = {cell.strip(' "\r\n') for cell in re.split(f"[{DELIMITERS}]", line)}
    return not wanted or not set(wanted) <= cells


def _find_delimiter(line: str, header: Sequence[str] | None, wanted: Sequence[str]) -> str:
    """The delimiter of a header: the one that leaves the wanted columns, or else the most cells."""

    def fit(delimiter: str) -> tuple[bool, int]:
        names = [name.strip() for name in next(csv.reader([line], delimiter=delimiter), [])]
        fits = len(names) == len(header) if header is not None else set(wanted) <= set(names)
        return fits, len(names)

    return max(DELIMITERS, key=fit)


def _check_header(found: CSVFormat, wanted: Sequence[str], place: str, key: str) -> None:
    missing = set(wanted) - set(found.header)
    cells = cells_in_header(found.header)
    if missing and found.has_header and cells:
        problem = f"the first line is no header, for it has {cells[0][:40]!r}"
        remedy = f"Name the columns in {key}.header, such as [{', '.join(['title', 'text'])}], in their order"
        raise BadInput(place, problem, remedy)
    header_key = f"{key}.header" if found.has_header else None
    check_columns(place, found.header, wanted, key, header_key)
    for column in wanted:
        if list(found.header).count(column) > 1:
            raise BadInput(place, f"two columns are called {column!r}", "Rename one of them in the file's first line")


def cells_in_header(header: Sequence[str]) -> list[str]:
    """What in a first line cannot be the name of a column: a long text, one of several lines, a date or a number."""
    return [name for name in header if len(name) > 60 or "\n" in name or _DATE_OR_NUMBER.fullmatch(name)]


def _fitting_quotes(open_text: Opener, found: CSVFormat) -> CSVFormat:
    """The format with the quoting in which every row fits the header.

    Raises:
        _DoesNotFit: there is none; what the one that comes furthest stumbles over.
    """
    faults: list[_DoesNotFit] = []

    def count(quoting: Quoting) -> int | None:
        try:
            with open_text(found.newline) as file:
                return sum(1 for _ in _rows(file, replace(found, quoting=quoting)))
        except _DoesNotFit as fault:
            faults.append(fault)
            return None

    rows = count("doubled")
    if found.delimiter in "\t|" and found.width > 1 and count("none") not in (None, rows):
        # Every line fits the header: a quote at the start of a cell joins none, for verse has tabs only to indent.
        with open_text(found.newline) as file:
            indented = any(line.startswith(found.delimiter) for line in file)
        if rows is None or not indented:
            return replace(found, quoting="none")
    if rows is not None:
        return found
    for quoting in ("doubled, after a space", "backslash"):
        if count(quoting) is not None:
            return replace(found, quoting=quoting)
    raise max(faults, key=lambda fault: fault.line)


def _with_row_names(open_text: Opener, found: CSVFormat) -> CSVFormat | None:
    """The format of a table as R's `write.table` writes it, whose header has no cell for the rows' numbers.

    None where the rows do not all begin with a number of their own, or where verse may have been cut at its commas.
    """
    if not found.has_header or not all(found.header):
        return None
    try:
        named = _fitting_quotes(open_text, replace(found, header=["", *found.header]))
    except _DoesNotFit:
        return None
    with open_text(named.newline) as file:
        rows = [(cells[0], any(cell.startswith(" ") for cell in cells)) for _, cells in _rows(file, named)]
    are_numbers = all(name.isdecimal() and not cut for name, cut in rows) and len(set(rows)) == len(rows)
    return named if are_numbers else None


def _rows(file: TextIO, found: CSVFormat) -> Iterator[tuple[int, list[str]]]:
    """The rows below the header, each with the line where it begins.

    Raises:
        _DoesNotFit: a row has not as many cells as the header, or a quote is not closed.
    """
    reader = csv.reader(
        _lines(file, found),
        delimiter=found.delimiter,
        quoting=csv.QUOTE_NONE if found.quoting == "none" else csv.QUOTE_MINIMAL,
        skipinitialspace=found.quoting == "doubled, after a space",
        strict=True,
    )
    width, in_header = found.width, found.has_header
    while True:
        line = found.skipped + reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            closed = "" if "unexpected end" in str(error) else " or not doubled"
            raise _DoesNotFit(line, f"a quote in this row is not closed{closed}") from error
        if in_header:
            in_header = False
            continue
        if len(cells) != width:
            if not any(_restored(cell).strip() for cell in cells):
                continue
            while len(cells) > width and not cells[-1].strip():
                cells.pop()
            if len(cells) != width:
                shown = ", ".join(repr(_restored(cell)[:30]) for cell in cells[:5])
                raise _DoesNotFit(line, f"{len(cells)} cells where the header has {width}: {shown}")
        if any("\n" in cell and _holds_rows(cell, place, width, found.delimiter) for place, cell in enumerate(cells)):
            raise _DoesNotFit(line, "a quote in this row is not closed, and the next rows seem to stand in a cell")
        yield line, [_restored(cell) for cell in cells]


def _holds_rows(cell: str, place: int, width: int, delimiter: str) -> bool:
    """Whether a cell is the end of a row, whole rows and the start of one, as where two quotes are stray.

    Each of its lines then has as many delimiters as its part of a row, and no space after one, as verse has it.
    """
    if width == 1 or cell.count(delimiter, 0, cell.index("\n")) != width - place - 1:  # most poems end here
        return False
    first, *between, last = (line.rstrip("\r").split(delimiter) for line in cell.split("\n"))
    return (
        len(last) == place + 1
        and all(len(line) == width for line in between)
        and all(part and not part[0].isspace() for line in (first, *between, last) for part in line)
    )


def _lines(file: TextIO, found: CSVFormat) -> Iterator[str]:
    """The lines from the header on, with what would mislead Python's reader replaced by noncharacters."""
    lines = islice(file, found.skipped, None)
    header = next(lines, "")
    doubled_returns = header.endswith("\r\r\n")
    for line in chain([header], lines):
        line = line.rstrip("\x1a")  # the end of a file of DOS
        if found.newline and "\r" in line:
            body = line.rstrip("\r\n") if doubled_returns else line.removesuffix("\n").removesuffix("\r")
            line = body.replace("\r", _BARE_CR) + line[len(body) :].replace("\r\r", "\r")
        if found.quoting == "backslash" and "\\" in line:
            line = _ESCAPED.sub(lambda escaped: _QUOTE if escaped[1] == '"' else "\\", line)
        yield line


def _restored(cell: str) -> str:
    return cell if cell.isascii() else cell.replace(_BARE_CR, "\r").replace(_QUOTE, '"')


def parquet_rows(file: BinaryIO, wanted: Sequence[str] | None, place: str, key: str) -> Iterator[Row]:
    """The rows of a Parquet file, the wanted columns alone, which may be dotted paths into nested ones; None for all.

    Raises:
        BadInput: a column is not there, or the file is no Parquet.
    """
    try:
        table = pq.ParquetFile(file)
        check_columns(place, table.schema_arrow.names, wanted or [], key)
        for batch in table.iter_batches(_BATCH, columns=wanted):
            yield from batch.to_pylist()
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise BadInput(
            place, f"not Parquet: {' '.join(str(error).split())[:200]}", "Write or fetch it again"
        ) from error
