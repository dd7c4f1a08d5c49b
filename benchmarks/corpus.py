"""The data stages over a corpus of your own: what is kept, what is dropped and why, seconds and memory.

    python -m benchmarks.corpus FOLDER_OR_GLOB [--write docs/results/corpus.md]

reads files with the columns text, title, author, language and licence through the source `files`, runs the real
commands of scrape, clean, tag and tokenize in a temporary folder, and prints tables in Markdown. Without an argument
it takes the raw poems in data/raw.
"""

import argparse
import os
import resource
import shlex
import shutil
import sys
import tempfile
import time
from pathlib import Path

import psutil
from ruamel.yaml import YAML

from benchmarks.page import markdown, write_page
from pipeline.poems import read_report, read_table

ROOT = Path(__file__).resolve().parent.parent
STAGES = ("scrape", "clean", "tag", "tokenize")


def measure(command: list[str], folder: Path) -> tuple[float, float, float]:
    """Run a command; its seconds, those its processes spent computing, and their peak memory in GB.

    On a machine that others use too, the seconds of computing are the ones to compare. Memory is sampled ten times a
    second; what processes share is counted once for each (RSS), so the figure errs on the high side.
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


def report(folder: Path, measured: dict[str, tuple[float, float, float]]) -> str:
    """The tables of a finished run."""
    clean, tag = read_report(folder / "metrics/clean.json"), read_report(folder / "metrics/tag.json")
    by_stage = [
        ("clean", clean["poems_in"], clean["poems_kept"], clean["rejected"]),
        ("tag", tag["poems_in"], tag["poems_kept"], tag["rejected"]),
    ]
    reasons = [(stage, reason, count) for stage, _, _, dropped in by_stage for reason, count in dropped.items()]
    flow = [(stage, f"{came:,}", f"{kept:,}", f"{came - kept:,}") for stage, came, kept, _ in by_stage]
    seconds, computing, memory = zip(*measured.values(), strict=True)
    costs = {**measured, "all": (sum(seconds), sum(computing), max(memory))}
    cost = [(stage, *(f"{figure:.1f}" for figure in figures)) for stage, figures in costs.items()]
    rules = [(name, f"{rule['changed']:,}") for name, rule in clean["rules"].items()]
    detected = sorted({language for row in tag["confusion"].values() for language in row})
    confusion = [(declared, *(row.get(code, 0) for code in detected)) for declared, row in tag["confusion"].items()]
    words = read_table(folder / "data/tagged/poems.parquet").groupby("language")["words"].agg(["size", "sum"])
    kept = [(language, f"{row['size']:,}", f"{row['sum']:,}") for language, row in words.iterrows()]
    parts = [
        ("Poems", markdown(("stage", "in", "kept", "dropped"), flow)),
        ("Dropped, by reason", markdown(("stage", "reason", "poems"), reasons)),
        ("Kept", markdown(("language", "poems", "words"), kept)),
        ("Poems changed, by rule", markdown(("rule", "poems"), rules)),
        ("Declared language (rows) and detected", markdown(("declared", *detected), confusion)),
        ("Cost", markdown(("stage", "seconds", "seconds of computing, all processes", "peak GB"), cost)),
    ]
    if "tokenize" in measured:
        tokens = read_report(folder / "metrics/tokenize.json")["train"]
        parts.append(("Training rows", markdown(tuple(tokens), [tuple(f"{value:,}" for value in tokens.values())])))
    return "\n".join(f"## {title}\n\n{table}" for title, table in parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", nargs="?", default="data/raw", help="a file, a folder or a glob")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="write the tables to this Markdown page too")
    parser.add_argument("--until", choices=STAGES, default=STAGES[-1], help="the last stage to run")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="copy what the stages wrote to a new folder")
    arguments = parser.parse_args()
    columns = {"title": "title", "author": "author", "language": "language", "licence": "licence"}
    if arguments.source == "data/raw":
        columns["language"] = "declared_language"
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_params(str(Path(arguments.source).absolute()), columns, folder)
        measured = {}
        for stage in STAGES[: STAGES.index(arguments.until) + 1]:
            measured[stage] = measure([sys.executable, "-m", f"pipeline.{stage}"], folder)
        tables = report(folder, measured)
        if arguments.keep:
            shutil.copytree(folder, arguments.keep)
    print(tables)
    if arguments.write:
        write_page(arguments.write, "A real corpus through the data stages", "benchmarks.corpus", tables)


if __name__ == "__main__":
    main()
