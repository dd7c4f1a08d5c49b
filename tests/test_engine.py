"""The data engine gives the same on one process, on several, and on a Dask cluster."""

import pytest
from distributed import LocalCluster

from pipeline.engine import map_batches
from pipeline.language import read_languages
from pipeline.stage import BadInput

TEXTS = [f"The ferry number {number} leaves the harbour in the rain" for number in range(1700)]
ARGUMENTS = (("en", "es", "fr"), 0)


def test_results_keep_the_order_of_the_items_whatever_the_batches():
    lengths = map_batches(lambda batch: [len(text) for text in batch], TEXTS, workers=1, batch_size=7)
    assert list(lengths) == [len(text) for text in TEXTS]


@pytest.mark.slow
def test_a_cluster_by_its_address_gives_what_this_machine_gives():
    expected = list(map_batches(read_languages, TEXTS, *ARGUMENTS, workers=1))
    assert list(map_batches(read_languages, TEXTS, *ARGUMENTS, workers=2)) == expected
    with LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None) as cluster:
        assert list(map_batches(read_languages, TEXTS, *ARGUMENTS, address=cluster.scheduler_address)) == expected


def test_an_address_where_no_scheduler_answers_is_named(monkeypatch):
    monkeypatch.setattr("pipeline.engine.CONNECT_SECONDS", 0.5)
    with pytest.raises(BadInput, match=r"engine\.address: no Dask scheduler answers at 'tcp://127\.0\.0\.1:9'"):
        next(map_batches(read_languages, TEXTS, *ARGUMENTS, address="tcp://127.0.0.1:9"))


def test_items_are_read_as_results_are_taken(monkeypatch):
    monkeypatch.setattr("pipeline.engine._SMALL", 10)
    read = []
    items = (read.append(number) or number for number in range(10_000))
    results = map_batches(sorted, items, workers=2, batch_size=10)
    assert next(results) == 0
    assert len(read) < 200
    assert list(results) == list(range(1, 10_000))
