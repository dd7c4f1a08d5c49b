"""A real server on loopback over versions in a real MLflow store, for the tests of the page and the API."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import httpx
import mlflow
import pytest
import torch
import uvicorn
from fastapi import FastAPI
from mlflow import MlflowClient

from app.server import create_app
from app.settings import Settings
from pipeline.common.params import Params
from pipeline.common.tracking import mlflow_run
from pipeline.release.registry import MANIFEST_TAG, manifest
from tests.support.made_up import changed_params, wait_until


@pytest.fixture(scope="module")
def served_store(tmp_path_factory: pytest.TempPathFactory, mlflow_store: str) -> Iterator[str]:
    """An empty folder to work in, and the MLflow store."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", mlflow_store)
        # In bfloat16 the size of the batch changes the rounding, and now and then a poem.
        patch.setattr("pipeline.modeling.base.best_dtype", lambda device: torch.float32)
        patch.setenv("ESTROFA_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.chdir(tmp_path_factory.mktemp("served"))
        yield mlflow_store


def running(params: Params, **settings: object) -> AbstractContextManager[str]:
    """A server with these settings, as `serving` gives it."""
    return serving(create_app(params, Settings(**settings)))


@contextmanager
def running_slowly(params: Params, **settings: object) -> Iterator[str]:
    """A server whose champion takes half a minute over a long poem, so that a test can act while it is written."""
    app = create_app(params, Settings(**settings))
    with serving(app) as address:
        app.state.service.model_pool.models["champion"].model.register_forward_pre_hook(lambda *_: time.sleep(0.05))
        yield address


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """Serve on a free port until the block ends; gives the address once the champion has loaded or failed to."""
    # By default uvicorn closes connections that are idle for 5 s, as those of clients on a busy test machine may be.
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, timeout_keep_alive=120))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        pool = app.state.service.model_pool
        wait_until(lambda: server.started and (pool.models or pool.errors))
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def params_of(name: str, base: Path) -> Params:
    """Params with this name of the registered model, so that tests can share a store."""
    return changed_params({"register.model_name": name, "base": str(base), "generation.max_words": 12})


def new_version(name: str, folder: Path, alias: str | None = None) -> str:
    """Register a folder as `register` does, but without code; returns the version number."""
    with mlflow_run() as run:
        mlflow.log_artifacts(str(folder), "model/artifacts/poet")
    client = MlflowClient()
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name)
    tags = {MANIFEST_TAG: json.dumps(manifest(folder))}
    source = f"{run.info.artifact_uri}/model"
    version = client.create_model_version(name, source, run.info.run_id, tags=tags).version
    if alias:
        client.set_registered_model_alias(name, alias, version)
    return str(version)


def streamed(api: httpx.Client, path: str = "/api/poems/stream", **request: object) -> list[dict]:
    """All events of a poem or a comparison."""
    with api.stream("POST", path, json=request) as response:
        assert response.status_code == 200, response.read()
        # Not `iter_lines`, which also splits at U+0085 and U+2028; a model of random weights writes those.
        return [json.loads(line) for line in response.read().split(b"\n") if line]


def metric(api: httpx.Client, name: str) -> float:
    """A metric at /metrics by its name and labels; 0 if it has not been counted yet."""
    lines = [line.rpartition(" ") for line in api.get("/metrics").text.splitlines()]
    return next((float(value) for found, _, value in lines if found == name), 0.0)
