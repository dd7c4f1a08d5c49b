"""A project that is ready for `evaluate`: split poems, a base, a tuned model and its run, all tiny."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM

from pipeline import tokenize
from pipeline.common.params import Params
from pipeline.common.tables import write_report
from pipeline.common.tracking import mlflow_run
from pipeline.modeling.base import load_base
from tests.support.made_up import forget_champions, made_up_poems, write_project


@contextmanager
def working_project(folder: Path, base: Path, mlflow_store: str) -> Iterator[Params]:
    """Make `folder` such a project and the working directory while open, with its runs in `mlflow_store`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", mlflow_store)
        patch.chdir(folder)
        forget_champions(mlflow_store)
        yield trained_project(folder, base)


def trained_project(folder: Path, base: Path) -> Params:
    """Fill `folder`, which must be the working directory. The tuned model is the base with language tokens."""
    changes = {
        "base": str(base),
        "tokenize.block_size": 128,
        "generation.max_words": 20,
        "evaluate.poems_per_language": 4,
        "evaluate.sentence_model": str(base),
    }
    params = write_project(folder, made_up_poems(40), changes)
    tokenize.main()
    _, tokenizer = load_base(base)
    tokenize.add_language_tokens(tokenizer, list(params.languages))
    model = AutoModelForCausalLM.from_pretrained(base)
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    model.save_pretrained(folder / "models/poet")
    tokenizer.save_pretrained(folder / "models/poet")
    with mlflow_run() as run:
        write_report({"run_id": run.info.run_id}, folder / "models/run.json")
    return params
