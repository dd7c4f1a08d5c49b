"""Results kept from one run to the next, so that only what is new or has changed is computed again."""

import hashlib
import json
import pickle
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any, Generic, TypeVar

from pipeline.common.parallel import in_batches, map_batches

Item = TypeVar("Item")
Result = TypeVar("Result")

STORES = Path("data/reuse")  # beside the outputs of stages, but not one: DVC would empty it before each run
_KEY_BYTES = 16
_BATCH = 500


def code_version(*parts: ModuleType | str) -> str:
    """A digest of what results depend on beside their input.

    Args:
        parts: modules of ours, which count by their source; packages, by every file in their folders; and names of
            libraries, by their version.
    """
    return hashlib.sha256(b"".join(map(_version, parts))).hexdigest()


def _version(part: ModuleType | str) -> bytes:
    if isinstance(part, str):
        return hashlib.sha256(version(part).encode()).digest()
    path = Path(part.__file__)
    files = [path] if path.name != "__init__.py" else sorted(path.parent.rglob("*"))
    contents = (file.read_bytes() for file in files if file.is_file() and file.suffix != ".pyc")
    return b"".join(hashlib.sha256(content).digest() for content in contents)


@contextmanager
def temporary_database(folder: Path | None = None) -> Iterator[sqlite3.Connection]:
    """Yield an empty SQLite database on disk, in one transaction, that is removed when the block ends.

    Args:
        folder: where its file lies; None for the system's place for temporary files.
    """
    with (
        TemporaryDirectory(prefix="estrofa-", dir=folder) as temporary,
        closing(sqlite3.connect(Path(temporary, "rows.sqlite"), isolation_level=None)) as database,
    ):
        database.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN")
        yield database


class Results(Generic[Result]):
    """Results in the order of their items. Each pass over them reads them from disk, some hundred at a time."""

    def __init__(self, store: Path, keys: bytes, temporary: TemporaryDirectory | None) -> None:
        self._store, self._keys = store, keys
        self._temporary = temporary  # is removed with this object

    def __len__(self) -> int:
        return len(self._keys) // _KEY_BYTES

    def __iter__(self) -> Iterator[Result]:
        return self.at(range(len(self)))

    def at(self, places: Iterable[int]) -> Iterator[Result]:
        """The results at some places, in the order of the places."""
        with closing(sqlite3.connect(self._store)) as database:
            for batch in in_batches(places, _BATCH):
                keys = [self._keys[place * _KEY_BYTES : (place + 1) * _KEY_BYTES] for place in batch]
                found = dict(_find("key, result", keys, database))
                for key in keys:
                    yield pickle.loads(found[key])


def map_new(
    function: Callable[..., list[Result]],
    items: Iterable[Item],
    *arguments: Any,
    code: str,
    store: Path | None,
    address: str | None = None,
    workers: int | None = None,
) -> Results[Result]:
    """`map_batches` that computes only what an earlier run did not.

    All items are read before this returns. Results are stored as they come, so a run that is stopped keeps them.

    Args:
        function: as in `map_batches`; its result for an item depends on that item and the arguments alone.
        items: anything that JSON can hold.
        arguments: the same for every item; anything that JSON can hold.
        code: the `code_version` of the function.
        store: SQLite file of the last run's results, which this run's replace; None to keep none.
        address: of a Dask scheduler; None for this machine's processes.
        workers: processes on this machine; None for one per core.
    """
    temporary = TemporaryDirectory(prefix="estrofa-") if store is None else None
    store = store or Path(temporary.name, "results.sqlite")
    common = hashlib.blake2b(json.dumps([function.__name__, arguments, code]).encode(), digest_size=_KEY_BYTES)
    keys, computing = bytearray(), deque()
    with closing(_open(store)) as database:

        def new_items() -> Iterator[Item]:
            for batch in in_batches(items, _BATCH):
                by_key = {}
                for item in batch:
                    key = _key(common, item)
                    keys.extend(key)
                    by_key[key] = item
                database.executemany("INSERT OR IGNORE INTO used VALUES (?)", ((key,) for key in by_key))
                known = {key for (key,) in _find("key", list(by_key), database)}
                for key, item in by_key.items():
                    if key not in known:
                        computing.append(key)
                        yield item

        results = map_batches(function, new_items(), *arguments, address=address, workers=workers)
        for batch in in_batches(results, _BATCH):
            rows = [(computing.popleft(), pickle.dumps(result)) for result in batch]
            with database:
                database.executemany("INSERT OR IGNORE INTO results VALUES (?, ?)", rows)
        with database:
            database.execute("DELETE FROM results WHERE key NOT IN (SELECT key FROM used)")
    return Results(store, bytes(keys), temporary)


def _key(common: "hashlib.blake2b", item: Any) -> bytes:
    digest = common.copy()
    digest.update(json.dumps(item).encode())
    return digest.digest()


def _find(columns: str, keys: list[bytes], database: sqlite3.Connection) -> sqlite3.Cursor:
    places = ", ".join("?" * len(keys))
    return database.execute(f"SELECT {columns} FROM results WHERE key IN ({places})", keys)


def _open(store: Path) -> sqlite3.Connection:
    """The store; a new one where it is absent or damaged."""
    store.parent.mkdir(parents=True, exist_ok=True)
    database = sqlite3.connect(store)
    try:
        _prepare(database)
    except sqlite3.DatabaseError:
        database.close()
        store.unlink()
        database = sqlite3.connect(store)
        _prepare(database)
    return database


def _prepare(database: sqlite3.Connection) -> None:
    database.execute("PRAGMA synchronous = OFF")  # a store that a power cut damages is made again
    database.execute("PRAGMA cache_size = -65536")  # 64 MiB, for the keys
    database.execute("CREATE TABLE IF NOT EXISTS results (key BLOB PRIMARY KEY, result BLOB)")
    database.execute("CREATE TEMP TABLE used (key BLOB PRIMARY KEY) WITHOUT ROWID")
