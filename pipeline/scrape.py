"""The stage `scrape`: every source in params.yaml becomes one file of raw records, and a report of how it went."""

import json
import os
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tqdm import tqdm

from pipeline.common.params import FilesSource, HubSource, Scrape, Site, load_params
from pipeline.common.stage import BadInput, stage, whole_folder
from pipeline.common.tables import RAW_FIELDS, write_report
from pipeline.sources.files import read_files
from pipeline.sources.hub import read_hub
from pipeline.sources.snapshots import SourceDown, check_yield, keep
from scrapers.anthology.server import serve

RAW = Path("data/raw")
REPORT = Path("metrics/scrape.json")
REPOSITORY = Path(__file__).parents[1]

NAMED = 100  # skipped files that the report names
NOT_THERE = {400, 401, 403, 404, 405, 410, 451}  # HTTP statuses of a site that is up

Record = dict[str, str | None]
Report = dict[str, Any]


def scrape(params: Scrape, folder: Path, earlier: Path) -> dict[str, Report]:
    """Fetch all sources into `folder`, a `<source>.jsonl` each, its records in the order of their addresses.

    Args:
        params: the sources.
        folder: an empty one.
        earlier: the folder of the last good crawl. Its file stays in use where a source is down, and says how many
            poems there should be.

    Returns:
        A report for each source: pages, poems, and what failed or was left out.

    Raises:
        BadInput: a source that cannot be had and never was, or that has no poem or far fewer than before.
    """
    reports = {}
    with ExitStack() as stack:
        sites = {source.site for source in params.sources.values() if isinstance(source, Site)}
        anthology = stack.enter_context(serve()) if "embedded" in sites else ""
        for name, source in params.sources.items():
            snapshot = earlier / f"{name}.jsonl"
            try:
                with record_writer(folder / snapshot.name) as add:
                    if isinstance(source, Site):
                        site = anthology if source.site == "embedded" else source.site
                        reports[name] = crawl(name, source, site, params, add)
                    else:
                        reports[name] = read(name, source, add)
            except SourceDown as down:
                reports[name] = keep(snapshot, folder, down)
                tqdm.write(f"scrape {name}: {down.problem}. The poems of the last crawl stay in use.", file=sys.stderr)
                continue
            if not isinstance(source, FilesSource):  # those are the user's own to shorten
                check_yield(reports[name], snapshot, params.max_drop)
            warn(name, reports[name])
    return reports


def read(name: str, source: FilesSource | HubSource, add: Callable[[Record], None]) -> Report:
    """Read a source whose poems are rows: the user's own files, or a data set of the hub.

    Args:
        name: the source's name in params.yaml.
        source: what to read.
        add: takes each record.

    Raises:
        BadInput: a file or a data set that cannot be read, or none with a poem.
    """
    skipped: list[dict[str, str]] = []

    def skip(file: str, reason: str) -> None:
        skipped.append({"file": file, "reason": reason})

    rows = read_files(source, name, skip) if isinstance(source, FilesSource) else read_hub(source, name)
    found = Counter()
    for record in tqdm(rows, desc=f"scrape {name}", unit=" poems"):
        found["poems" if record["text"] else "without_poem"] += 1
        add(record)
    if not found["poems"]:
        place = f"params.yaml: scrape.sources.{name}.columns.text"
        raise BadInput(place, f"{source.columns.text!r} is blank in every row", "Name the column that holds the poems")
    report = {"poems": found["poems"], "without_poem": found["without_poem"]}
    return report | ({"skipped": len(skipped), "skipped_files": skipped[:NAMED]} if skipped else {})


def crawl(name: str, source: Site, site: str, params: Scrape, add: Callable[[Record], None]) -> Report:
    """Crawl one site.

    Args:
        name: the source's name in params.yaml.
        source: what to crawl there.
        site: the address without a path.
        params: of all sources.
        add: takes each record.

    Raises:
        SourceDown: the site does not answer.
        BadInput: every page failed, or none has a poem.
    """
    shared = {"recheck_days": params.recheck_days, "contact": params.contact}
    order = source.model_dump() | shared | {"source": name, "site": site}
    # A session of its own, so that Ctrl-C reaches this process alone, which then ends the crawl.
    process = subprocess.Popen(
        [sys.executable, "-m", "scrapers.crawl"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        start_new_session=True,
    )
    poems, report = 0, None
    with process, tqdm(desc=f"scrape {name}", unit=" pages") as bar:
        try:
            process.stdin.write(json.dumps(order))
            process.stdin.close()
            for message in map(json.loads, process.stdout):
                if "poem" in message:
                    add(message["poem"])
                    poems += 1
                    bar.set_postfix(poems=poems, refresh=False)
                bar.update("page" in message)
                report = message.get("report")
        except BaseException:
            process.kill()
            raise
    if report is None:
        raise RuntimeError(f"the crawl of {name} ended with status {process.returncode} and no report")
    check(report, source, name, site)
    return report


def warn(name: str, report: Report) -> None:
    """Say on the terminal what a source did not give; the report names the pages."""
    said = []
    if report.get("failed"):
        problems = ", ".join(f"{problem}: {count}" for problem, count in report["problems"].items())
        said.append(f"{report['failed']} pages failed ({problems})")
    if report.get("skipped"):
        first = report["skipped_files"][0]
        said.append(f"{report['skipped']} files skipped, such as {first['file']} ({first['reason']})")
    if report.get("as_kept"):
        said.append(f"{report['as_kept']} pages failed and are taken as they were kept")
    if report.get("fewer"):
        said.append(f"{report['fewer']} poems fewer than before, {report['without_poem']} pages without a poem")
    for sentence in said:
        tqdm.write(f"scrape {name}: {sentence}, see {REPORT}", file=sys.stderr)


def check(report: Report, source: Site, name: str, site: str) -> None:
    """Raise BadInput if a crawl brought nothing; single pages that failed or have no poem are only counted."""
    place = f"params.yaml: scrape.sources.{name}"
    start = f"{place}.start" if hasattr(source, "start") else place
    pages, failures = report["pages"], report["failures"]
    if not pages and failures:
        first = f"{failures[0]['page']}: {failures[0]['problem']}"
        problems = {failure["problem"] for failure in failures}
        if not any(isinstance(problem, int) for problem in problems):  # exceptions, not HTTP statuses
            remedy = "Check the address and the network, then run again"
            raise SourceDown(f"{place}.site", f"{site} does not answer ({first})", remedy)
        kind = SourceDown if problems.isdisjoint(NOT_THERE) else BadInput
        raise kind(start, f"every page failed ({first})", "Check that the pages exist, or try later")
    if report["as_kept"] and pages == report["as_kept"] + report["not_asked_for"]:
        problem = f"{site} does not answer: no page that was asked for came"
        raise SourceDown(f"{place}.site", problem, "Check the address and the network, then run again")
    if not pages:
        raise BadInput(start, f"{site}/robots.txt forbids these pages", "Start from others")
    if not report["poems"]:
        raise BadInput(start, f"no poem on {pages} pages", "Start from pages that hold poems or lead to them")


@contextmanager
def record_writer(path: Path) -> Iterator[Callable[[Record], None]]:
    """Yield a function that takes raw records; when the block ends they are JSON lines in a file.

    They are ordered by address, so that two crawls of the same pages give the same bytes, and on disk until then.
    """
    with TemporaryDirectory() as folder, closing(sqlite3.connect(Path(folder, "records.sqlite"))) as database:
        database.execute("CREATE TABLE records (url BLOB, text BLOB, line BLOB)")

        def add(record: Record) -> None:
            line = json.dumps({field: record[field] for field in RAW_FIELDS}, ensure_ascii=False)
            row = (str(record["url"]), str(record["text"]), line)
            database.execute("INSERT INTO records VALUES (?, ?, ?)", [part.encode("utf-8") for part in row])

        yield add
        with path.open("wb") as file:
            for (line,) in database.execute("SELECT line FROM records ORDER BY url, text"):
                file.write(line + b"\n")


@stage
def main() -> None:
    params = load_params().scrape
    with whole_folder(RAW) as folder:
        reports = scrape(params, folder, earlier=RAW)
    write_report(reports, REPORT)


if __name__ == "__main__":
    main()
