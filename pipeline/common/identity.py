"""What identifies code and files: git's answers and SHA-256."""

import hashlib
import os
import subprocess
from pathlib import Path

from pipeline.common.stage import BadInput


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def git(root: Path, *arguments: str, check: bool = True, **environment: str) -> str:
    """What git says, without the newline at its end.

    Raises:
        BadInput: git refuses, and `check` is set; without it, what git says then is nothing.
    """
    command = ["git", *arguments]
    ended = subprocess.run(command, cwd=root, env=os.environ | environment, capture_output=True, text=True)
    if check and ended.returncode:
        raise BadInput(" ".join(command), ended.stderr.strip(), "Correct what git names and run again")
    return ended.stdout.removesuffix("\n")
