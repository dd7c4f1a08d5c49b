"""All servers on this machine: MLflow and Prefect on PostgreSQL, a worker, and the deployments it runs."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import psutil
import psycopg
import pytest
from mlflow import MlflowClient
from prefect.client.orchestration import get_client
from prefect.client.schemas.schedules import IntervalSchedule
from prefect.deployments import run_deployment
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Scheduled

from ops import servers
from ops.postgres import DATABASES
from tests.support.made_up import free_port, wait_until

pytestmark = pytest.mark.slow

DVC_YAML = """
stages:
  scrape:
    cmd: python scrape.py
    deps: [scrape.py]
    outs: [raw.txt: {persist: true}]
  shout:
    cmd: python shout.py
    deps: [raw.txt, shout.py]
    outs: [loud.txt]
"""
SCRAPE = """
from pathlib import Path
Path('diary').open('a').write('scrape ')
assert not Path('down').exists(), 'the site is down'
Path('raw.txt').write_text('a poem')
"""
SHOUT = """
import time
from pathlib import Path
Path('diary').open('a').write('begin ')
while Path('hold').exists():
    time.sleep(0.1)
Path('loud.txt').write_text(Path('raw.txt').read_text().upper())
Path('diary').open('a').write('end ')
"""


@pytest.fixture(scope="module")
def messages():
    """The messages that a webhook on loopback receives."""
    received = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self):
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["text"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Hook)
    Thread(target=server.serve_forever, daemon=True).start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ESTROFA_WEBHOOK", f"http://127.0.0.1:{server.server_port}/secret")
        yield received
    server.shutdown()


@pytest.fixture(scope="module")
def machine(tmp_path_factory, messages):
    """Everything that `make up` starts, on free ports, stopped at the end."""
    folder = tmp_path_factory.mktemp("servers")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("MLFLOW_PORT", "PREFECT_PORT", "PAGE_PORT", "POSTGRES_PORT"):
            patch.setenv(name, str(free_port()))
        patch.setenv("ESTROFA_SERVERS", str(folder))
        patch.setenv("PREFECT_HOME", str(folder / "prefect"))
        patch.setenv("MLFLOW_ARTIFACTS_DESTINATION", (folder / "artifacts").as_uri())
        patch.setenv("POSTGRES_PASSWORD", "tom & jerry's/pass")
        patch.setenv("PREFECT_WORKER_QUERY_SECONDS", "1")
        patch.setenv("PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS", "1")
        machine = servers.Machine.of_environment()
        try:
            servers.up(machine, postgres=True)
            with temporary_settings({PREFECT_API_URL: f"{machine.prefect}/api"}):
                yield machine
        finally:
            servers.down(machine)


@pytest.fixture
def repository(tmp_path):
    return make_repository(tmp_path / "repository")


def make_repository(folder):
    """A repository of two stages: `scrape` fails while the file `down` exists, `shout` waits while `hold` exists."""
    folder.mkdir()
    (folder / "dvc.yaml").write_text(DVC_YAML)
    (folder / "scrape.py").write_text(SCRAPE)
    (folder / "shout.py").write_text(SHOUT)
    (folder / "diary").touch()
    for command in (["git", "init", "-q"], [sys.executable, "-m", "dvc", "init", "-q"]):
        subprocess.run(command, cwd=folder, check=True)
    return folder


def start(deployment, repository, **parameters):
    return run_deployment(deployment, parameters={"root": str(repository), **parameters}, timeout=0)


def miss_refreshes(*repositories):
    """Schedule a refresh of each repository some seconds ago."""
    with get_client(sync_client=True) as client:
        refresh = client.read_deployment_by_name("refresh/refresh").id
        return [
            client.create_flow_run_from_deployment(
                refresh,
                parameters={"root": str(repository)},
                state=Scheduled(scheduled_time=datetime.now(UTC) - timedelta(seconds=seconds)),
            )
            for seconds, repository in enumerate(repositories, 1)
        ]


def state_of(flow_run):
    with get_client(sync_client=True) as client:
        return client.read_flow_run(flow_run.id).state


def ended(*flow_runs):
    return [wait_until(lambda run=run: (state := state_of(run)).is_final() and state).type.value for run in flow_runs]


def test_mlflow_and_prefect_store_their_data_in_postgresql(machine):
    run = MlflowClient(machine.mlflow).create_run("0")
    with psycopg.connect(machine.postgres.address("mlflow", "postgresql")) as connection:
        assert connection.execute("SELECT run_uuid FROM runs").fetchall() == [(run.info.run_id,)]
    with psycopg.connect(machine.postgres.address("prefect", "postgresql")) as connection:
        names = {name for (name,) in connection.execute("SELECT name FROM deployment")}
    assert names == {"refresh", "run", "promote", "rollback"}


def test_everything_listens_on_loopback_only(machine):
    ports = {machine.mlflow_port, machine.prefect_port, machine.postgres.port}
    listening = [found.laddr for found in psutil.net_connections("inet") if found.status == psutil.CONN_LISTEN]
    assert {address.port for address in listening} >= ports
    assert {address.ip for address in listening if address.port in ports} == {"127.0.0.1"}


def test_no_password_is_in_a_log_or_on_a_command_line(machine):
    secrets = ["tom & jerry", "tom%20%26%20jerry", "/secret"]
    for log in machine.folder.glob("*.log"):
        assert not any(secret in log.read_text(errors="replace") for secret in secrets), log
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or [])
        assert not any(secret in line for secret in secrets)


def test_a_deployment_started_by_hand_completes(machine, repository):
    assert ended(start("run/run", repository)) == ["COMPLETED"]
    assert (repository / "loud.txt").read_text() == "A POEM"
    assert (repository / "dvc.lock").exists()


def test_a_schedule_fires(machine, repository):
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name("refresh/refresh")
        soon = IntervalSchedule(interval=timedelta(seconds=15), anchor_date=datetime.now(UTC))
        [schedule] = client._client.post(
            f"/deployments/{deployment.id}/schedules",
            json=[{"schedule": soon.model_dump(mode="json"), "active": True, "parameters": {"root": str(repository)}}],
        ).json()
        wait_until(lambda: (repository / "diary").read_text().startswith("scrape begin end "))
        client.delete_deployment_schedule(deployment.id, schedule["id"])


def test_two_runs_at_once_write_one_after_the_other(machine, repository):
    (repository / "hold").touch()
    runs = [start("run/run", repository, force=True) for _ in range(2)]
    wait_until(lambda: "begin" in (repository / "diary").read_text())
    wait_until(lambda: all(state_of(run).is_running() for run in runs))
    (repository / "hold").unlink()
    assert ended(*runs) == ["COMPLETED", "COMPLETED"]
    assert (repository / "diary").read_text() == "scrape begin end scrape begin end "


def test_a_source_that_is_down_fails_the_refresh_and_loses_nothing(machine, repository, messages):
    (repository / "down").touch()
    (repository / "raw.txt").write_text("an old poem")
    assert ended(start("refresh/refresh", repository, scrape_retry_delay=0.1)) == ["FAILED"]
    assert (repository / "diary").read_text() == "scrape " * 4
    assert (repository / "raw.txt").read_text() == "an old poem"
    wait_until(lambda: any("Flow refresh" in text and "the site is down" in text for text in messages))


def test_after_a_killed_worker_and_a_restarted_server_runs_resume_and_missed_ones_run_once(machine, repository):
    (repository / "hold").touch()
    killed = start("run/run", repository)
    wait_until(lambda: "begin" in (repository / "diary").read_text())
    worker = machine.process_of("worker")
    for process in [worker, *worker.children(recursive=True)]:
        process.kill()
    machine.stop("prefect")
    (repository / "hold").unlink()
    databases = {name: machine.postgres.address(name, scheme) for name, scheme in DATABASES.items()}
    everything = {server.name: server for server in machine.servers(databases)}
    machine.start(everything["prefect"])
    missed = miss_refreshes(repository, repository, repository)
    machine.start(everything["worker"])
    assert ended(*missed) == ["COMPLETED"] * 3
    # Finished work is repeated by the refresh alone, which crawls the sources again, and by one refresh only.
    assert (repository / "diary").read_text() == "scrape begin scrape begin end "
    assert state_of(killed).type.value == "CRASHED"


def test_a_missed_refresh_is_not_superseded_by_one_of_another_repository(machine, repository, tmp_path):
    other = make_repository(tmp_path / "other")
    assert ended(*miss_refreshes(repository, other)) == ["COMPLETED"] * 2
    assert [(root / "diary").read_text() for root in (repository, other)] == ["scrape begin end "] * 2


def test_a_running_server_is_left_alone(machine):
    before = {name: machine.process_of(name).pid for name in ("mlflow", "prefect", "worker")}
    servers.up(machine, postgres=True)
    assert {name: machine.process_of(name).pid for name in before} == before


def test_a_wrong_password_is_reported_without_quoting_it(machine, monkeypatch):
    monkeypatch.setenv("POSTGRES_PASSWORD", "wrong-one")
    with pytest.raises(servers.BadInput, match="PostgreSQL refuses the password") as refused:
        machine.postgres.start()
    assert "wrong-one" not in str(refused.value)


@pytest.mark.parametrize("value", ["http", "0", "70000"])
def test_an_invalid_port_is_named(monkeypatch, value):
    monkeypatch.setenv("MLFLOW_PORT", value)
    with pytest.raises(servers.BadInput, match=f"MLFLOW_PORT: '{value}' is not a port"):
        servers.Machine.of_environment()
