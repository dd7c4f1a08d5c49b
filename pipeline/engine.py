"""The data engine: one function over many batches, on this machine's cores or on a Dask cluster."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import cache
from multiprocessing import get_context
from typing import Any, TypeVar

import dask
from dask.system import CPU_COUNT
from tqdm import tqdm
from tqdm.dask import TqdmCallback

from pipeline.stage import BadInput

Item = TypeVar("Item")
Result = TypeVar("Result")

CONNECT_SECONDS = 10.0
_SMALL = 1500  # items below which starting worker processes costs more than they save


def map_batches(
    function: Callable[..., list[Result]],
    items: Sequence[Item],
    *arguments: Any,
    address: str | None = None,
    workers: int | None = None,
    batch_size: int = 500,
) -> list[Result]:
    """Apply `function(batch, *arguments)` to consecutive batches and join what it returns, in order.

    The batches do not depend on the number of workers, so neither does the result.

    Args:
        function: takes a batch of items and the arguments, returns a list.
        items: all items.
        arguments: the same for every batch.
        address: of a Dask scheduler, such as `tcp://host:8786`; None for this machine's processes.
        workers: processes on this machine; None for one a core.
        batch_size: items a batch.

    Raises:
        BadInput: no scheduler answers at `address`.
    """
    batches = [items[start : start + batch_size] for start in range(0, len(items), batch_size)]
    workers = workers or CPU_COUNT
    if address is None and (workers == 1 or len(items) < _SMALL):
        progress = tqdm(batches, desc=function.__name__, unit=" batches", disable=len(items) < _SMALL)
        return [result for batch in progress for result in function(batch, *arguments)]
    tasks = [dask.delayed(function)(batch, *arguments) for batch in batches]
    with _scheduler(address, workers) as options, TqdmCallback(desc=function.__name__, unit=" batches"):
        parts = dask.compute(*tasks, **options)
    return [result for part in parts for result in part]


@contextmanager
def _scheduler(address: str | None, workers: int) -> Iterator[dict[str, Any]]:
    """Yield Dask's options for this machine's processes or for the scheduler at an address."""
    if address is None:
        yield {"scheduler": "processes", "pool": _pool(workers), "chunksize": 1}
        return
    from distributed import Client  # costs a second to import, which every worker process would pay

    try:
        client = Client(address, timeout=CONNECT_SECONDS)
    except OSError as error:
        problem = f"no Dask scheduler answers at {address!r}"
        raise BadInput("params.yaml: engine.address", problem, "Start one, or set it to null") from error
    with client:
        yield {"scheduler": client}


@cache
def _pool(workers: int) -> ProcessPoolExecutor:
    """Processes that live as long as this one, since each takes a second or two to import what it needs."""
    return ProcessPoolExecutor(workers, mp_context=get_context("spawn"))
