"""The data engine: one function over many batches, by Dask, on this machine's cores or on a cluster."""

import atexit
import logging
import pickle
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from itertools import chain, islice
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING, Any, TypeVar

import dask
from dask.system import CPU_COUNT
from tqdm import tqdm

from pipeline.common.stage import BadInput

if TYPE_CHECKING:
    from distributed import Client

Item = TypeVar("Item")
Result = TypeVar("Result")

CONNECT_SECONDS = 10.0
_SMALL = 1500  # items below which starting worker processes takes longer than they save
_AHEAD = 3  # batches submitted per worker: enough that none is idle, few enough that memory stays small


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

    Items are read as results are consumed, so only a few batches are in memory. The batches, and therefore the results,
    do not depend on the number of workers.

    Args:
        function: takes a list of items and the arguments, returns a list.
        items: all items.
        arguments: the same for every batch.
        address: of a Dask scheduler, such as `tcp://host:8786`; None for this machine's processes.
        workers: processes on this machine; None for one per core.
        batch_size: items per batch.

    Raises:
        BadInput: no scheduler answers at `address`.
        Exception: whatever the function raises, wherever it runs.
    """
    rest = iter(items)
    first = list(islice(rest, _SMALL))
    small = len(first) < _SMALL
    batches = tqdm(in_batches(chain(first, rest), batch_size), function.__name__, unit=" batches", disable=small)
    del first  # the batches keep what is left of it
    workers = workers or CPU_COUNT
    if address is None and (workers == 1 or small):
        for batch in batches:
            yield from function(batch, *arguments)
        return
    with _client(address, workers) as client:
        ahead = _AHEAD * (workers if address is None else max(1, sum(client.ncores().values())))
        under_way = deque()
        pickled_arguments = pickle.dumps(arguments)
        for batch in batches:
            under_way.append(client.submit(_apply, function, pickle.dumps(batch), pickled_arguments, pure=False))
            if len(under_way) > ahead:
                yield from pickle.loads(under_way.popleft().result())
        while under_way:
            yield from pickle.loads(under_way.popleft().result())


def _apply(function: Callable[..., list[Result]], batch: bytes, arguments: bytes) -> bytes:
    """What a worker does. Bytes travel, since Dask looks through anything else piece by piece, which takes longer."""
    return pickle.dumps(function(pickle.loads(batch), *pickle.loads(arguments)))


@contextmanager
def _client(address: str | None, workers: int) -> Iterator["Client"]:
    """Yield a client of the scheduler at an address, or of this machine's processes."""
    if address is None:
        yield _local_client(workers)
        return
    from distributed import Client  # costs a second to import, which every worker process would pay

    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except OSError as error:
        problem = f"no Dask scheduler answers at {address!r}"
        raise BadInput("params.yaml: engine.address", problem, "Start one, or set it to null") from error
    with client:
        yield client


@cache
def _local_client(workers: int) -> "Client":
    """A client of processes that live as long as this one, because each takes a second or two for its imports."""
    from distributed import Client, LocalCluster

    # Where something else logs first, such as Prefect or pytest, `silence_logs` below silences nothing.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    # By default Dask has workers return large arrays to the system at once, which took a quarter of the time of `tag`.
    environment = {"OMP_NUM_THREADS": 1, "DASK_LOGGING__DISTRIBUTED": "critical"}
    dask.config.set({"distributed.nanny.pre-spawn-environ": environment})
    dask.config.set({"distributed.worker.profile.enabled": False})
    stack = ExitStack()
    atexit.register(stack.close)
    # A terminal sends Ctrl-C to workers too. They inherit that it is blocked, so that this process ends them in order.
    resource_tracker.ensure_running()  # or else it would unblock the signal when it starts with the first worker
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        cluster = LocalCluster(
            n_workers=0,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",  # None would take a fixed port
            memory_limit=None,  # otherwise a worker with a large batch is killed and restarted
            silence_logs=logging.CRITICAL,  # errors in a batch are raised here
        )
        stack.enter_context(cluster).scale(workers)  # does not wait: input is read while they start
        return stack.enter_context(Client(cluster, set_as_default=False, direct_to_workers=True))
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
