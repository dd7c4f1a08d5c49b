"""`mlflow models serve` on a version answers as any MLflow model does: poems for a table, 400 for what cannot be."""

import os
import subprocess
import sys

import mlflow
import pytest
import requests
import torch

from ops.servers import answers
from pipeline.release.mlflow_model import SIGNATURE
from tests.support.made_up import ROOT, free_port, tiny_poet, wait_until

GENERATION = {"temperature": 1.0, "top_p": 0.9, "top_k": 40, "max_words": 30, "block_loops": True}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The address of a server over a version that was registered in a store of its own."""
    folder = tmp_path_factory.mktemp("served")
    tiny_poet(folder / "poet", torch.float32)
    before, store = mlflow.get_tracking_uri(), f"sqlite:///{folder}/mlflow.db"
    mlflow.set_tracking_uri(store)
    mlflow.create_experiment("served", artifact_location=(folder / "artifacts").as_uri())
    mlflow.set_experiment("served")
    with mlflow.start_run():
        mlflow.pyfunc.log_model(
            name="poet",
            python_model=str(ROOT / "pipeline" / "mlflow_model.py"),
            artifacts={"poet": str(folder / "poet")},
            code_paths=[str(ROOT / "pipeline")],
            signature=SIGNATURE,
            model_config={"languages": {"en": "English", "es": "Spanish"}, "generation": GENERATION},
            pip_requirements=[],
            registered_model_name="served",
        )
    mlflow.set_tracking_uri(before)
    port = str(free_port())
    options = ["--env-manager", "local", "--host", "127.0.0.1", "--port", port, "--workers", "1"]
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", "models:/served/1", *options]
    environment = {**os.environ, "MLFLOW_TRACKING_URI": store, "OMP_NUM_THREADS": "1"}
    environment["PATH"] = f"{os.path.dirname(sys.executable)}:{environment['PATH']}"
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: answers(f"{address}/ping") or process.poll() is not None)
        assert process.poll() is None, (folder / "log").read_text()
        yield address
    finally:
        os.killpg(process.pid, 15)
        process.wait()


def ask(server, **columns):
    table = {"columns": list(columns), "data": [list(row) for row in zip(*columns.values(), strict=True)]}
    return requests.post(f"{server}/invocations", json={"dataframe_split": table}, timeout=300)


@pytest.mark.slow
def test_a_version_behind_mlflows_own_server_writes_poems(server):
    answer = ask(server, prompt=["the river", "la lluvia"], language=["en", "es"], max_words=[12, 12], seed=[1, 2])
    assert answer.status_code == 200, answer.text
    first, second = (row["poem"] for row in answer.json()["predictions"])
    assert first.startswith("the river")
    assert second.startswith("la lluvia")
    assert len(first.split()) <= 12
    again = ask(server, prompt=["the river"], language=["en"], max_words=[12], seed=[1]).json()["predictions"]
    assert again[0]["poem"] == first


@pytest.mark.slow
def test_it_refuses_what_the_model_cannot_do_as_a_bad_request(server):
    answer = ask(server, prompt=["la pluie"], language=["fr"])
    assert answer.status_code == 400
    assert "'fr' is not one this model writes" in answer.json()["message"]
