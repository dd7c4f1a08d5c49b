"""Tables are the same whatever the pieces they were written in, and are read whole or piece by piece."""

import pandas as pd
import pyarrow.parquet as pq
import pytest

from pipeline.common.stage import BadInput
from pipeline.common.tables import POEM_SCHEMA, read_batches, read_table, table_writer, write_table
from tests.support.made_up import made_up_poems


@pytest.fixture
def small_groups(monkeypatch):
    monkeypatch.setattr("pipeline.common.tables.ROW_GROUP", 4)


@pytest.mark.parametrize("rows_a_call", [1, 3, 4, 9, 100])
def test_how_rows_are_dealt_out_does_not_show_in_the_file(tmp_path, small_groups, rows_a_call):
    poems = made_up_poems(10)
    write_table(poems, tmp_path / "whole.parquet", POEM_SCHEMA)
    with table_writer(tmp_path / "pieces.parquet", POEM_SCHEMA) as add:
        for start in range(0, len(poems), rows_a_call):
            add(poems[start : start + rows_a_call])
    assert (tmp_path / "pieces.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    file = pq.ParquetFile(tmp_path / "pieces.parquet")
    sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
    assert sizes[:-1] == [4] * (len(sizes) - 1)


def test_pieces_read_are_the_table_read(tmp_path, small_groups):
    write_table(made_up_poems(10), tmp_path / "poems.parquet", POEM_SCHEMA)
    pieces = list(read_batches(tmp_path / "poems.parquet"))
    assert max(map(len, pieces)) == 4
    assert pd.concat(pieces, ignore_index=True).equals(read_table(tmp_path / "poems.parquet"))
    assert next(list(piece) for piece in read_batches(tmp_path / "poems.parquet", ["words", "text"])) == [
        "words",
        "text",
    ]


def test_a_table_that_fails_half_way_is_not_there(tmp_path):
    with pytest.raises(ZeroDivisionError), table_writer(tmp_path / "poems.parquet", POEM_SCHEMA) as add:
        add(made_up_poems(5))
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_a_table_that_is_absent_is_named(tmp_path):
    with pytest.raises(BadInput, match="no such file"):
        next(read_batches(tmp_path / "poems.parquet"))
