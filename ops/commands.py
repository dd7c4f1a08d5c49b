"""Programs of this Python, run as subprocesses by flows and by the tools of a team."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from pipeline.common.stage import BadInput

ROOT = Path(__file__).resolve().parent.parent  # of this repository


def dvc(*arguments: str) -> list[str]:
    """A DVC command, run by this Python."""
    return [sys.executable, "-m", "dvc", *arguments]


def environment(**variables: str) -> Mapping[str, str]:
    """This process's environment, with `variables`, in which `python` is this Python, as dvc.yaml expects."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return os.environ | {"PATH": path} | variables


def run(place: str, remedy: str, root: Path, *command: str, shown: bool = False, **variables: str) -> None:
    """Run a command in a repository.

    Args:
        place, remedy: of the error if it fails.
        shown: whether to show what it writes to standard error as it comes, instead of quoting it in the error.
        variables: added to the environment.

    Raises:
        BadInput: it failed.
    """
    ended = subprocess.run(
        command, cwd=root, env=environment(**variables), stderr=None if shown else subprocess.PIPE, text=True
    )
    if ended.returncode:
        problem = (ended.stderr or "").strip().removeprefix("ERROR: ") or f"{command[-1]} failed"
        raise BadInput(place, problem, remedy)
