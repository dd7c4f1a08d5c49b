"""Run a command in a repository, with its output in the flow's log and a time limit."""

import subprocess
from pathlib import Path
from threading import Timer

from prefect import get_run_logger

from ops.commands import ROOT, environment

KEPT_LINES = 30  # of a command's output, for its caller
QUOTED_LINES = 8  # of them, in an error


def run_command(
    name: str, command: list[str], root: Path, hours: float, accepted: tuple[int, ...] = (0,)
) -> tuple[int, list[str]]:
    """Run a command and log each line it prints.

    Args:
        name: of the command, for errors.
        root: the repository to run it in.
        hours: after which it is stopped.
        accepted: exit statuses that are no failure.

    Returns:
        The exit status and the last lines of output.

    Raises:
        RuntimeError: it failed or ran too long; the message quotes its last lines.
    """
    logger = get_run_logger()
    # Progress bars redraw rarely, since each redraw becomes a line of the log.
    variables = environment(PYTHONPATH=str(ROOT), PYTHONUNBUFFERED="1", TQDM_MININTERVAL="10")
    lines: list[str] = []
    with subprocess.Popen(
        command, cwd=root, env=variables, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        limit = Timer(hours * 3600, process.terminate)
        limit.start()
        try:
            for line in process.stdout:
                if line.strip():
                    logger.info(line.rstrip())
                    lines = [*lines[1 - KEPT_LINES :], line.strip()]
        except BaseException:
            process.terminate()  # a cancelled flow must not leave a stage writing
            raise
        finally:
            in_time = limit.is_alive()
            limit.cancel()
    quoted = " | ".join(lines[-QUOTED_LINES:])
    if not in_time:
        raise RuntimeError(f"{name} took longer than {hours:g} hours and was stopped: {quoted}")
    if process.returncode not in accepted:
        raise RuntimeError(f"{name} failed with status {process.returncode}: {quoted}")
    return process.returncode, lines
