"""Tables of measurements as Markdown, and the page that keeps them, with the machine and the command behind them."""

import os
import platform
import shlex
import sys
from pathlib import Path
from typing import Any

from pipeline.common.stage import whole_file

Row = tuple[Any, ...]


def markdown(header: Row, rows: list[Row]) -> str:
    """A Markdown table; every column but the first is aligned right."""
    aligned = [header, ("---", *["---:"] * (len(header) - 1)), *rows]
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in aligned) + "\n"


def machine() -> str:
    """The machine of the measurements, in words."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    load = os.getloadavg()[2]
    return f"{os.cpu_count()} cores, {memory:.0f} GB, Python {platform.python_version()}, load {load:.1f} (15 minutes)"


def write_page(path: Path, title: str, module: str, tables: str) -> None:
    """Write tables as a Markdown page that names the machine and the command behind them."""
    command = shlex.join(["python", "-m", module, *sys.argv[1:]])
    with whole_file(path) as partial:
        partial.write_text(f"# {title}\n\nMeasured on {machine()}, by\n\n    {command}\n\n{tables}", encoding="utf-8")
