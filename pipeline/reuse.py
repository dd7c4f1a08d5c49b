"""Results kept from one run to the next, so that only what is new or has changed is computed again."""

import hashlib
import inspect
import json
import pickle
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.engine import map_batches
from pipeline.stage import whole_file

Item = TypeVar("Item")
Result = TypeVar("Result")

STORES = Path("data/reuse")  # beside what the stages make, and no output of theirs: DVC would empty it before each run


def code_version(*parts: ModuleType | str) -> str:
    """A digest of what results hang on beside their input: modules of ours by source, libraries by version."""
    said = [version(part) if isinstance(part, str) else inspect.getsource(part) for part in parts]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def map_new(
    function: Callable[..., list[Result]],
    items: Sequence[Item],
    *arguments: Any,
    code: str,
    store: Path | None,
    address: str | None = None,
    workers: int | None = None,
) -> list[Result]:
    """`map_batches`, where the results of items that an earlier run had are read instead of computed.

    Args:
        function: as in `map_batches`; what it returns for an item hangs on that item and the arguments alone.
        items: of what JSON can write.
        arguments: the same for every item, of what JSON can write too.
        code: what `code_version` says of the function.
        store: the table of the last run's results, which this run's replace; None computes everything.
        address: of a Dask scheduler; None for this machine's processes.
        workers: processes on this machine; None for one a core.
    """
    if store is None:
        return map_batches(function, items, *arguments, address=address, workers=workers)
    common = hashlib.blake2b(json.dumps([function.__name__, arguments, code]).encode(), digest_size=16)
    keys = [_key(common, item) for item in items]
    known = _read(store)
    new = {key: item for key, item in zip(keys, items, strict=True) if key not in known}
    found = map_batches(function, list(new.values()), *arguments, address=address, workers=workers)
    results = dict(zip(new, found, strict=True))
    if new or len(known) > len(set(keys)):
        kept = {key: known[key] if key in known else pickle.dumps(results[key]) for key in keys}
        with whole_file(store) as partial:
            pq.write_table(pa.table({"key": list(kept), "result": list(kept.values())}), partial, compression="zstd")
    return [results[key] if key in results else pickle.loads(known[key]) for key in keys]


def _key(common: "hashlib.blake2b", item: Any) -> bytes:
    digest = common.copy()
    digest.update(json.dumps(item).encode())
    return digest.digest()


def _read(store: Path) -> dict[bytes, bytes]:
    """Results by key; none where the file is absent or not whole."""
    try:
        table = pq.read_table(store)
    except (OSError, pa.ArrowInvalid):
        return {}
    return dict(zip(table["key"].to_pylist(), table["result"].to_pylist(), strict=True))
