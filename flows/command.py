"""Commands that flows run: in the repository, line by line into the flow's log, within a time limit."""

import os
import subprocess
import sys
from pathlib import Path
from threading import Timer

from prefect import get_run_logger

CODE = Path(__file__).resolve().parent.parent


def dvc(*arguments: str) -> list[str]:
    """DVC of this Python."""
    return [sys.executable, "-m", "dvc", *arguments]


def run_command(
    name: str, command: list[str], root: Path, hours: float, accepted: tuple[int, ...] = (0,)
) -> tuple[int, list[str]]:
    """Run a command in a repository, into the log of the flow.

    Args:
        accepted: exit statuses that are no failure.

    Returns:
        The exit status and the last lines the command wrote.

    Raises:
        RuntimeError: it failed, or took longer than `hours`; the message holds its last lines.
    """
    logger = get_run_logger()
    # `python` in dvc.yaml has to be this one; slow bars because each redraw becomes a line of the log.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    environment = os.environ | {
        "PATH": path,
        "PYTHONPATH": str(CODE),
        "PYTHONUNBUFFERED": "1",
        "TQDM_MININTERVAL": "10",
    }
    said: list[str] = []
    with subprocess.Popen(
        command, cwd=root, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        limit = Timer(hours * 3600, process.terminate)
        limit.start()
        try:
            for line in process.stdout:
                if line.strip():
                    logger.info(line.rstrip())
                    said = [*said[-29:], line.strip()]
        except BaseException:
            process.terminate()  # a cancelled flow must not leave a stage writing
            raise
        finally:
            in_time = limit.is_alive()
            limit.cancel()
    last = " | ".join(said[-8:])
    if not in_time:
        raise RuntimeError(f"{name} took longer than {hours:g} hours and was stopped: {last}")
    if process.returncode not in accepted:
        raise RuntimeError(f"{name} failed with status {process.returncode}: {last}")
    return process.returncode, said
