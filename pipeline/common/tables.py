"""The table of poems: its columns from `clean` to `tokenize`, and how tables and reports are stored."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.common.stage import BadInput, whole_file

POEM_SCHEMA = pa.schema(
    [
        pa.field("poem_id", pa.string(), nullable=False),  # digest of source and raw text, with -001 for a part
        pa.field("source", pa.string(), nullable=False),  # the source's name in params.yaml
        pa.field("url", pa.string()),  # the page, or the file and row, that it came from
        pa.field("title", pa.string()),
        pa.field("author", pa.string()),
        pa.field("collection", pa.string()),
        pa.field("year", pa.int32()),  # of writing or print, as the source has it
        pa.field("style", pa.string()),  # the form or school the source names, such as "sonnet"
        pa.field("licence", pa.string()),
        pa.field("declared_language", pa.string()),  # code that the source gives
        pa.field("language", pa.string()),  # code detected by `tag`; null before it
        pa.field("language_confidence", pa.float64()),  # probability in [0, 1]; null before `tag`
        pa.field("cluster", pa.string(), nullable=False),  # shared by poems that resemble each other
        pa.field("lines", pa.int32(), nullable=False),  # lines with text
        pa.field("stanzas", pa.int32(), nullable=False),
        pa.field("words", pa.int32(), nullable=False),
        pa.field("part", pa.int32()),  # of a long poem that `clean` cut, from 1; null for a whole poem
        pa.field("text", pa.string(), nullable=False),  # lines end in \n alone, stanzas in one blank line
    ]
)

REJECT_SCHEMA = pa.schema(
    [
        *(field.with_nullable(True) for field in POEM_SCHEMA),
        pa.field("reason", pa.string(), nullable=False),  # the name of the rule, such as "too short"
        pa.field("detail", pa.string()),  # the value that broke the rule, or the poem it was compared with
    ]
)

ROW_GROUP = 5000  # rows that a Parquet file writes and reads together: about 10 MB of poems

# A raw record is what a source yields, before `clean`: one JSON object a line.
RAW_FIELDS = ("source", "url", "title", "author", "collection", "year", "style", "licence", "declared_language", "text")


def part_id(poem_id: str, number: int) -> str:
    """The id of part `number` of a poem that was cut; the poem's own id ends at the hyphen."""
    return f"{poem_id}-{number:03}"


@contextmanager
def table_writer(path: Path, schema: pa.Schema) -> Iterator[Callable[[pd.DataFrame], None]]:
    """Yield a function that adds rows to a Parquet file with exactly the columns and types of `schema`.

    Missing columns become null. The file's bytes depend on the rows alone, not on how many each call adds. It appears
    when the block ends, and does not if the block fails.
    """
    waiting: list[pa.Table] = []

    def add(rows: pd.DataFrame) -> None:
        columns = rows.reindex(columns=schema.names)
        waiting.append(pa.Table.from_pandas(columns, schema=schema, preserve_index=False).replace_schema_metadata())
        if sum(table.num_rows for table in waiting) >= ROW_GROUP:
            rows = pa.concat_tables(waiting)
            whole = len(rows) - len(rows) % ROW_GROUP
            writer.write_table(rows[:whole].combine_chunks(), row_group_size=ROW_GROUP)
            waiting[:] = [rows[whole:]]

    with whole_file(path) as partial, pq.ParquetWriter(partial, schema) as writer:
        yield add
        if waiting:
            writer.write_table(pa.concat_tables(waiting).combine_chunks())


def write_table(table: pd.DataFrame, path: Path, schema: pa.Schema) -> None:
    """Write `table` as Parquet with exactly the columns and types of `schema`; missing columns become null."""
    with table_writer(path, schema) as add:
        add(table)


def read_table(path: Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Read a table of poems or rejects. Missing values are None, since pandas' NaN is truthy.

    Args:
        path: the table.
        columns: which to read; None for all.

    Raises:
        BadInput: the file does not exist, usually because an earlier stage has not run.
    """
    return _to_pandas(_open_table(path).read(columns))


def read_batches(path: Path, columns: Sequence[str] | None = None) -> Iterator[pd.DataFrame]:
    """Read a table as `read_table` does, `ROW_GROUP` rows at a time.

    Raises:
        BadInput: as in `read_table`.
    """
    table = _open_table(path)
    for batch in table.iter_batches(ROW_GROUP, columns=columns):
        yield _to_pandas(pa.Table.from_batches([batch]))


def _open_table(path: Path) -> pq.ParquetFile:
    if not path.exists():
        raise BadInput(str(path), "no such file", "Run `make run`, or `dvc repro`, which make it first")
    return pq.ParquetFile(path)


def _to_pandas(rows: pa.Table) -> pd.DataFrame:
    table = rows.to_pandas(types_mapper={pa.string(): pd.ArrowDtype(pa.string())}.get)
    strings = {name: table[name] for name in table.select_dtypes(pd.ArrowDtype(pa.string()))}
    numbers = {name: table[name].astype("Int32") for name in table.columns.intersection(["year", "part"])}
    missing_is_none = {
        name: column.astype(object).where(column.notna(), None) for name, column in {**strings, **numbers}.items()
    }
    return table.assign(**missing_is_none)


def write_report(report: dict[str, Any], path: Path) -> None:
    """Write a stage's report as JSON that people and DVC can both read."""
    with whole_file(path) as partial:
        partial.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_report(path: Path) -> dict[str, Any]:
    """Read what `write_report` wrote."""
    return json.loads(path.read_text(encoding="utf-8"))
