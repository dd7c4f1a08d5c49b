"""Poems from a data set of the Hugging Face hub, or from a folder that `datasets` can load."""

import os
from collections.abc import Iterator

from pipeline.common.params import HubSource
from pipeline.common.stage import BadInput
from pipeline.sources.records import Record, check_columns, record_maker
from pipeline.sources.snapshots import SourceDown

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
_BUSY = {408, 425, 429}  # HTTP statuses that ask to come again, as those from 500 on do


def read_hub(source: HubSource, name: str) -> Iterator[Record]:
    """Yield a raw record for each row of the split; one without an address of its own gets `data set/split#row`.

    Args:
        source: which data set, and which of its columns hold what.
        name: the source's name in params.yaml.

    Raises:
        SourceDown: the hub does not answer, or only that it is busy or at fault.
        BadInput: the data set or its split does not exist, or lacks a mapped column, or a cell holds no text.
    """
    # Here because it takes seconds, which runs without such a source need not wait.
    import datasets
    import httpx2

    key = f"params.yaml: scrape.sources.{name}"
    try:
        table = datasets.load_dataset(source.dataset, source.subset, split=source.split, revision=source.revision)
    except (OSError, httpx2.HTTPError, ValueError, datasets.exceptions.DatasetsError) as error:
        problem = f"{source.dataset!r} cannot be loaded ({type(error).__name__}: {' '.join(str(error).split())})"
        kind = SourceDown if is_down(error) else BadInput
        raise kind(f"{key}.dataset", problem, "Check its id, subset and split, and the network") from error
    wanted = [column for column in source.columns.model_dump().values() if column]
    check_columns(f"{source.dataset}/{source.split}", table.column_names, wanted, key)
    present = {column if column in table.column_names else column.split(".")[0] for column in wanted}
    make = record_maker(source.columns, source, name)
    for number, row in enumerate(table.select_columns(sorted(present)), start=1):
        yield make(row, f"{source.dataset}/{source.split}#{number}")


def is_down(error: BaseException | None) -> bool:
    """Whether it was the hub or the network that failed, by the error or by what caused it, and not the request."""
    import httpx2

    while error is not None:
        if isinstance(error, ConnectionError | TimeoutError | httpx2.TransportError):
            return True
        if isinstance(error, httpx2.HTTPError):
            status = getattr(getattr(error, "response", None), "status_code", 500)
            return status >= 500 or status in _BUSY
        error = error.__cause__ or error.__context__
    return False
