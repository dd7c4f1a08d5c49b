"""Rows as raw records: which column holds which field."""

from collections.abc import Callable, Iterable
from typing import Any

from pipeline.common.params import Columns, Table
from pipeline.common.stage import BadInput
from pipeline.common.tables import RAW_FIELDS
from pipeline.sources.languages import language_code
from pipeline.sources.shapes import UnknownShape, field_of, text_of

Row = dict[str, Any]
Record = dict[str, str | None]
_LISTED = 10  # columns that an error names


def record_maker(columns: Columns, source: Table, name: str) -> Callable[[Row, str], Record]:
    """A function that turns a row, and the address it has without one of its own, into a raw record.

    It raises BadInput for a cell that holds neither text nor lists of it, and for a language of no known name; the
    place is the row's address.

    Args:
        columns: which of the row's cells hold what; a dotted name reaches into nested ones.
        source: says the language and the licence where no column does.
        name: the source's name in params.yaml.
    """
    mapped = {field: column for field, column in columns.model_dump().items() if column}
    usual = dict.fromkeys(RAW_FIELDS) | {"source": name, "licence": source.licence}
    key = f"scrape.sources.{name}.columns"

    def make(row: Row, address: str) -> Record:
        record = usual | {"url": address, "text": ""}
        declared = None
        for field, column in mapped.items():
            try:
                cell = (text_of if field == "text" else field_of)(cell_of(row, column))
            except UnknownShape as shape:
                problem = f"column {column!r} holds {shape}"
                remedy = f"It must hold text, or a list of lines or of stanzas: name another in {key}, or convert it"
                raise BadInput(address, problem, remedy) from shape
            if cell is None:
                continue
            if field == "language":
                declared = _code(cell, address, column, key)
            else:
                record[field] = cell
        record["declared_language"] = declared or source.language
        return record

    return make


def cell_of(row: Row, column: str) -> Any:
    """A row's cell by the name of its column, or by a dotted path into nested objects; None where there is none."""
    if column in row:
        return row[column]
    value: Any = row if "." in column else None
    for key in column.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def check_columns(
    place: str, present: Iterable[str], wanted: Iterable[str], key: str, header_key: str | None = None
) -> None:
    """Raise BadInput if a mapped column is not there, naming those that are.

    Args:
        place: the file, the line or the data set.
        present: its columns.
        wanted: the columns that params.yaml names; of a dotted one the first part may be there.
        key: where params.yaml names the source.
        header_key: where it may name the columns of a file without a header.
    """
    present = list(present)
    for column in wanted:
        if column not in present and column.split(".")[0] not in present:
            remedy = f"Name the right one in {key}.columns"
            if header_key:
                remedy += f", or, where the first line is no header, all of them in {header_key}"
            raise BadInput(place, f"no column {column!r}; {listed(present)}", remedy)


def listed(columns: list[str]) -> str:
    """The columns that have a name, ten at most, as the end of a message."""
    named = [column for column in columns if column.strip()]
    if not named:
        return "none has a name"
    more = f" and {len(named) - _LISTED} more" if len(named) > _LISTED else ""
    return f"it has {', '.join(map(repr, named[:_LISTED]))}{more}"


def _code(cell: str, address: str, column: str, key: str) -> str | None:
    try:
        return language_code(cell)
    except ValueError as error:
        remedy = f"Use ISO 639-1 codes such as en and es, or leave `language` out of {key}"
        raise BadInput(address, f"column {column!r} holds {cell!r}, a language of no known name", remedy) from error
