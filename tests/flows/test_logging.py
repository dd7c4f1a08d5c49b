"""Prefect's handler on the root logger does not make other libraries noisy."""

import subprocess
import sys

from tests.support.made_up import ROOT

SORTED_BY_WORKERS = """
from prefect import flow  # puts a handler on the root logger
from pipeline.common.parallel import map_batches
if __name__ == "__main__":
    print(sum(map_batches(sorted, range(2000), workers=2)))
"""


def test_dask_logs_nothing_in_a_process_that_uses_prefect(tmp_path):
    script = tmp_path / "sorted_by_workers.py"
    script.write_text(SORTED_BY_WORKERS)
    ended = subprocess.run(
        [sys.executable, str(script)], cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert ended.stdout == "1999000\n"
    assert "distributed" not in ended.stderr, ended.stderr
