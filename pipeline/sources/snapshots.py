"""The last good crawl of a source: kept where the source is down, and what a new yield is measured against."""

import json
import shutil
from pathlib import Path
from typing import Any

from pipeline.common.stage import BadInput


class SourceDown(BadInput):
    """A source does not answer; nothing that the user gave need be wrong."""


def keep(snapshot: Path, folder: Path, down: SourceDown) -> dict[str, Any]:
    """Copy the last good crawl into the folder of the new ones, and report it as stale.

    Raises:
        SourceDown: there is none.
    """
    if not snapshot.exists():
        raise down
    shutil.copyfile(snapshot, folder / snapshot.name)
    return {"poems": count(snapshot), "stale": True, "problem": str(down)}


def check_yield(report: dict[str, Any], snapshot: Path, max_drop: float) -> None:
    """Raise BadInput if a source, whose markup may have changed, yields much less than it did; report what is missing.

    Args:
        report: of the new crawl; gets `fewer`, the number of poems missing, if there are any.
        snapshot: the file of the last one, if there was one.
        max_drop: share of its poems that may be missing.
    """
    before = count(snapshot) if snapshot.exists() else 0
    if report["poems"] < (1 - max_drop) * before:
        problem = (
            f"{report['poems']} poems where there were {before}; "
            f"{report['without_poem']} pages without a poem, {report.get('failed', 0)} failed"
        )
        remedy = f"See whether the site changed; if fewer are right, delete {snapshot} and run again"
        raise BadInput(f"params.yaml: scrape.sources.{snapshot.stem}", problem, remedy)
    if report["poems"] < before:
        report["fewer"] = before - report["poems"]


def count(snapshot: Path) -> int:
    """The number of records with a poem in a file of raw records."""
    with snapshot.open(encoding="utf-8") as lines:
        return sum(bool(json.loads(line)["text"]) for line in lines)
