"""A folder in which `tokenize` has run on made-up poems with a tiny base, for tests that train."""

import pytest

from pipeline import tokenize
from tests.support.made_up import ROOT, forget_champions, made_up_poems, write_project

SETTINGS = {
    "tokenize.block_size": 256,
    "tokenize.validation_share": 0.15,
    "tokenize.test_share": 0.15,
    "finetune.precision": "float32",
    "finetune.max_tokens": None,
    "finetune.epochs": 2.0,
    "finetune.batch_size": 2,
    "finetune.learning_rate": 0.01,
    "finetune.evaluate_every": 4,
    "finetune.checkpoint_every": 4,
}

# To run before `finetune.main()` in a process: it is killed in the middle of its fifth step.
KILLED_IN_STEP_5 = """
import os, signal
from pipeline import finetune
forward, steps = finetune.train_step, iter(range(4))
def train_step(*arguments):
    done = forward(*arguments)
    if next(steps, None) is None:
        os.kill(os.getpid(), signal.SIGKILL)
    return done
finetune.train_step = train_step
"""


@pytest.fixture
def tokenized(tmp_path, monkeypatch, mlflow_store):
    """A function that runs the stages up to `tokenize` with a base and params, given as `section__key`."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_store)
    forget_champions(mlflow_store)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    def make(base, **changes):
        changes = {name.replace("__", "."): value for name, value in changes.items()}
        params = write_project(tmp_path, made_up_poems(40), {"base": str(base), **SETTINGS, **changes})
        monkeypatch.chdir(tmp_path)
        tokenize.main()
        return params

    return make
