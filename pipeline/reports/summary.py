"""What `make run` ends with: counts, metrics before and after, two samples, the version, and where to read on.

It reads what the stages wrote and imports nothing heavy, so that a run with nothing to do ends at once.
"""

from collections import Counter
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.table import Table

from pipeline.common.params import load_params
from pipeline.common.stage import BadInput, stage
from pipeline.common.tables import read_report
from pipeline.metrics.registry import BASE, HUMAN, METRICS, TUNED
from pipeline.metrics.samples import Sample, read_samples, shown

ROOT = Path(__file__).resolve().parents[2]
SHOWN = (
    *("bits_per_byte", "language_adherence", "foreign_lines", "seq_rep_4", "repeated_lines", "loops", "ended"),
    *("rhyme_density", "syllable_regularity", "opening_match", "novel_5"),
)
WRITERS = (BASE, TUNED, HUMAN)


def metrics_table(root: Path) -> list[dict[str, str]]:
    """The main metrics as rows: `metric`, `language`, and a value for each of `WRITERS`, a dash where there is none."""
    values = _read(root, "evaluate")["values"]
    return [
        {"metric": METRICS[name].label.lower(), "language": language}
        | {writer: _shown(name, values[name].get(writer, {}).get(language)) for writer in WRITERS}
        for name in SHOWN
        for language in values.get(name, {}).get(BASE, ())
    ]


def poems_table(root: Path) -> list[dict[str, str]]:
    """What became of the poems, as rows of `poems` and `count`: in, rejected by reason, kept by language."""
    clean, tag = _read(root, "clean"), _read(root, "tag")
    rejected = Counter(clean["rejected"]) + Counter(tag["rejected"])
    return [
        {"poems": "in", "count": str(clean["poems_in"])},
        *({"poems": f"rejected: {reason}", "count": str(count)} for reason, count in rejected.items()),
        {"poems": "kept", "count": ", ".join(f"{count} {language}" for language, count in tag["kept"].items())},
    ]


def summary(root: Path) -> RenderableType:
    """Everything to print."""
    languages = load_params(root / "params.yaml").languages
    samples = read_samples(root / "data" / "evaluation" / "poems.parquet")
    version = _read(root, "register")
    chosen = [sample for language in languages for sample in shown(samples, language, 1)]
    return Group(
        _table("Poems", poems_table(root)),
        _table("Before and after", metrics_table(root), f"base: {_read(root, 'evaluate')['base']}"),
        *(_side_by_side(sample, languages[sample.language]) for sample in chosen),
        f"\n[bold]{version['model']}[/] version {version['version']}, alias {version['alias']}: "
        f'mlflow.pyfunc.load_model("models:/{version["model"]}@{version["alias"]}")',
        f"Is the corpus good? Open [bold]{escape(str(root / 'data/reports/corpus.html'))}[/]",
        f"Is the model better? Open [bold]{escape(str(root / 'data/reports/evaluation.html'))}[/]",
        "Runs, metrics and versions: [bold]make mlflow[/], then http://127.0.0.1:5000",
        "Flow runs: [bold]make prefect[/], then http://127.0.0.1:4200",
    )


def _table(title: str, rows: list[dict[str, str]], caption: str = "") -> Table:
    table = Table(title=title, title_justify="left", caption=escape(caption) or None, caption_justify="left")
    for name in rows[0]:
        table.add_column(name, justify="left" if name in ("poems", "metric", "language") else "right")
    for row in rows:
        table.add_row(*map(escape, row.values()))
    return table


def _side_by_side(sample: Sample, language: str) -> Table:
    table = Table(title=escape(f"{language}: {sample.asked_for()}"), title_justify="left", expand=True)
    table.add_column("base", ratio=1)
    table.add_column("tuned", ratio=1)
    table.add_row(escape(sample.base), escape(sample.tuned))
    return table


def _shown(name: str, value: float | None) -> str:
    return "–" if value is None else METRICS[name].format(value)


def _read(root: Path, stage: str) -> dict[str, Any]:
    path = root / "metrics" / f"{stage}.json"
    if not path.exists():
        raise BadInput(str(path), "no such file", "Run `make run`, which makes it and prints this at the end")
    return read_report(path)


@stage
def main() -> None:
    Console().print(summary(ROOT))


if __name__ == "__main__":
    main()
