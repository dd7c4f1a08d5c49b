"""The stage *register*: make the tuned model a version in MLflow, with a description, tags and a trial poem."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow import MlflowClient
from ruamel.yaml import YAML

from pipeline.common.params import Params, load_params
from pipeline.common.splits import split_digest, split_rule
from pipeline.common.stage import BadInput, stage
from pipeline.common.tables import read_report, read_table, write_report
from pipeline.common.tracking import ROOT, mlflow_run, provenance, recorded_run_id, uncommitted
from pipeline.metrics.registry import METRICS
from pipeline.metrics.samples import Sample, read_samples, shown
from pipeline.modeling.base import describe_base, licence_of
from pipeline.release.mlflow_model import SIGNATURE
from pipeline.release.registry import MANIFEST_TAG, manifest

POET = Path("models/poet")
SAMPLES = Path("data/evaluation/poems.parquet")
EVALUATION = Path("metrics/evaluate.json")
TEST = Path("data/tokens/test.parquet")
ORIGIN = "origin"  # folder of the run's artifacts
REPORT = Path("metrics/register.json")

# What a version needs besides the pipeline's code, which MLflow stores with it.
REQUIREMENTS = (
    "mlflow",
    "torch",
    "transformers",
    "safetensors",
    "pandas",
    "pydantic",
    "ruamel.yaml",
    "filelock",
    "tqdm",
)
DESCRIPTION_LIMIT = 5000  # characters that MLflow stores
SAMPLE_LINES = 10  # of each sample in the description


def pinned(names: tuple[str, ...], lock: Path) -> list[str]:
    """The exact versions of packages, as pinned in `requirements.txt`.

    Raises:
        BadInput: one of them is not pinned.
    """
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)", lock.read_text(encoding="utf-8"), flags=re.MULTILINE))
    for name in names:
        if name not in pins:
            raise BadInput(str(lock), f"no pin of {name}, which the registered model needs", "Run `make lock`")
    return [f"{name}=={pins[name]}" for name in names]


def data_version(lock: Path) -> str:
    """DVC's hash of the tagged poems that the model was trained on, or "none" if DVC has not run."""
    if not lock.exists():
        return "none"
    stages = YAML(typ="safe").load(lock.read_text(encoding="utf-8")).get("stages", {})
    return next((out["md5"] for out in stages.get("tag", {}).get("outs", []) if out["path"] == "data/tagged"), "none")


def description(params: Params, report: dict[str, Any], samples: list[Sample]) -> str:
    """A short model card in Markdown: what the version is, its metrics beside the base's and human ones, samples."""
    rows = [
        f"| {METRICS[name].label.lower()} | {language} | "
        + " | ".join(
            f"{writers[writer][language]:.3f}" if writer in writers else "" for writer in ("base", "tuned", "human")
        )
        + " |"
        for name, writers in report["values"].items()
        if name in ("bits_per_byte", "language_adherence", "seq_rep_4", "repeated_lines", "loops", "ended")
        for language in params.languages
    ]
    languages = " and ".join(params.languages.values())
    parts = [
        f"A poetry model for {languages}: {describe_base(params.base)}, tuned by Estrofa.",
        f"Licence of the weights: {licence_of(params.base)}.",
        "\n| metric | language | base | tuned | human |\n| --- | --- | ---: | ---: | ---: |",
        *rows,
    ]
    for language, name in params.languages.items():
        for sample in shown(samples, language, 1):
            parts.append(f"\n{name}, asked for {sample.asked_for()}:\n")
            parts += [f"    {line}" for line in sample.tuned.split("\n")[:SAMPLE_LINES]]
    return "\n".join(parts)[:DESCRIPTION_LIMIT]


def example(params: Params) -> pd.DataFrame:
    """An example input: one row per language."""
    prompts = {
        language: lines[0] for language, lines in params.evaluate.prompts.items() if language in params.languages
    }
    return pd.DataFrame({"prompt": prompts.values(), "language": prompts.keys(), "max_words": 40, "seed": 0})


def version_tags(params: Params, test: pd.DataFrame) -> dict[str, str]:
    """The tags of a version: origin, licence, hashes of its files, and the split it was trained under."""
    return provenance() | {
        "base": params.base,
        "method": params.finetune.method,
        "licence": licence_of(params.base),
        "data_md5": data_version(ROOT / "dvc.lock"),
        "params_sha256": hashlib.sha256(params.model_dump_json().encode()).hexdigest(),
        "test_split": split_digest(test),
        "split_rule": split_rule(params),
        MANIFEST_TAG: json.dumps(manifest(POET)),
    }


def log_origin(params: Params) -> None:
    """Log what `ops.restore` needs besides the commit to restore the run's code, data and params."""
    mlflow.log_text(params.model_dump_json(by_alias=True, indent=2), f"{ORIGIN}/params.yaml")  # JSON is valid YAML
    mlflow.log_text(uncommitted(), f"{ORIGIN}/uncommitted.patch")
    mlflow.log_artifacts("metrics", f"{ORIGIN}/metrics")  # stages read them, and they are not in DVC's cache
    if (ROOT / "dvc.lock").exists():
        mlflow.log_artifact(str(ROOT / "dvc.lock"), ORIGIN)


def register(params: Params, report: dict[str, Any], samples: list[Sample]) -> dict[str, Any]:
    """Log the model to the run that trained it, make it a version, have it write a poem, then move the alias to it.

    The alias moves last, so that it never points to a version that does not load.

    Returns:
        What `metrics/register.json` holds.
    """
    name, alias = params.register_.model_name, params.register_.alias
    tags = version_tags(params, read_table(TEST))
    with mlflow_run(recorded_run_id()) as run:
        log_origin(params)
        logged = mlflow.pyfunc.log_model(
            name="poet",
            python_model=str(ROOT / "pipeline" / "release" / "mlflow_model.py"),
            artifacts={"poet": str(POET)},
            code_paths=[str(ROOT / "pipeline")],
            signature=SIGNATURE,
            input_example=example(params),
            model_config={"languages": params.languages, "generation": params.generation.model_dump()},
            pip_requirements=pinned(REQUIREMENTS, ROOT / "requirements.txt"),
        )
        version = mlflow.register_model(logged.model_uri, name, tags=tags).version
        client = MlflowClient()
        client.update_model_version(name, version, description=description(params, report, samples))
        poem = write_one(f"models:/{name}/{version}", example(params).head(1))
        client.set_registered_model_alias(name, alias, version)
    print(f"{name} version {version} is now the {alias}. It writes:\n\n{poem}\n")
    return {"model": name, "version": int(version), "alias": alias, "run_id": run.info.run_id}


def write_one(uri: str, request: pd.DataFrame) -> str:
    """Load a version as its users do and have it write one poem.

    Raises:
        RuntimeError: the poem is empty.
    """
    poem = mlflow.pyfunc.load_model(uri).predict(request)["poem"].iloc[0]
    if not poem.strip():
        raise RuntimeError(f"{uri} wrote an empty poem")
    return poem


@stage
def main() -> None:
    for path in (POET, SAMPLES, EVALUATION):
        if not path.exists():
            raise BadInput(str(path), "not found", "Run `make run` or `dvc repro`, which create it")
    write_report(register(load_params(), read_report(EVALUATION), read_samples(SAMPLES)), REPORT)


if __name__ == "__main__":
    main()
