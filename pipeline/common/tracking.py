"""MLflow: where runs are stored, how a run is opened, and what identifies it.

`python -m pipeline.common.tracking` starts the MLflow UI on the same store.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "true")

import mlflow
from mlflow.exceptions import MlflowException

from pipeline.common.identity import git, sha256_of
from pipeline.common.tables import read_report

ROOT = Path(__file__).resolve().parents[2]
EXPERIMENT = "estrofa"
RUN_FILE = Path("models/run.json")


def tracking_uri() -> str:
    """`MLFLOW_TRACKING_URI`, or by default an SQLite file in the repository's root."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{ROOT / 'mlflow.db'}"


def without_password(uri: str) -> str:
    """An address that is safe to print."""
    parts = urlsplit(uri)
    return uri.replace(f":{parts.password}@", ":***@") if parts.password else uri


@contextmanager
def mlflow_run(run_id: str | None = None) -> Iterator[mlflow.ActiveRun]:
    """Open a run of the experiment `estrofa`.

    Args:
        run_id: of a run to reopen. If the store lacks it, because the model was made on another machine or the store
            was deleted, a new run is opened.
    """
    mlflow.set_tracking_uri(tracking_uri())
    if mlflow.get_experiment_by_name(EXPERIMENT) is None:
        # A server decides where artifacts go; with SQLite they go into a folder beside the file.
        database = tracking_uri().removeprefix("sqlite:///")
        artifacts = (Path(database).resolve().parent / "mlartifacts").as_uri()
        mlflow.create_experiment(EXPERIMENT, artifact_location=artifacts if database != tracking_uri() else None)
    mlflow.set_experiment(EXPERIMENT)
    if run_id is not None:
        try:
            mlflow.get_run(run_id)
        except MlflowException:
            run_id = None
    with mlflow.start_run(run_id=run_id) as run:
        mlflow.set_tags(provenance())
        yield run


def provenance() -> dict[str, str]:
    """A run's origin: the git commit, whether the working tree differs from it, and the hash of dvc.lock."""
    lock = ROOT / "dvc.lock"
    changes = git(ROOT, "status", "--porcelain", "--untracked-files=no", check=False)
    return {
        "git_commit": git(ROOT, "rev-parse", "--verify", "--quiet", "HEAD", check=False) or "none",
        "git_dirty": str(bool(changes)).lower(),
        "dvc_lock_sha256": sha256_of(lock) if lock.exists() else "none",
    }


def uncommitted() -> str:
    """The uncommitted edits to the code, as a patch; params.yaml and dvc.lock are logged whole instead."""
    others = (":!params.yaml", ":!dvc.lock", ":!metrics", ":!plots")
    return git(ROOT, "diff", "HEAD", "--binary", "--", ".", *others, check=False)


def recorded_run_id() -> str | None:
    """The run that `finetune` recorded for later stages, or None."""
    return read_report(RUN_FILE)["run_id"] if RUN_FILE.exists() else None


def artifact_page(run_id: str, path: str) -> str | None:
    """The address of a run's artifact in the MLflow UI, on the tracking server or as `make mlflow` serves it.

    None if the store lacks the run.
    """
    mlflow.set_tracking_uri(tracking_uri())
    try:
        experiment = mlflow.get_run(run_id).info.experiment_id
    except MlflowException:
        return None
    server = without_password(tracking_uri()) if tracking_uri().startswith("http") else "http://127.0.0.1:5000"
    return f"{server.rstrip('/')}/#/experiments/{experiment}/runs/{run_id}/artifacts/{path}"


if __name__ == "__main__":
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", tracking_uri(), "--host", "127.0.0.1"]
    sys.exit(subprocess.run(command).returncode)
