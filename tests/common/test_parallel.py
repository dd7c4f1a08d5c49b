"""The data engine gives the same on one process, on several, and on a Dask cluster."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from distributed import LocalCluster

from pipeline.common.parallel import map_batches
from pipeline.common.stage import BadInput
from pipeline.language.detector import read_languages

TEXTS = [f"The ferry number {number} leaves the harbour in the rain" for number in range(1700)]
ARGUMENTS = (("en", "es", "fr"), 0)


def test_results_keep_the_order_of_the_items_whatever_the_batches():
    lengths = map_batches(lambda batch: [len(text) for text in batch], TEXTS, workers=1, batch_size=7)
    assert list(lengths) == [len(text) for text in TEXTS]


@pytest.mark.slow
def test_a_cluster_by_its_address_gives_what_this_machine_gives():
    expected = list(map_batches(read_languages, TEXTS, *ARGUMENTS, workers=1))
    assert list(map_batches(read_languages, TEXTS, *ARGUMENTS, workers=2)) == expected
    with LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0") as cluster:
        assert list(map_batches(read_languages, TEXTS, *ARGUMENTS, address=cluster.scheduler_address)) == expected


def test_an_address_where_no_scheduler_answers_is_named(monkeypatch):
    monkeypatch.setattr("pipeline.common.parallel.CONNECT_SECONDS", 0.5)
    with pytest.raises(BadInput, match=r"engine\.address: no Dask scheduler answers at 'tcp://127\.0\.0\.1:9'"):
        next(map_batches(read_languages, TEXTS, *ARGUMENTS, address="tcp://127.0.0.1:9"))


def test_items_are_read_as_results_are_taken(monkeypatch):
    monkeypatch.setattr("pipeline.common.parallel._SMALL", 10)
    read = []
    items = (read.append(number) or number for number in range(10_000))
    results = map_batches(sorted, items, workers=2, batch_size=10)
    assert next(results) == 0
    assert len(read) < 200
    assert list(results) == list(range(1, 10_000))


def refuse(batch):
    raise BadInput("poems.csv", f"{batch[0]} is no poem", "Take it out")


def stumble(batch):
    raise ZeroDivisionError(batch[0])


@pytest.mark.slow
def test_what_goes_wrong_in_a_worker_is_raised_as_if_it_had_gone_wrong_here(monkeypatch):
    monkeypatch.setattr("pipeline.common.parallel._SMALL", 10)
    with pytest.raises(BadInput, match=r"^poems\.csv: 0 is no poem\. Take it out$"):
        list(map_batches(refuse, range(50), workers=2, batch_size=10))
    with pytest.raises(ZeroDivisionError, match=r"^0$"):
        list(map_batches(stumble, range(50), workers=2, batch_size=10))
    assert list(map_batches(sorted, range(50), workers=2, batch_size=10)) == list(range(50))


ENDLESS = """
import time
from pathlib import Path
from pipeline.common.parallel import map_batches
from pipeline.common.stage import stage

def work(batch):
    Path("working").touch()
    time.sleep(0.2)
    return batch

@stage
def main():
    for _ in map_batches(work, range(10_000_000), workers=2):
        pass

if __name__ == "__main__":
    main()
"""


@pytest.mark.slow
@pytest.mark.parametrize("how", ["Ctrl-C", "kill -9"])
def test_a_run_that_is_stopped_takes_its_workers_along(tmp_path, how):
    script, errors = tmp_path / "script.py", tmp_path / "errors"
    script.write_text(ENDLESS)
    with errors.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, script],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            stderr=file,
            start_new_session=True,
        )
    while not (tmp_path / "working").exists():
        assert process.poll() is None, errors.read_text()
        time.sleep(0.1)
    workers = psutil.Process(process.pid).children(recursive=True)
    assert len(workers) >= 2
    if how == "Ctrl-C":
        os.killpg(process.pid, signal.SIGINT)  # a terminal sends it to all of them
        assert process.wait() == 130
        assert "Traceback" not in errors.read_text()
        assert "estrofa: script: stopped." in errors.read_text()
    else:
        process.kill()
        process.wait()
    assert psutil.wait_procs(workers, timeout=60)[1] == []
