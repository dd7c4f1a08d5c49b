"""The flows *promote* and *rollback*: `pipeline.promote` where Prefect schedules, logs and shows it."""

import sys
from pathlib import Path

from prefect import flow
from prefect.artifacts import create_markdown_artifact

from flows.command import run_command
from flows.notify import tell, tell_of_failure
from flows.run import ROOT

HOURS = 12.0
REFUSED = 1  # the exit status of a decision against a version; a fault has another


@flow(name="promote", log_prints=True, on_failure=[tell_of_failure], on_crashed=[tell_of_failure])
def promote(root: Path = ROOT, version: int | None = None) -> bool:
    """Make a version, by default the challenger, the champion where every gate of params holds.

    Returns:
        Whether it did.
    """
    return decide(root, *([] if version is None else [str(version)]))


@flow(name="rollback", log_prints=True, on_failure=[tell_of_failure], on_crashed=[tell_of_failure])
def rollback(root: Path = ROOT, reason: str = "asked for in Prefect") -> bool:
    """Give the alias back to the champion before."""
    return decide(root, "rollback", reason)


def decide(root: Path, *arguments: str) -> bool:
    """Run `pipeline.promote`, show its decision, and tell of it."""
    command = [sys.executable, "-m", "pipeline.promote", *arguments]
    status, said = run_command("promotion", command, root, HOURS, accepted=(0, REFUSED))
    start = max((number for number, line in enumerate(said) if line.startswith("version ")), default=0)
    create_markdown_artifact(key="decision", markdown="\n\n".join(said[start:]))
    tell("\n".join(said[start:]))
    return status == 0


if __name__ == "__main__":
    promote()
