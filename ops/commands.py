"""Programs of this Python, run as subprocesses by flows and by the tools of a team."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent  # of this repository


def dvc(*arguments: str) -> list[str]:
    """A DVC command, run by this Python."""
    return [sys.executable, "-m", "dvc", *arguments]


def environment(**variables: str) -> Mapping[str, str]:
    """This process's environment, with `variables`, in which `python` is this Python, as dvc.yaml expects."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return os.environ | {"PATH": path} | variables
