"""The data stages over a corpus of your own: what is kept, what is dropped and why, seconds and memory.

    python -m benchmarks.corpus FOLDER_OR_GLOB [--sizes 1,10,40] [--write docs/results/corpus.md]

reads files with the columns text, title, author, language and licence through the source `files`, runs the real
commands of scrape, clean, tag and tokenize in a temporary folder, and prints tables in Markdown. Without an argument
it takes the raw poems in data/raw. Larger sizes are the corpus and copies of its poems with their words in another
order, which are no duplicates. The straightforward way is measured beside them, on the first poems alone: it is slow.
"""

import argparse
import os
import resource
import shlex
import shutil
import sys
import tempfile
import time
from functools import partial
from itertools import islice
from pathlib import Path

import psutil
from ruamel.yaml import YAML

from benchmarks.copies import write_copies
from benchmarks.page import markdown, write_page
from pipeline.common.params import Columns, FilesSource
from pipeline.common.tables import read_report, read_table
from pipeline.sources.files import read_files

ROOT = Path(__file__).resolve().parent.parent
STAGES = ("scrape", "clean", "tag", "tokenize")
RAW_COLUMNS = {"title": "title", "author": "author", "language": "declared_language", "licence": "licence"}
Cost = tuple[float, float, float]  # seconds, seconds of computing, peak GB


def measure(command: list[str], folder: Path) -> Cost:
    """Run a command; its seconds, those its processes spent computing, and their peak memory in GB.

    On a machine that others use too, the seconds of computing are the ones to compare. Memory is sampled ten times a
    second; what processes share is counted once for each (RSS), so the number errs on the high side.
    """
    start, computed = time.perf_counter(), _computing_seconds()
    peak = 0
    with psutil.Popen(command, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}) as process:
        while process.poll() is None:
            try:
                family = [process, *process.children(recursive=True)]
                peak = max(peak, sum(each.memory_info().rss for each in family))
            except psutil.NoSuchProcess:
                pass  # a worker ended between the two calls
            time.sleep(0.1)
    if process.returncode:
        sys.exit(f"{shlex.join(command)} stopped with status {process.returncode}")
    return time.perf_counter() - start, _computing_seconds() - computed, peak / 1e9


def _computing_seconds() -> float:
    """Processor time of all child processes that have ended, and of theirs."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def write_params(source: str, columns: dict[str, str], folder: Path) -> None:
    """The repository's params.yaml with one source: the files of the corpus."""
    yaml = YAML()
    params = yaml.load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["scrape"]["sources"] = {"corpus": {"kind": "files", "path": source, "columns": columns}}
    with (folder / "params.yaml").open("w", encoding="utf-8") as file:
        yaml.dump(params, file)


def report(folder: Path, measured: dict[str, Cost]) -> str:
    """The tables of what the stages that ran did."""
    reports = {stage: read_report(folder / f"metrics/{stage}.json") for stage in measured}
    decided = {stage: reports[stage] for stage in ("clean", "tag") if stage in reports}
    flow = [
        (stage, *(f"{count:,}" for count in (each["poems_in"], each["poems_kept"], sum(each["rejected"].values()))))
        for stage, each in decided.items()
    ]
    reasons = [(stage, *dropped) for stage, each in decided.items() for dropped in each["rejected"].items()]
    parts = []
    if "clean" in reports:
        rules = [(name, f"{rule['changed']:,}") for name, rule in reports["clean"]["rules"].items()]
        parts += [
            ("Poems", markdown(("stage", "in", "kept", "dropped"), flow)),
            ("Dropped, by reason", markdown(("stage", "reason", "poems"), reasons)),
            ("Poems changed, by rule", markdown(("rule", "poems"), rules)),
        ]
    if "tag" in reports:
        table = reports["tag"]["confusion"]
        detected = sorted({language for row in table.values() for language in row})
        confusion = [(declared, *(row.get(code, 0) for code in detected)) for declared, row in table.items()]
        words = read_table(folder / "data/tagged/poems.parquet").groupby("language")["words"].agg(["size", "sum"])
        kept = [(language, f"{row['size']:,}", f"{row['sum']:,}") for language, row in words.iterrows()]
        parts += [
            ("Kept", markdown(("language", "poems", "words"), kept)),
            ("Declared language (rows) and detected", markdown(("declared", *detected), confusion)),
        ]
    if "tokenize" in reports:
        tokens = reports["tokenize"]["train"]
        parts.append(("Training rows", markdown(tuple(tokens), [tuple(f"{value:,}" for value in tokens.values())])))
    seconds, computing, memory = zip(*measured.values(), strict=True)
    costs = {**measured, "all": (sum(seconds), sum(computing), max(memory))}
    cost = [(stage, *(f"{value:.1f}" for value in values)) for stage, values in costs.items()]
    parts.append(("Cost", markdown(("stage", "seconds", "seconds of computing, all processes", "peak GB"), cost)))
    return "\n".join(f"## {title}\n\n{table}" for title, table in parts)


def run_stages(source: Path, columns: dict[str, str], folder: Path, last: str) -> dict[str, Cost]:
    """Run the stages up to the last one in a folder; what each cost."""
    write_params(str(source.absolute()), columns, folder)
    stages = STAGES[: STAGES.index(last) + 1]
    return {stage: measure([sys.executable, "-m", f"pipeline.{stage}"], folder) for stage in stages}


def scale_table(costs: dict[str, tuple[int, dict[str, Cost]]]) -> str:
    """A row for each way and stage: poems, seconds, seconds for a thousand poems, and peak memory."""
    rows = []
    for way, (poems, measured) in costs.items():
        totals = [sum(column) for column in zip(*measured.values(), strict=True)][:2]
        whole = {"all": (*totals, max(cost[2] for cost in measured.values()))} if len(measured) > 1 else {}
        for stage, (seconds, computing, memory) in {**measured, **whole}.items():
            each = f"{1000 * seconds / poems:.2f}"
            rows.append((way, stage, f"{poems:,}", f"{seconds:.1f}", f"{computing:.1f}", each, f"{memory:.2f}"))
    header = ("way", "stage", "poems", "seconds", "seconds of computing", "seconds for 1,000 poems", "peak GB")
    return f"## By size\n\n{markdown(header, rows)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", nargs="?", default="data/raw", help="a file, a folder or a glob")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="write the tables to this Markdown page too")
    parser.add_argument("--until", choices=STAGES, default=STAGES[-1], help="the last stage to run")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="copy what the stages wrote to a new folder")
    parser.add_argument("--sizes", default="1", metavar="1,10,40", help="times the corpus, the first in full detail")
    parser.add_argument("--straightforward", type=int, default=2000, metavar="POEMS", help="measured the plain way")
    arguments = parser.parse_args()
    columns = RAW_COLUMNS if arguments.source == "data/raw" else {**RAW_COLUMNS, "language": "language"}
    source = FilesSource(kind="files", path=arguments.source, columns=Columns(**columns))
    records = partial(read_files, source, "corpus")
    poems = sum(1 for _ in records())
    costs, tables = {}, ""
    with tempfile.TemporaryDirectory() as temporary:
        for size in map(int, arguments.sizes.split(",")):
            corpus, folder = Path(temporary, f"corpus-{size}"), Path(temporary, f"stages-{size}")
            corpus.mkdir()
            folder.mkdir()
            write_copies(records, size, corpus)
            costs[f"the corpus, {size} times"] = size * poems, run_stages(corpus, RAW_COLUMNS, folder, arguments.until)
            tables = tables or report(folder, costs[f"the corpus, {size} times"][1])
            if arguments.keep:
                shutil.copytree(folder, arguments.keep / str(size))
            shutil.rmtree(corpus)
        first = min(arguments.straightforward, poems)
        write_copies(lambda: islice(records(), first), 1, Path(temporary))
        command = [sys.executable, "-m", "benchmarks.straightforward", "copy-000.jsonl"]
        costs["straightforward"] = first, {"drop_duplicates, langdetect": measure(command, Path(temporary))}
    tables += f"\n{scale_table(costs)}"
    print(tables)
    if arguments.write:
        write_page(arguments.write, "A real corpus through the data stages", "benchmarks.corpus", tables)


if __name__ == "__main__":
    main()
