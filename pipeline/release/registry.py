"""Versions of the model in MLflow's registry: found by alias or number, downloaded and verified.

`register` stores the SHA-256 of every file on the version; every download is checked against it.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import mlflow
import requests
from filelock import FileLock
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from pipeline.common.identity import sha256_of
from pipeline.common.params import Params
from pipeline.common.stage import BadInput, whole_folder
from pipeline.common.tracking import tracking_uri, without_password
from pipeline.modeling.base import cache_folder

MANIFEST_TAG = "poet_sha256"  # JSON: file in the poet's folder -> SHA-256
ABSENT = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")  # the second is MLflow's answer to an unknown alias
HEALTH_SECONDS = 10  # MLflow's own client retries an unreachable server for minutes


@contextmanager
def registry() -> Iterator[MlflowClient]:
    """A client of the registry, in the same store as the runs.

    Raises:
        BadInput: the registry does not answer.
    """
    uri = tracking_uri()
    mlflow.set_tracking_uri(uri)
    try:
        if uri.startswith("http"):
            requests.get(f"{uri.rstrip('/')}/health", timeout=HEALTH_SECONDS).raise_for_status()
        yield MlflowClient()
    except (MlflowException, requests.RequestException) as error:
        problem = f"the registry does not answer ({type(error).__name__})"
        remedy = "Start it with `make mlflow` or correct MLFLOW_TRACKING_URI, then run again; nothing was changed"
        raise BadInput(without_password(uri), problem, remedy) from error


def alias_version(name: str, alias: str) -> ModelVersion | None:
    """The version of a model that an alias points to; None if there is no such alias, model or store yet.

    Raises:
        BadInput: the registry does not answer.
    """
    file = urlsplit(tracking_uri())
    if file.scheme == "sqlite" and not Path(file.path.removeprefix("/")).exists():
        return None  # asking MLflow would create the store
    with registry() as client:
        try:
            return client.get_model_version_by_alias(name, alias)
        except MlflowException as error:
            if error.error_code in ABSENT:
                return None
            raise


def leading_version(params: Params) -> ModelVersion | None:
    """The champion, or else the challenger; None if there is neither.

    Raises:
        BadInput: the registry does not answer.
    """
    name = params.register_.model_name
    return alias_version(name, params.promote.alias) or alias_version(name, params.register_.alias)


def model_version(name: str, version: str | int) -> ModelVersion:
    """A version by its number.

    Raises:
        BadInput: there is none, or the registry does not answer.
    """
    with registry() as client:
        try:
            return client.get_model_version(name, str(version))
        except MlflowException as error:
            if error.error_code in ABSENT:
                remedy = "Choose one that `make mlflow` lists under Models"
                raise BadInput(f"{name} version {version}", "not in the registry", remedy) from error
            raise


def manifest(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file in a folder, by its path relative to the folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256_of(path) for path in files}


def download_version(name: str, version: str | int, folder: Path) -> None:
    """Download a version's model into a folder, which is created whole or not at all.

    Raises:
        BadInput: there is no such version, a file is missing or differs from the one that was registered, or the
            registry does not answer.
    """
    place = f"{name} version {version}"
    found = model_version(name, version)
    remedy = "Restore the artifact store from a backup, or register the model again with `dvc repro -f -s register`"
    if MANIFEST_TAG not in found.tags:
        raise BadInput(place, f"it has no tag {MANIFEST_TAG}, so its files cannot be verified", remedy)
    with whole_folder(folder) as partial, TemporaryDirectory(dir=partial.parent) as scratch:
        try:
            mlflow.set_tracking_uri(tracking_uri())
            files = mlflow.artifacts.download_artifacts(f"models:/{name}/{version}/artifacts/poet", dst_path=scratch)
        except (MlflowException, OSError, requests.RequestException) as error:
            problem = f"its files are not in the artifact store ({type(error).__name__})"
            raise BadInput(place, problem, remedy) from error
        fault = difference(json.loads(found.tags[MANIFEST_TAG]), manifest(Path(files)))
        if fault:
            raise BadInput(place, fault, remedy)
        shutil.copytree(files, partial, dirs_exist_ok=True, copy_function=os.replace)


def fetch_version(name: str, version: str | int) -> Path:
    """The folder of a version's model in the local cache, downloaded once and verified every time.

    Raises:
        BadInput: as `download_version`.
    """
    expected = model_version(name, version).tags.get(MANIFEST_TAG, "")
    folder = cache_folder() / "versions" / hashlib.sha256(expected.encode()).hexdigest()[:16]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not folder.is_dir() or difference(json.loads(expected), manifest(folder)):
            download_version(name, version, folder)
    return folder


def difference(expected: dict[str, str], found: dict[str, str]) -> str | None:
    """The first difference between two manifests, in words; None if they agree."""
    for path, digest in expected.items():
        if path not in found:
            return f"its file {path} is missing"
        if found[path] != digest:
            return f"its file {path} was altered: SHA-256 {found[path][:12]}…, registered as {digest[:12]}…"
    added = set(found) - set(expected)
    return f"it has a file that was not registered: {min(added)}" if added else None
