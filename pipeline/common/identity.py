"""What identifies code and files: git and SHA-256."""

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
    """The output of a git command, without the newline at its end.

    Args:
        root: the folder to run it in.
        arguments: the command.
        check: whether a failure raises; if not, the output of a failed command is empty.
        environment: variables to set for it.

    Raises:
        BadInput: git failed, and `check` is set.
    """
    command = ["git", *arguments]
    ended = subprocess.run(command, cwd=root, env=os.environ | environment, capture_output=True, text=True)
    if check and ended.returncode:
        raise BadInput(" ".join(command), ended.stderr.strip(), "Fix what git reports and run again")
    return ended.stdout.removesuffix("\n")
