"""The data engine: one function over many batches, on this machine's cores or on a Dask cluster."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from functools import cache
from itertools import chain, islice
from multiprocessing import get_context
from typing import Any, TypeVar

from dask.system import CPU_COUNT
from tqdm import tqdm

from pipeline.stage import BadInput

Item = TypeVar("Item")
Result = TypeVar("Result")

CONNECT_SECONDS = 10.0
_SMALL = 1500  # items below which starting worker processes costs more than they save
_AHEAD = 3  # batches a worker is given ahead of the one waited for, so that none is idle and few are held


def in_batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Consecutive lists of `size` items; the last may be shorter."""
    rest = iter(items)
    return iter(lambda: list(islice(rest, size)), [])


def map_batches(
    function: Callable[..., list[Result]],
    items: Iterable[Item],
    *arguments: Any,
    address: str | None = None,
    workers: int | None = None,
    batch_size: int = 500,
) -> Iterator[Result]:
    """Apply `function(batch, *arguments)` to consecutive batches and yield the items of what it returns, in order.

    Items are read as results are taken: a few batches are held, however many there are. The batches do not depend on
    the number of workers, so neither does the result.

    Args:
        function: takes a list of items and the arguments, returns a list.
        items: all items.
        arguments: the same for every batch.
        address: of a Dask scheduler, such as `tcp://host:8786`; None for this machine's processes.
        workers: processes on this machine; None for one a core.
        batch_size: items a batch.

    Raises:
        BadInput: no scheduler answers at `address`.
    """
    rest = iter(items)
    first = list(islice(rest, _SMALL))
    small = len(first) < _SMALL
    batches = tqdm(in_batches(chain(first, rest), batch_size), function.__name__, unit=" batches", disable=small)
    del first  # the batches hold what is left of it
    workers = workers or CPU_COUNT
    if address is None and (workers == 1 or small):
        for batch in batches:
            yield from function(batch, *arguments)
        return
    with _executor(address, workers) as (executor, cores):
        under_way = deque()
        for batch in batches:
            under_way.append(executor.submit(function, batch, *arguments))
            if len(under_way) > _AHEAD * cores:
                yield from under_way.popleft().result()
        while under_way:
            yield from under_way.popleft().result()


@contextmanager
def _executor(address: str | None, workers: int) -> Iterator[tuple[Executor, int]]:
    """Yield what runs functions, this machine's processes or the scheduler at an address, and how many at once."""
    if address is None:
        yield _pool(workers), workers
        return
    from distributed import Client  # costs a second to import, which every worker process would pay

    try:
        client = Client(address, timeout=CONNECT_SECONDS)
    except OSError as error:
        problem = f"no Dask scheduler answers at {address!r}"
        raise BadInput("params.yaml: engine.address", problem, "Start one, or set it to null") from error
    with client, client.get_executor() as executor:
        yield executor, max(1, sum(client.ncores().values()))


@cache
def _pool(workers: int) -> ProcessPoolExecutor:
    """Processes that live as long as this one, since each takes a second or two to import what it needs."""
    return ProcessPoolExecutor(workers, mp_context=get_context("spawn"))
