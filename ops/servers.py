"""Servers on this machine, in the background: `python -m ops.servers up|deploy|down`.

`deploy` starts MLflow and Prefect on SQLite, a worker with its deployments, and the page; `up` uses PostgreSQL instead.
All listen on loopback only and keep their data and logs in `.servers/`. A server that is already running is left alone.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import requests

from ops.commands import ROOT, environment
from ops.postgres import DATABASES, Postgres
from pipeline.common.stage import BadInput, stage

POOL = "estrofa"
FLOW_RUNS = 2  # at once; those of one repository wait for each other
START_SECONDS = 600  # enough for a busy machine; a server that exits is noticed at once
STOP_SECONDS = 20
QUIET = {
    "DO_NOT_TRACK": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # jobs that nothing here uses, in processes of their own
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_CLI_PROMPT": "false",
}


@dataclass(frozen=True)
class Server:
    """A background process.

    Args:
        module: what `python -m` runs, with its arguments.
        address: of a page that answers once the server is ready; None if a running process is enough.
        environment: added to this process's. Secrets go here, since every user can read a command line.
    """

    name: str
    module: list[str]
    address: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Machine:
    """The ports that servers listen on, and the folder they write to."""

    folder: Path
    mlflow_port: int
    prefect_port: int
    page_port: int
    postgres: Postgres

    @classmethod
    def of_environment(cls) -> "Machine":
        """`MLFLOW_PORT`, `PREFECT_PORT`, `PAGE_PORT`, `POSTGRES_PORT`, and `ESTROFA_SERVERS` for the folder."""
        folder = Path(os.environ.get("ESTROFA_SERVERS") or ROOT / ".servers")
        return cls(
            folder,
            port("MLFLOW_PORT", 5000),
            port("PREFECT_PORT", 4200),
            port("PAGE_PORT", 8000),
            Postgres(folder / "postgres", port("POSTGRES_PORT", 5433)),
        )

    @property
    def mlflow(self) -> str:
        """MLflow's address."""
        return f"http://127.0.0.1:{self.mlflow_port}"

    @property
    def prefect(self) -> str:
        """Prefect's address."""
        return f"http://127.0.0.1:{self.prefect_port}"

    def clients(self) -> dict[str, str]:
        """The environment variables with which a program uses these servers."""
        return {"MLFLOW_TRACKING_URI": self.mlflow, "PREFECT_API_URL": f"{self.prefect}/api"}

    def servers(self, databases: Mapping[str, str]) -> list[Server]:
        """The servers, in the order they start.

        Args:
            databases: the addresses of the databases `mlflow` and `prefect`; SQLite for one that is missing.
        """
        artifacts = os.environ.get("MLFLOW_ARTIFACTS_DESTINATION") or (ROOT / "mlartifacts").as_uri()
        mlflow = ["mlflow", "server", "--host", "127.0.0.1", "--port", str(self.mlflow_port), "--workers", "1"]
        store = {
            "MLFLOW_BACKEND_STORE_URI": databases.get("mlflow", f"sqlite:///{ROOT / 'mlflow.db'}"),
            "MLFLOW_ARTIFACTS_DESTINATION": artifacts,
        }
        own = {"PREFECT_SERVER_DATABASE_CONNECTION_URL": databases["prefect"]} if "prefect" in databases else {}
        prefect = ["prefect", "server", "start", "--host", "127.0.0.1", "--port", str(self.prefect_port)]
        worker = ["prefect", "worker", "start", "--pool", POOL, "--name", "estrofa", "--type", "process"]
        page = self.clients() | {"ESTROFA_PORT": str(self.page_port)}
        return [
            Server("mlflow", mlflow, f"{self.mlflow}/health", store),
            Server("prefect", prefect, f"{self.prefect}/api/health", own),
            Server("worker", [*worker, "--limit", str(FLOW_RUNS), "--install-policy", "never"], None, self.clients()),
            Server("page", ["app.server"], f"http://127.0.0.1:{self.page_port}", page),
        ]

    def start(self, server: Server) -> None:
        """Start a server in the background, unless it is running, and wait until it answers.

        Raises:
            BadInput: it exited or did not answer in time; names its log.
        """
        if self.process_of(server.name) is not None:
            return
        log = self.folder / f"{server.name}.log"
        self.folder.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", *server.module],
                cwd=ROOT,
                env=environment(**QUIET, **server.environment),
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        (self.folder / f"{server.name}.pid").write_text(f"{process.pid} {psutil.Process(process.pid).create_time()}")
        deadline = time.monotonic() + START_SECONDS
        while server.address is not None and not answers(server.address):
            if process.poll() is not None or time.monotonic() > deadline:
                self.stop(server.name)
                raise BadInput(server.name, "did not start", f"Read {log}; another program may be using its port")
            time.sleep(0.2)
        print(f"Started {server.name}" + (f": {server.address}" if server.address else ""))

    def stop(self, name: str) -> None:
        """Stop a server and its child processes, if it is running."""
        process = self.process_of(name)
        if process is not None:
            os.killpg(process.pid, signal.SIGTERM)
            _, left = psutil.wait_procs([process, *process.children(recursive=True)], STOP_SECONDS)
            for survivor in left:
                survivor.kill()
            print(f"Stopped {name}")
        (self.folder / f"{name}.pid").unlink(missing_ok=True)

    def process_of(self, name: str) -> psutil.Process | None:
        """The running process of a server, told from a later process with the same id by the time it started."""
        file = self.folder / f"{name}.pid"
        if not file.exists():
            return None
        number, created = file.read_text().split()
        try:
            process = psutil.Process(int(number))
            alive = process.create_time() == float(created) and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return None
        return process if alive else None


def port(name: str, default: int) -> int:
    """A port number from an environment variable.

    Raises:
        BadInput: it is not a port number.
    """
    given = os.environ.get(name, str(default))
    if not given.isdigit() or not 0 < int(given) < 65536:
        raise BadInput(name, f"{given!r} is not a port", "Set it to a number from 1 to 65535, or unset it")
    return int(given)


def answers(address: str) -> bool:
    """Whether a page answers with a status below 400."""
    try:
        return requests.get(address, timeout=5).ok
    except requests.RequestException:
        return False


def deploy(machine: Machine) -> None:
    """Create the work pool and the deployments of `prefect.yaml`, which reads this folder from `ESTROFA_ROOT`.

    Raises:
        BadInput: Prefect refuses them.
    """
    variables = environment(**QUIET, **machine.clients(), ESTROFA_ROOT=str(ROOT))
    for arguments in (["work-pool", "create", POOL, "--type", "process", "--overwrite"], ["deploy", "--all"]):
        command = [sys.executable, "-m", "prefect", "--no-prompt", *arguments]
        ended = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True)
        if ended.returncode:
            raise BadInput("prefect.yaml", (ended.stdout + ended.stderr).strip(), "Correct it, then run again")


def up(machine: Machine, postgres: bool) -> None:
    """Start every server and deploy the flows.

    Args:
        postgres: whether MLflow and Prefect use PostgreSQL; otherwise SQLite.
    """
    databases = {}
    if postgres:
        machine.postgres.start()
        databases = {name: machine.postgres.address(name, scheme) for name, scheme in DATABASES.items()}
        print(f"Started postgres: 127.0.0.1:{machine.postgres.port}, databases {' and '.join(DATABASES)}")
    for server in machine.servers(databases):
        if server.name == "worker":
            deploy(machine)
        machine.start(server)
    print("To use them from a shell:")
    print("\n".join(f"  export {name}={value}" for name, value in machine.clients().items()))


def down(machine: Machine) -> None:
    """Stop every server, in reverse order."""
    for name in ("page", "worker", "prefect", "mlflow"):
        machine.stop(name)
    machine.postgres.stop()


@stage
def main() -> None:
    machine = Machine.of_environment()
    command = sys.argv[1] if len(sys.argv) == 2 else ""
    if command in ("up", "deploy"):
        up(machine, postgres=command == "up")
    elif command == "down":
        down(machine)
    else:
        raise BadInput("servers", f"{' '.join(sys.argv[1:])!r} is not a command", "Use up, deploy or down")


if __name__ == "__main__":
    main()
