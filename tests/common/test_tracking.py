"""Runs are stored in one place, reopened by their id, and tagged with what made them."""

import hashlib
import json

import mlflow
import pytest

from pipeline.common import tracking
from pipeline.common.identity import git


@pytest.fixture(autouse=True)
def store(monkeypatch, mlflow_store):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_store)


def test_without_an_address_runs_are_stored_in_the_repository(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert tracking.tracking_uri() == f"sqlite:///{tracking.ROOT}/mlflow.db"


def test_a_run_is_reopened_by_its_id():
    with tracking.mlflow_run() as run:
        mlflow.log_metric("one", 1.0)
    with tracking.mlflow_run(run.info.run_id) as again:
        mlflow.log_metric("two", 2.0)
    assert again.info.run_id == run.info.run_id
    found = mlflow.get_run(run.info.run_id)
    assert found.data.metrics == {"one": 1.0, "two": 2.0}
    assert mlflow.get_experiment(found.info.experiment_id).name == "estrofa"


def test_a_run_that_the_store_lacks_is_replaced_by_a_new_one():
    with tracking.mlflow_run("0" * 32) as run:
        assert run.info.run_id != "0" * 32


def test_a_run_is_tagged_with_its_commit_and_data(tmp_path, monkeypatch):
    monkeypatch.setattr(tracking, "ROOT", tmp_path)
    assert tracking.provenance() == {"git_commit": "none", "git_dirty": "false", "dvc_lock_sha256": "none"}
    git(tmp_path, "init", "--quiet")
    (tmp_path / "dvc.lock").write_text("schema: '2.0'\n")
    git(tmp_path, "add", "dvc.lock")
    author = ("-c", "user.name=a", "-c", "user.email=a@b")
    git(tmp_path, *author, "commit", "--quiet", "-m", "data")
    clean = tracking.provenance()
    assert clean["git_commit"] == git(tmp_path, "rev-parse", "HEAD") != ""
    assert clean["git_dirty"] == "false"
    assert clean["dvc_lock_sha256"] == hashlib.sha256(b"schema: '2.0'\n").hexdigest()
    (tmp_path / "dvc.lock").write_text("schema: '3.0'\n")
    assert tracking.provenance()["git_dirty"] == "true"


def test_the_run_of_a_model_is_recorded_beside_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert tracking.recorded_run_id() is None
    tracking.RUN_FILE.parent.mkdir()
    tracking.RUN_FILE.write_text(json.dumps({"run_id": "abc"}))
    assert tracking.recorded_run_id() == "abc"
