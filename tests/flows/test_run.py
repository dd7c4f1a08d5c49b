"""The flow runs each stage of dvc.yaml as a task, on a real Prefect server."""

import subprocess
import sys

import pytest
from prefect import flow
from prefect.artifacts import Artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, LogFilter, LogFilterFlowRunId
from prefect.logging.handlers import APILogHandler

from flows.run import ROOT, publish, run, stages
from pipeline.common.stage import BadInput
from pipeline.common.tables import write_report
from pipeline.common.tracking import mlflow_run
from tests.support.made_up import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("prefect_server")]

DVC_YAML = """
stages:
  scrape:
    cmd: python scrape.py
    deps: [scrape.py]
    outs: [raw.txt]
  shout:
    cmd: python -c "open('loud.txt', 'w').write(open('raw.txt').read().upper()); print('shouted')"
    deps: [raw.txt]
    outs: [loud.txt]
"""


@pytest.fixture
def repository(tmp_path):
    """A repository of two stages; `scrape` fails as often as the file `failures` says."""
    (tmp_path / "dvc.yaml").write_text(DVC_YAML)
    (tmp_path / "failures").write_text("0")
    (tmp_path / "scrape.py").write_text(
        "from pathlib import Path\nfailures = Path('failures')\nleft = int(failures.read_text())\n"
        "failures.write_text(str(left - 1))\nprint('attempt')\nassert left <= 0, 'the site is down'\n"
        "Path('raw.txt').write_text('a poem')\n"
    )
    for command in (["git", "init", "-q"], [sys.executable, "-m", "dvc", "init", "-q"]):
        subprocess.run(command, cwd=tmp_path, check=True)
    return tmp_path


def last_run(*stages):
    """The last flow run's tasks by stage, and its log lines; the server records both with a delay."""
    with get_client(sync_client=True) as client:
        flow_run = client.read_flow_runs(sort="START_TIME_DESC", limit=1)[0]

        def tasks():
            runs = client.read_task_runs(flow_run_filter=FlowRunFilter(id={"any_": [flow_run.id]}))
            return {run.name.rpartition("-")[0]: run for run in runs if run.state.is_final()}

        def logs():
            APILogHandler().flush()
            lines = client.read_logs(LogFilter(flow_run_id=LogFilterFlowRunId(any_=[flow_run.id])), limit=200)
            last = any(line.name == "prefect.flow_runs" and line.message.startswith("Finished in") for line in lines)
            return last and [line.message for line in lines]

        wait_until(lambda: set(stages) <= tasks().keys())
        return tasks(), wait_until(logs)


def test_the_order_is_that_of_dvc_yaml():
    order = stages(ROOT)
    trained = [stage for stage in order if not stage.endswith("_report")]
    assert trained == ["inputs", "scrape", "clean", "tag", "tokenize", "finetune", "evaluate", "register"]
    assert order["scrape"] == ["inputs"]
    assert order["clean"] == ["scrape"]
    assert set(order["register"]) == {"tokenize", "finetune", "evaluate"}


def test_the_evaluation_report_is_linked_in_mlflow(tmp_path, mlflow_store, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_store)
    with mlflow_run() as trained:
        write_report({"run_id": trained.info.run_id}, tmp_path / "models/run.json")
    (tmp_path / "data/reports").mkdir(parents=True)
    (tmp_path / "data/reports/evaluation.html").write_text("<!DOCTYPE html><title>Better?</title>")
    flow(publish)(tmp_path)  # artifacts belong to a flow run
    artifact = Artifact.get("evaluation-report")
    assert f"/runs/{trained.info.run_id}/artifacts/reports/evaluation.html" in artifact.data
    assert str(tmp_path / "data/reports/evaluation.html") in artifact.description


def test_a_faulty_dvc_yaml_is_named(tmp_path):
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q"], cwd=tmp_path, check=True)
    (tmp_path / "dvc.yaml").write_text("stages:\n  scrape:\n    command: python\n")
    with pytest.raises(BadInput, match=r"dvc\.yaml"):
        stages(tmp_path)


def test_each_stage_is_a_task_whose_output_is_in_the_log(repository):
    assert list(run(root=repository)) == ["scrape", "shout"]
    tasks, log = last_run("scrape", "shout")
    assert {name: task.state.type.value for name, task in tasks.items()} == {
        "scrape": "COMPLETED",
        "shout": "COMPLETED",
    }
    assert "shouted" in log
    assert (repository / "loud.txt").read_text() == "A POEM"


def test_after_dvc_repro_the_flow_finds_everything_up_to_date(repository):
    subprocess.run([sys.executable, "-m", "dvc", "repro", "-q"], cwd=repository, check=True)
    run(root=repository)
    _, log = last_run("scrape", "shout")
    assert sum("didn't change, skipping" in line for line in log) == 2
    assert "shouted" not in log


def test_a_site_that_is_down_for_a_while_is_retried(repository):
    (repository / "failures").write_text("2")
    run(root=repository, scrape_retry_delay=0.1)
    tasks, _ = last_run("scrape", "shout")
    assert tasks["scrape"].run_count == 3
    assert tasks["shout"].run_count == 1


def test_a_failed_stage_stops_the_flow_and_its_last_lines_are_quoted(repository):
    (repository / "failures").write_text("99")
    with pytest.raises(RuntimeError, match=r"stage scrape failed .*the site is down"):
        run(root=repository, scrape_retry_delay=0.1)
    tasks, _ = last_run("scrape")
    assert "shout" not in tasks
    assert not (repository / "loud.txt").exists()
