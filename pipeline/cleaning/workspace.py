"""Poems on disk while *clean* decides about them, so that memory does not grow with their texts."""

import pickle
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.common.cache import temporary_database

Poem = dict[str, Any]

Verdict = tuple[str | None, str | None, str | None, int]  # reason, detail and cluster of the poem in a row
_NAMES = ("broken", "unknown", "shortness", "poem_id", "url", "language", "reason", "detail")
_ADD = f"INSERT INTO verdicts ({', '.join(_NAMES)}) VALUES ({', '.join('?' * len(_NAMES))})"


def quality(poem: Mapping[str, Any]) -> tuple[int, int, int]:
    """A sort key that puts the best copy of a poem first: fewest lost letters, most fields known, most words."""
    known = sum(bool(poem[field]) for field in ("author", "title", "licence", "style", "collection"))
    return poem["text"].count("\ufffd"), -known, -poem["words"]


class Workspace:
    """Poems by row, in the order they came in, and beside them the verdicts. `open_workspace` makes one."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        database.execute("CREATE TABLE poems (row INTEGER PRIMARY KEY, poem BLOB)")
        database.execute("""
            CREATE TABLE verdicts (
                row INTEGER PRIMARY KEY, broken INTEGER, unknown INTEGER, shortness INTEGER, poem_id TEXT, url TEXT,
                language TEXT, reason TEXT, detail TEXT, cluster TEXT
            )
        """)

    def add(self, poem: Poem, fault: tuple[str, str] | None) -> None:
        """Add a poem, with the reason and the detail if it is rejected."""
        order = quality(poem) if fault is None else (None, None, None)
        named = poem["poem_id"], poem["url"] or "", poem["declared_language"] or "undeclared"
        self._database.execute("INSERT INTO poems (poem) VALUES (?)", (pickle.dumps(poem),))
        self._database.execute(_ADD, (*order, *named, *(fault or (None, None))))

    def best_first(self) -> np.ndarray:
        """Fields `row` and `id` of the poems not rejected, the best copy of each before the others."""
        order = "broken, unknown, shortness, poem_id, url, row"
        found = self._database.execute(f"SELECT row, poem_id FROM verdicts WHERE reason IS NULL ORDER BY {order}")
        return np.fromiter(found, dtype=[("row", np.int64), ("id", "S32")])

    def texts(self, rows: Iterable[int]) -> Iterator[str]:
        """The texts of some rows."""
        return (self._poem(int(row))["text"] for row in rows)

    def judge(self, verdicts: Iterable[Verdict]) -> None:
        """Set the verdicts on poems not rejected so far."""
        self._database.executemany("UPDATE verdicts SET reason = ?, detail = ?, cluster = ? WHERE row = ?", verdicts)

    def kept(self) -> Iterator[Poem]:
        """The poems not rejected, by id, each with its cluster."""
        order = "poem_id, broken, unknown, shortness, url, row"
        for row, cluster in self._database.execute(
            f"SELECT row, cluster FROM verdicts WHERE reason IS NULL ORDER BY {order}"
        ):
            yield {**self._poem(row), "cluster": cluster}

    def rejected(self) -> Iterator[Poem]:
        """The poems rejected, by reason and id, each with its reason and detail."""
        order = "reason, poem_id, url, broken, unknown, shortness, row"
        for row, reason, detail in self._database.execute(
            f"SELECT row, reason, detail FROM verdicts WHERE reason IS NOT NULL ORDER BY {order}"
        ):
            yield {**self._poem(row), "reason": reason, "detail": detail}

    def report(self) -> dict[str, Any]:
        """How many are kept, in all and by declared language, in how many clusters; how many rejected, by reason."""
        kept = self._counts("language", "reason IS NULL")
        ((clusters,),) = self._database.execute("SELECT count(DISTINCT cluster) FROM verdicts WHERE reason IS NULL")
        return {
            "poems_kept": sum(kept.values()),
            "kept": kept,
            "clusters": clusters,
            "rejected": self._counts("reason", "reason IS NOT NULL"),
        }

    def _counts(self, column: str, which: str) -> dict[str, int]:
        found = f"SELECT {column}, count(*) FROM verdicts WHERE {which} GROUP BY 1 ORDER BY 1"
        return dict(self._database.execute(found).fetchall())

    def _poem(self, row: int) -> Poem:
        ((poem,),) = self._database.execute("SELECT poem FROM poems WHERE row = ?", (row,))
        return pickle.loads(poem)


@contextmanager
def open_workspace(folder: Path) -> Iterator[Workspace]:
    """Yield an empty workspace, whose files lie in `folder` until the block ends."""
    with temporary_database(folder) as database:
        yield Workspace(database)
