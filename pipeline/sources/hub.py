"""Poems from a data set of the Hugging Face hub, or from a folder that `datasets` can load."""

import os
from collections.abc import Iterator

from pipeline.common.params import HubSource
from pipeline.common.stage import BadInput
from pipeline.sources.files import check_columns, raw_record
from pipeline.sources.snapshots import SourceDown

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")


def read_hub(source: HubSource, name: str) -> Iterator[dict[str, str | None]]:
    """Yield a raw record for each row of the split; one without an address of its own gets `data set/split#row`.

    Args:
        source: which data set, and which of its columns hold what.
        name: the source's name in params.yaml.

    Raises:
        SourceDown: the hub does not answer.
        BadInput: the data set or its split does not exist, or lacks a mapped column.
    """
    # Here because it takes seconds, which runs without such a source need not wait.
    import datasets
    import httpx

    place = f"params.yaml: scrape.sources.{name}"
    try:
        table = datasets.load_dataset(source.dataset, source.subset, split=source.split, revision=source.revision)
    except (OSError, httpx.HTTPError, ValueError, datasets.exceptions.DatasetsError) as error:
        problem = f"{source.dataset!r} cannot be loaded ({type(error).__name__}: {' '.join(str(error).split())})"
        down = isinstance(error, (ConnectionError, httpx.HTTPError))
        raise (SourceDown if down else BadInput)(
            f"{place}.dataset", problem, "Check its id, subset and split, and the network"
        ) from error
    wanted = [column for column in source.columns.model_dump().values() if column]
    check_columns(f"{source.dataset}/{source.split}", table.column_names, wanted, place)
    for number, row in enumerate(table.select_columns(list(dict.fromkeys(wanted))), start=1):
        yield raw_record(row, source.columns, source, name, f"{source.dataset}/{source.split}#{number}")
