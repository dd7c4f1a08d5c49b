"""Many processes, or little memory: neither changes what a model learns."""

import subprocess
import sys
from ast import literal_eval
from itertools import product
from pathlib import Path

import pandas as pd
import pytest
import torch
from transformers import AutoModelForCausalLM

from pipeline import finetune
from pipeline.common.stage import BadInput
from pipeline.modeling.hardware import in_smaller_batches
from pipeline.training import step
from pipeline.training.distributed import data_parallel, shard, this_process
from tests.pipeline.test_finetune import prepared
from tests.support.made_up import FAMILIES, ROOT
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
    """A function that runs the stages up to `tokenize` in the working folder, with a tiny base."""

    def make(**changes):
        changes = {f"finetune__{name}": value for name, value in changes.items()}
        return tokenized(tiny_bases["llama"], **{**CURVE, **changes})

    return make


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=900)


def outcome() -> tuple[pd.DataFrame, dict[str, torch.Tensor]]:
    return pd.read_csv(finetune.LOSS_CURVE), AutoModelForCausalLM.from_pretrained("models/poet").state_dict()


def assert_same_curve(one: pd.DataFrame, other: pd.DataFrame) -> None:
    """Assert that two curves differ by rounding in float32 at most."""
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


# The exchange of gradients


def save_gradients(folder: str, *bases: str) -> None:
    """Save loss and gradients of a step on four rows, by base, method and way of exchange; all processes call it.

    Memory suffices for two rows at once in the main process, for one in another.
    """
    rows_that_fit = 2 if this_process().is_main_process else 1
    unlimited = step.packed_loss

    def limited(model, rows, dtype):
        if len(rows["input_ids"]) > rows_that_fit:
            torch.empty(2**50)
        return unlimited(model, rows, dtype)

    step.packed_loss = limited
    rows = {name: shard(column) for name, column in uneven_rows().items()}
    found = {}
    for (family, base), method in product(zip(FAMILIES, bases, strict=True), ("full", "lora")):
        model, _ = prepared(base, method, gradient_checkpointing=family == "llama")
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):  # processes would drop out other numbers
                module.p = 0.0
        loss_module = data_parallel(step.PackedLoss(model.train(), torch.float32))
        for overlap in (False, True, True):  # again, since DistributedDataParallel changes its buckets after a step
            loss, _ = step.train_step(loss_module, rows, 2, overlap)
            gradients = {name: weight.grad for name, weight in model.named_parameters() if weight.requires_grad}
            found[family, method, overlap] = loss.item(), {name: grad.clone() for name, grad in gradients.items()}
    if this_process().is_main_process:
        torch.save(found, Path(folder) / f"{this_process().num_processes}.pt")


def uneven_rows() -> dict[str, torch.Tensor]:
    """Four packed rows, each with another number of labels that count."""
    positions = torch.tensor([[*range(12), *range(10)], [*range(20), 0, 0], [*range(5)] * 4 + [0, 0], [*range(22)]])
    input_ids = torch.randint(3, 300, positions.shape, generator=torch.Generator().manual_seed(0))
    return {"input_ids": input_ids, "labels": input_ids.where(positions > 2, -100), "position_ids": positions}


@pytest.mark.slow
def test_two_processes_exchange_gradients_to_those_of_one(tiny_bases, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\nfrom tests.training.test_distributed import save_gradients\nsave_gradients(*sys.argv[1:])\n"
    )
    for command in ([], TWO_PROCESSES):
        ended = run(*command, str(script), str(tmp_path), *(str(tiny_bases[family]) for family in FAMILIES))
        assert ended.returncode == 0, ended.stderr[-3000:]
    one, two = (torch.load(tmp_path / f"{processes}.pt") for processes in (1, 2))
    assert len(one) == 2 * 2 * len(FAMILIES)
    for case, (loss, gradients) in one.items():
        assert two[case][0] == pytest.approx(loss, rel=1e-5), case
        torch.testing.assert_close(two[case][1], gradients, rtol=1e-4, atol=1e-6)


def test_memory_that_runs_out_in_an_exchange_stops_with_what_to_do():
    class Hungry(torch.autograd.Function):
        @staticmethod
        def forward(ctx, states):
            return states.sum()

        @staticmethod
        def backward(ctx, gradient):
            return torch.empty(2**50)

    with pytest.raises(BadInput, match=r"finetune\.batch_size: a batch of 3 rows .*gradient_accumulation"):
        step.exchange_gradients(Hungry.apply(torch.ones(2, requires_grad=True)), 3)


# Out of memory


@pytest.fixture
def short_of_memory(monkeypatch):
    """A function that makes batches of more than so many rows ask for more memory than any machine has."""

    def limit(most_rows):
        unlimited = step.packed_loss

        def limited(model, rows, dtype):
            if len(rows["input_ids"]) > most_rows:
                torch.empty(2**50)
            return unlimited(model, rows, dtype)

        monkeypatch.setattr(step, "packed_loss", limited)

    return limit


def test_a_batch_that_does_not_fit_is_halved_and_the_curve_stays_the_same(project, short_of_memory, capsys):
    project(batch_size=256, epochs=50.0, method="full")
    finetune.main()
    enough, _ = outcome()
    assert "Out of memory" not in capsys.readouterr().err
    short_of_memory(128)
    finetune.main()
    assert "Out of memory: continuing with batches of 128, more of them per step" in capsys.readouterr().err
    short, _ = outcome()
    assert_same_curve(enough, short)


def test_a_row_that_does_not_fit_stops_with_what_to_do(capsys):
    tried = []

    def work(batch_size):
        tried.append(batch_size)
        return torch.empty(batch_size, 2**50)

    with pytest.raises(BadInput, match=r"finetune\.batch_size: one row does not fit the memory.*block_size"):
        in_smaller_batches(work, 6)
    assert tried == [6, 3, 1]


def test_an_error_that_is_not_about_memory_is_no_reason_for_smaller_batches():
    with pytest.raises(RuntimeError, match="size"):
        in_smaller_batches(lambda size: torch.ones(size) @ torch.ones(size + 1), 4)
