"""Many processes that train together, and one that the memory does not suffice: the curve stays what it is."""

import subprocess
import sys
from ast import literal_eval
from pathlib import Path

import pandas as pd
import pytest
import torch
from transformers import AutoModelForCausalLM

from pipeline import finetune
from pipeline.common.stage import BadInput
from pipeline.modeling.hardware import in_smaller_batches
from pipeline.training import step
from tests.support.made_up import ROOT
from tests.support.trained import KILLED_IN_STEP_5

TWO_PROCESSES = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--main_process_port", "0"]


# More epochs and a gentler rate than other tests, so that there is a curve to compare.
CURVE = {
    "finetune__epochs": 3.0,
    "finetune__learning_rate": 0.003,
    "finetune__evaluate_every": 2,
    "finetune__checkpoint_every": 3,
}


@pytest.fixture
def project(tiny_bases, tokenized):
    """A function that fills a folder up to `tokenize`, with a tiny base, and makes it the working folder."""

    def make(**changes):
        changes = {f"finetune__{name}": value for name, value in changes.items()}
        return tokenized(tiny_bases["llama"], **{**CURVE, **changes})

    return make


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=900)


def outcome() -> tuple[pd.DataFrame, dict[str, torch.Tensor]]:
    return pd.read_csv(finetune.LOSS_CURVE), AutoModelForCausalLM.from_pretrained("models/poet").state_dict()


def assert_same_curve(one: pd.DataFrame, other: pd.DataFrame) -> None:
    """The same numbers but for the order in which float32 adds them up."""
    pd.testing.assert_frame_equal(one, other, rtol=1e-4)


@pytest.mark.slow
def test_two_processes_killed_and_resumed_follow_the_curve_of_one_with_the_same_rows_a_step(project):
    project(batch_size=2)
    Path("killed.py").write_text(f"{KILLED_IN_STEP_5}\nfinetune.main()\n")
    ended = run(*TWO_PROCESSES, "killed.py")
    assert "Signal 9 (SIGKILL)" in ended.stderr, ended.stderr[-3000:]
    assert len(list(finetune.CHECKPOINTS.glob("*/last.pt"))) == 1
    assert not Path("models").exists()
    ended = run(*TWO_PROCESSES, "-m", "pipeline.finetune")
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert ended.stderr.count("Writing model shards: 100%") == 1  # one of them writes
    two, weights_of_two = outcome()

    project(batch_size=4)
    finetune.main()
    one, weights_of_one = outcome()
    assert_same_curve(one, two)
    for name, weight in weights_of_one.items():
        torch.testing.assert_close(weight, weights_of_two[name], atol=5e-3, rtol=2e-2)  # both rounded to bfloat16


@pytest.mark.slow
def test_two_processes_see_each_row_of_an_epoch_once_between_them(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\n"
        "from pathlib import Path\n"
        "from pipeline.training.distributed import shard, this_process\n"
        "from pipeline.training.schedule import rows_of_step\n"
        "seen = [int(row) for step in range(5) for row in shard(rows_of_step(step, 60, 12, seed=0))]\n"
        "Path(sys.argv[1], f'seen-{this_process().process_index}.txt').write_text(repr(seen))\n"
    )
    ended = run(*TWO_PROCESSES, str(script), str(tmp_path))
    assert ended.returncode == 0, ended.stderr[-3000:]
    seen = [literal_eval(file.read_text()) for file in sorted(tmp_path.glob("seen-*.txt"))]
    assert [len(rows) for rows in seen] == [30, 30]
    assert sorted(seen[0] + seen[1]) == list(range(60))


# Out of memory


@pytest.fixture
def short_of_memory(monkeypatch):
    """A function that has a training step with more than so many rows at once ask for memory that no machine has."""

    def limit(most_rows):
        unlimited = step.packed_loss

        def limited(model, rows, dtype):
            if len(rows["input_ids"]) > most_rows:
                torch.empty(2**50)
            return unlimited(model, rows, dtype)

        monkeypatch.setattr(step, "packed_loss", limited)

    return limit


def test_memory_that_ends_halves_the_batch_and_leaves_the_curve(project, short_of_memory, capsys):
    project(batch_size=256, epochs=50.0, method="full")
    finetune.main()
    enough, _ = outcome()
    assert "Out of memory" not in capsys.readouterr().err
    short_of_memory(128)
    finetune.main()
    assert "Out of memory: continuing with batches of 128, more of them per step" in capsys.readouterr().err
    short, _ = outcome()
    assert_same_curve(enough, short)


def test_memory_that_does_not_suffice_for_one_row_stops_with_what_to_do(capsys):
    tried = []

    def work(batch_size):
        tried.append(batch_size)
        return torch.empty(batch_size, 2**50)

    with pytest.raises(BadInput, match=r"finetune\.batch_size: one row does not fit the memory.*block_size"):
        in_smaller_batches(work, 6)
    assert tried == [6, 3, 1]


def test_a_fault_that_is_not_about_memory_is_no_reason_for_smaller_batches():
    with pytest.raises(RuntimeError, match="size"):
        in_smaller_batches(lambda size: torch.ones(size) @ torch.ones(size + 1), 4)
