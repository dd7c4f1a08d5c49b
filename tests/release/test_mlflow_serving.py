"""`mlflow models serve` over a version: poems for a table of requests, status 400 for what the model can't do."""

import io
import os
import subprocess
import sys

import mlflow
import pandas as pd
import pytest
import requests
import torch

from ops.servers import answers
from pipeline.release.mlflow_model import SIGNATURE
from tests.support.made_up import ROOT, free_port, tiny_poet, wait_until

GENERATION = {"temperature": 1.0, "top_p": 0.9, "top_k": 40, "max_words": 30, "block_loops": True}


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The address of a server over a version registered in a store of its own."""
    folder = tmp_path_factory.mktemp("served")
    tiny_poet(folder / "poet", torch.float32)
    before, store = mlflow.get_tracking_uri(), f"sqlite:///{folder}/mlflow.db"
    mlflow.set_tracking_uri(store)
    mlflow.create_experiment("served", artifact_location=(folder / "artifacts").as_uri())
    mlflow.set_experiment("served")
    with mlflow.start_run():
        mlflow.pyfunc.log_model(
            name="poet",
            python_model=str(ROOT / "pipeline" / "release" / "mlflow_model.py"),
            artifacts={"poet": str(folder / "poet")},
            code_paths=[str(ROOT / "pipeline")],
            signature=SIGNATURE,
            input_example=pd.DataFrame({"prompt": ["the river"], "language": ["en"]}),
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


RECORDS = "dataframe_records"
FORMATS = [RECORDS, "dataframe_split", "inputs", "instances", "parquet"]


def post(server, rows, form=RECORDS):
    """Ask for a poem a row in one of the formats MLflow's server takes; rows may leave out columns."""
    if form == "parquet":
        body = io.BytesIO()
        pd.DataFrame(rows).to_parquet(body)
        content = {"data": body.getvalue(), "headers": {"Content-Type": "application/vnd.apache.parquet"}}
    elif form == "dataframe_split":
        columns = list(dict.fromkeys(name for row in rows for name in row))
        content = {"json": {form: {"columns": columns, "data": [[row.get(name) for name in columns] for row in rows]}}}
    elif form == "instances":  # MLflow refuses rows of different columns here
        columns = {name for row in rows for name in row}
        content = {"json": {form: [dict.fromkeys(columns) | row for row in rows]}}
    else:
        content = {"json": {form: rows}}
    return requests.post(f"{server}/invocations", timeout=300, **content)


def poems(server, rows, form=RECORDS):
    answer = post(server, rows, form)
    assert answer.status_code == 200, answer.text
    return [row["poem"] for row in answer.json()["predictions"]]


def row(**columns):
    return {"prompt": "the river", "language": "en", "max_words": 12, **columns}


def test_a_version_behind_mlflows_own_server_writes_poems(server):
    rows = [row(seed=1), row(prompt="la lluvia", language="es", seed=2)]
    first, second = poems(server, rows, "dataframe_split")
    assert first.startswith("the river")
    assert second.startswith("la lluvia")
    assert len(first.split()) <= 12
    assert poems(server, [row(seed=1)]) == [first]


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    ("column", "value"), [("top_k", 2), ("seed", 7), ("stanzas", 1), ("temperature", 3), ("top_p", 0.1)]
)
def test_a_number_that_only_one_row_gives_is_the_default_in_the_other(server, column, value, form):
    given, default = poems(server, [row(**{column: value}), row()], form)
    assert [given] == poems(server, [row(seed=0) | {column: value}])
    assert [default] == poems(server, [row(seed=1)])  # a row's seed is by default its number


@pytest.mark.parametrize("form", FORMATS)
def test_every_number_may_be_null_or_missing_in_every_row(server, form):
    plain = {"prompt": "the river", "language": "en"}
    nulls = dict.fromkeys(("top_k", "max_words", "stanzas", "seed", "temperature", "top_p", "style", "author", "title"))
    assert poems(server, [plain | nulls, plain | nulls], form) == poems(server, [plain, plain])


@pytest.mark.parametrize("form", FORMATS)
def test_a_null_prompt_leaves_the_first_line_to_the_model(server, form):
    assert poems(server, [row(prompt=None), row()], form) == poems(server, [row(prompt=""), row()])


def test_an_integer_written_as_a_float_counts_as_one(server):
    assert poems(server, [row(seed=3.0, top_k=2.0, max_words=12.0)]) == poems(server, [row(seed=3, top_k=2)])


@pytest.mark.parametrize("column", ["top_k", "max_words", "stanzas", "seed"])
@pytest.mark.parametrize("value", [2.5, "forty", True, [2]])
def test_what_is_not_an_integer_is_a_bad_request_that_names_the_row(server, column, value):
    answer = post(server, [row(), row(**{column: value})])
    assert answer.status_code == 400, answer.text
    assert f"row 1: {column}: {value!r} is not an integer" in answer.json()["message"]


def test_a_seed_that_a_table_with_empty_cells_rounds_is_refused(server):
    answer = post(server, [row(seed=2**60 + 1), row()])
    assert answer.status_code == 400
    assert "row 0: seed: 1152921504606846976 is rounded" in answer.json()["message"]
    assert poems(server, [row(seed=2**60 + 1)])  # alone, it is exact


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"language": "fr"}, "row 0: language: 'fr' is not one this model writes. Choose from en (English)"),
        ({"top_k": -1}, "row 0: top_k: -1 is not allowed"),
        ({"temperature": "warm"}, "row 0: temperature: 'warm' is not allowed"),
        ({"title": 1984}, "row 0: title: 1984 is not text"),
    ],
)
def test_what_the_model_cannot_do_is_a_bad_request(server, columns, message):
    answer = post(server, [row(**columns)])
    assert answer.status_code == 400
    assert message in answer.json()["message"]
