"""The flows *promote* and *rollback*: `pipeline.promote`, scheduled, logged and shown by Prefect."""

import sys
from pathlib import Path

from prefect import flow
from prefect.artifacts import create_markdown_artifact

from flows.command import run_command
from flows.notify import notify, notify_failure
from ops.commands import ROOT

HOURS = 12.0  # that a decision may take
REFUSED = 1  # exit status of a refusal; a fault has another


@flow(name="promote", log_prints=True, on_failure=[notify_failure], on_crashed=[notify_failure])
def promote(root: Path = ROOT, version: int | None = None) -> bool:
    """Make a version the champion if it passes every gate in params.yaml.

    Args:
        root: the repository.
        version: by default the challenger.

    Returns:
        Whether it was promoted.
    """
    return decide(root, *([] if version is None else [str(version)]))


@flow(name="rollback", log_prints=True, on_failure=[notify_failure], on_crashed=[notify_failure])
def rollback(root: Path = ROOT, reason: str = "requested in Prefect") -> bool:
    """Make the previous champion the champion again."""
    return decide(root, "rollback", reason)


def decide(root: Path, *arguments: str) -> bool:
    """Run `pipeline.promote`, show its decision as an artifact and send it to the webhook."""
    command = [sys.executable, "-m", "pipeline.promote", *arguments]
    status, lines = run_command("promotion", command, root, HOURS, accepted=(0, REFUSED))
    start = max((number for number, line in enumerate(lines) if line.startswith("version ")), default=0)
    decision = lines[start:]
    create_markdown_artifact(key="decision", markdown="\n\n".join(decision))
    notify("\n".join(decision))
    return status == 0


if __name__ == "__main__":
    promote()
