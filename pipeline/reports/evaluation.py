"""The stage *evaluation_report*: one page for whoever decides whether a model is better.

It only reads what finetune and evaluate wrote.
"""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pyarrow.parquet as pq
from markupsafe import Markup

from pipeline.common.params import Params, load_params
from pipeline.common.stage import BadInput, stage
from pipeline.common.tables import read_report
from pipeline.common.tracking import mlflow_run, recorded_run_id
from pipeline.metrics.registry import BASE, CHAMPION, HUMAN, METRICS, TUNED, Metric
from pipeline.reports.charts import Dot, curves, dots, ticks
from pipeline.reports.evaluation_cautions import (
    COPIED_SIMILARITY,
    COPIED_WORDS,
    Comparison,
    cautions,
    compare,
    copied,
)
from pipeline.reports.page import count, find_words, write_page

REPORT = Path("metrics/evaluate.json")
TRAINING = Path("metrics/finetune.json")
LOSS = Path("plots/loss.csv")
POEMS = Path("data/evaluation/poems.parquet")
PAGE = Path("data/reports/evaluation.html")

SECTIONS = {
    "metrics": "Metrics",
    "training": "Training",
    "samples": "Side by side",
    "worst": "Worst and typical poems",
    "copied": "Copied from the training poems",
    "made": "How it was made",
}
MODELS = (BASE, TUNED, CHAMPION)  # in the order in which they are shown
REQUEST = ["first_line", "title", "style", "author"]
PROMPTS = 12  # of each language, shown side by side
TYPICAL = 3
COPIES = 5
AROUND = 6  # lines shown before and after copied words
# The poem with the most of each of these is shown: a column of the table, and a name for it.
FAULTS = {
    "foreign_lines": "most lines in another language",
    "seq_rep_4": "most repeated 4-grams",
    "repeated_lines": "most repeated lines",
    "longest_copied_run": "longest copied run, in words",
}


def evaluation_page(
    report: dict[str, Any], poems: pd.DataFrame, loss: pd.DataFrame, training: dict[str, Any], params: Params
) -> dict[str, Any]:
    """What the page's template shows.

    Args:
        report: what `evaluate` left in `metrics`.
        poems: the table of evaluated poems, human ones among them.
        loss: the curve by `step` and `language`.
        training: what `finetune` left in `metrics`.
        params: all of the params.
    """
    models = [name for name in MODELS if (poems["writer"] == name).any()]
    comparisons = {other: compare(report, other) for other in models if other != TUNED}
    tuned = {code: poems[(poems["writer"] == TUNED) & (poems["language"] == code)] for code in params.languages}
    return {
        "sections": SECTIONS,
        "languages": params.languages,
        "models": models,
        "base": report["base"],
        "warnings": cautions(report, poems, loss, params.languages, comparisons),
        "verdicts": {other: verdict(compared) for other, compared in comparisons.items()},
        "fit": {
            code: [report["values"]["bits_per_byte"][name][code] for name in (models[0], TUNED)]
            for code in params.languages
        },
        "groups": metric_groups(report, models, params.languages),
        "numbers": number_rows(report, [*models, HUMAN]),
        "loss": loss_curve(loss, params.languages),
        "prompts": {code: side_by_side(poems[poems["language"] == code], models) for code in params.languages},
        "worst": {code: worst(own) for code, own in tuned.items()},
        "typical": {code: typical(own) for code, own in tuned.items()},
        "copies": {
            code: [with_source(poem) for poem in copied(own).head(COPIES).to_dict("records")]
            for code, own in tuned.items()
        },
        "copied_words": COPIED_WORDS,
        "copied_similarity": COPIED_SIMILARITY,
        "copied_in_all": sum(len(copied(own)) for own in tuned.values()),
        "made": made(report["base"], training, params, poems),
    }


def verdict(comparisons: list[Comparison]) -> dict[str, int]:
    """How many metrics are better, worse and too close to call."""
    outcomes = Counter(one.outcome for one in comparisons)
    return {outcome: outcomes[outcome] for outcome in ("better", "worse", "close")}


def metric_groups(
    report: dict[str, Any], models: list[str], languages: Mapping[str, str]
) -> dict[str, list[dict[str, Any]]]:
    """By heading the metrics, each with a chart for each language on one scale."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for metric in _measured(report):
        scale, charts = _scale(report, metric), {}
        for code, language in languages.items():
            rows = [dot for model in models if (dot := _dot(report, metric, model, code))]
            if rows:
                description = _description(report, metric, code, language, [*models, HUMAN])
                charts[language] = dots(rows, _dot(report, metric, HUMAN, code), scale, description)
        if metric.main and charts:
            groups.setdefault(metric.group, []).append({"metric": metric, "charts": charts})
    return groups


def _measured(report: dict[str, Any]) -> list[Metric]:
    """The metrics that the report has, in the order of the registry."""
    return [metric for name, metric in METRICS.items() if name in report["values"]]


def _value(report: dict[str, Any], metric: Metric, writer: str, code: str) -> float | None:
    return report["values"][metric.name].get(writer, {}).get(code)


def _dot(report: dict[str, Any], metric: Metric, writer: str, code: str) -> Dot | None:
    value = _value(report, metric, writer, code)
    if value is None:
        return None
    low, high = report["intervals"].get(metric.name, {}).get(writer, {}).get(code, (None, None))
    return Dot(writer, value, metric.format(value), low, high)


def _scale(report: dict[str, Any], metric: Metric) -> tuple[float, float]:
    """Round ends that hold every value and interval of a metric; from 0 for all but bits per byte."""
    values = [value for writer in report["values"][metric.name].values() for value in writer.values()]
    intervals = report["intervals"].get(metric.name, {})
    values += [end for writer in intervals.values() for ends in writer.values() for end in ends]
    marks = ticks(min(values if metric.unit == "bits" else [0.0, *values]), max(values))
    return marks[0], min(marks[-1], 1.0) if metric.unit in ("share", "score") else marks[-1]


def _description(report: dict[str, Any], metric: Metric, code: str, language: str, writers: list[str]) -> str:
    values = {writer: _value(report, metric, writer, code) for writer in writers}
    listed = ", ".join(f"{writer} {metric.format(value)}" for writer, value in values.items() if value is not None)
    return f"{metric.label}, {language}: {listed}"


def number_rows(report: dict[str, Any], writers: list[str]) -> list[dict[str, Any]]:
    """Every metric as text, by language: label, and for each writer the value and its interval."""
    return [
        {
            "metric": metric,
            "language": code,
            "values": [_shown(_dot(report, metric, writer, code), metric) for writer in writers],
        }
        for metric in _measured(report)
        for code in sorted({code for values in report["values"][metric.name].values() for code in values})
    ]


def _shown(dot: Dot | None, metric: Metric) -> tuple[str, str]:
    if dot is None:
        return "–", ""
    return dot.shown, "" if dot.low is None else f"{metric.format(dot.low)} to {metric.format(dot.high)}"


def loss_curve(loss: pd.DataFrame, languages: Mapping[str, str]) -> Markup:
    """Bits per byte of the validation poems, step by step."""
    series = {
        languages.get(code, code): list(zip(curve["step"], curve["bits_per_byte"], strict=True))
        for code, curve in loss.sort_values("step").groupby("language", sort=False)
    }
    ends = ", ".join(f"{name} from {line[0][1]:.3f} to {line[-1][1]:.3f}" for name, line in series.items())
    return curves(series, f"Bits per byte of the validation poems by step: {ends}", "step")


def side_by_side(poems: pd.DataFrame, models: list[str]) -> list[dict[str, Any]]:
    """The first requests of one language, each with every model's poem, and the human poem where there is one.

    They are the first requests and the first sample of each, not the best.
    """
    written = poems[poems["writer"].isin(models)].sort_values("seed", kind="stable")
    # First lines before headers, since they are the same from run to run.
    order = written.assign(header=written["first_line"].isna()).sort_values("header", kind="stable")
    requests = order.drop_duplicates(REQUEST)[[*REQUEST, "seed"]].head(PROMPTS)
    shown = []
    for request in requests.to_dict("records"):
        same = written[written["seed"] == request["seed"]]
        by_writer = {poem["writer"]: poem for poem in same.to_dict("records") if _request(poem) == _request(request)}
        human = poems[poems["writer"] == HUMAN].to_dict("records") if request["title"] else []
        by_writer |= {poem["writer"]: poem for poem in human if _request(poem) == _request(request)}
        shown.append({"request": request, "poems": by_writer})
    return shown


def _request(poem: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(poem[field] or "" for field in REQUEST)


def worst(poems: pd.DataFrame) -> list[dict[str, Any]]:
    """The poem with the most of each fault, if any has it, with its faults in words; each poem is shown once."""
    shown: dict[Any, dict[str, Any]] = {}
    for column, what in FAULTS.items():
        ranked = poems.sort_values(column, ascending=False, kind="stable")
        for place, poem in ranked.head(1).iterrows():
            if poem[column] > 0:
                found = shown.setdefault(place, {"poem": poem.to_dict(), "why": []})
                found["why"].append(f"{what}: {METRICS[column].format(poem[column])}")
    return list(shown.values())


def typical(poems: pd.DataFrame) -> list[dict[str, Any]]:
    """The poems closest to the median: least mean distance from the median rank, over all metrics of single poems."""
    columns = [column for column in poems if pd.api.types.is_numeric_dtype(poems[column]) and column != "seed"]
    ranks = poems[columns].astype(float).rank(pct=True)
    distance = (ranks - ranks.median()).abs().mean(axis=1)
    return poems.loc[distance.sort_values(kind="stable").index].head(TYPICAL).to_dict("records")


def with_source(poem: dict[str, Any]) -> dict[str, Any]:
    """A poem with the part of its most similar training poem around the words they share, or else its beginning."""
    source = poem["nearest_text"] or ""
    found = find_words(source, poem["copied_text"] or "")
    lines = source.split("\n")
    first = source[: found[0]].count("\n") if found else 0
    last = source[: found[1]].count("\n") if found else AROUND
    start, end = max(0, first - AROUND), last + AROUND + 1
    excerpt = "\n".join(["[…]"] * (start > 0) + lines[start:end] + ["[…]"] * (end < len(lines)))
    return poem | {"excerpt": excerpt, "in_nearest": found is not None}


def made(base: str, training: dict[str, Any], params: Params, poems: pd.DataFrame) -> dict[str, str]:
    """How the model and the evaluation were made, as rows of name and value."""
    sampling = params.generation.model_dump(exclude_none=True)
    counts = poems.groupby(["writer", "language"], sort=False).size()
    plain = {name: value for name, value in training.items() if isinstance(value, int | float | str)}
    return {
        "Base model": base,
        "Method": params.finetune.method,
        **{
            name.replace("_", " ").capitalize(): f"{value:,}" if isinstance(value, int) else str(value)
            for name, value in plain.items()
        },
        "Sampling": ", ".join(f"{name} {value}" for name, value in sampling.items()),
        **{
            f"{params.languages.get(code, code)} poems, {writer}": f"{number:,}"
            for (writer, code), number in counts.items()
        },
    }


def read_poems(path: Path) -> pd.DataFrame:
    """The table of evaluated poems, with None for what is missing.

    Raises:
        BadInput: there is no such file, because `evaluate` has not run.
    """
    if not path.exists():
        raise BadInput(str(path), "no such file", "Run `make run`, or `dvc repro`, which make it first")
    poems = pq.read_table(path).to_pandas()
    text = poems.select_dtypes(["object", "str"]).columns
    return poems.assign(**{name: poems[name].astype(object).where(poems[name].notna(), None) for name in text})


@stage
def main() -> None:
    poems, loss = read_poems(POEMS), pd.read_csv(LOSS)
    page = evaluation_page(read_report(REPORT), poems, loss, read_report(TRAINING), load_params())
    write_page("evaluation.html", PAGE, **page)
    with mlflow_run(recorded_run_id()):
        mlflow.log_artifact(str(PAGE), "reports")
    print(f"{PAGE}: {count(len(page['warnings']), 'warning')}")


if __name__ == "__main__":
    main()
