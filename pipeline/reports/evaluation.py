"""The stage *evaluation_report*: one page for the person who decides whether a model is better.

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
from pipeline.reports.charts import Dot, curves, dots, ticks
from pipeline.reports.evaluation_cautions import Comparison, cautions, compare, copied
from pipeline.reports.metric_guide import FIGURES, Figure, figure
from pipeline.reports.page import count, find_words, write_page

REPORT = Path("metrics/evaluate.json")
TRAINING = Path("metrics/finetune.json")
LOSS = Path("plots/loss.csv")
POEMS = Path("data/evaluation/poems.parquet")
PAGE = Path("data/reports/evaluation.html")

SECTIONS = {
    "figures": "The figures",
    "training": "Training",
    "samples": "Side by side",
    "worst": "The worst and the typical",
    "copied": "Copied from the training poems",
    "made": "How it was made",
}
MODELS = ("base", "tuned", "champion")  # in the order in which they are shown
REQUEST = ["first_line", "title", "style", "author"]
PROMPTS = 12  # of each language, shown side by side
TYPICAL = 3
COPIES = 5
AROUND = 6  # lines shown before and after copied words
# Faults of single poems, the worst of which is shown: the column, and what more of it is.
FAULTS = {
    "foreign_lines": "most lines in another language",
    "seq_rep_4": "most repeated 4-grams",
    "repeated_lines": "most repeated lines",
    "longest_copied_run": "longest run of copied words",
}


def evaluation_page(
    report: dict[str, Any], poems: pd.DataFrame, loss: pd.DataFrame, training: dict[str, Any], params: Params
) -> dict[str, Any]:
    """What the page's template shows.

    Args:
        report: figures as `name.writer.language`, and so again under `intervals`.
        poems: the table of evaluated poems, people's among them.
        loss: the curve by `step` and `language`.
        training: what `finetune` says of the training.
        params: all of the params.
    """
    models = [name for name in MODELS if (poems["writer"] == name).any()]
    comparisons = {other: compare(report, "tuned", other) for other in models if other != "tuned"}
    tuned = {code: poems[(poems["writer"] == "tuned") & (poems["language"] == code)] for code in params.languages}
    return {
        "sections": SECTIONS,
        "languages": params.languages,
        "models": models,
        "warnings": cautions(report, poems, loss, params.languages, comparisons),
        "verdicts": {other: verdict(compared) for other, compared in comparisons.items()},
        "fit": {
            code: [report["bits_per_byte"][name][code] for name in (models[0], "tuned")] for code in params.languages
        },
        "groups": figure_groups(report, models, params.languages),
        "numbers": number_rows(report, [*models, "human"]),
        "loss": loss_curve(loss, params.languages),
        "prompts": {code: side_by_side(poems[poems["language"] == code], models) for code in params.languages},
        "worst": {code: worst(own) for code, own in tuned.items()},
        "typical": {code: typical(own) for code, own in tuned.items()},
        "copies": {
            code: [with_source(poem) for poem in copied(own).head(COPIES).to_dict("records")]
            for code, own in tuned.items()
        },
        "copied_in_all": sum(len(copied(own)) for own in tuned.values()),
        "made": made(training, params, poems),
    }


def verdict(comparisons: list[Comparison]) -> dict[str, int]:
    """How many figures are better, worse and too close to tell."""
    outcomes = Counter(one.outcome for one in comparisons)
    return {outcome: outcomes[outcome] for outcome in ("better", "worse", "close")}


def figure_groups(
    report: dict[str, Any], models: list[str], languages: Mapping[str, str]
) -> dict[str, list[dict[str, Any]]]:
    """By heading the figures, each with a chart for each language on one scale."""
    order = [*FIGURES, *report]
    groups: dict[str, list[dict[str, Any]]] = {}
    for name in sorted(set(report) - {"intervals"}, key=order.index):
        guide, scale = figure(name), _scale(report, name)
        charts = {}
        for code, language in languages.items():
            rows = [dot for model in models if (dot := _dot(report, name, model, code))]
            if rows:
                said = _said(report, name, code, language, [*models, "human"])
                charts[language] = dots(rows, _dot(report, name, "human", code), scale, said)
        if guide.main and charts:
            groups.setdefault(guide.group, []).append({"guide": guide, "charts": charts})
    return groups


def _dot(report: dict[str, Any], name: str, writer: str, code: str) -> Dot | None:
    value = report[name].get(writer, {}).get(code)
    if value is None:
        return None
    low, high = report["intervals"].get(name, {}).get(writer, {}).get(code, (None, None))
    return Dot(writer, value, figure(name).shown(value), low, high)


def _scale(report: dict[str, Any], name: str) -> tuple[float, float]:
    """Round ends that hold every value and interval of a figure; from 0 for all but bits per byte."""
    values = [value for writer in report[name].values() for value in writer.values()]
    ends = [end for writer in report["intervals"].get(name, {}).values() for ends in writer.values() for end in ends]
    low = min(values + ends) if name == "bits_per_byte" else min([0.0, *values, *ends])
    marks = ticks(low, max(values + ends))
    return marks[0], min(marks[-1], 1.0) if figure(name).share else marks[-1]


def _said(report: dict[str, Any], name: str, code: str, language: str, writers: list[str]) -> str:
    guide = figure(name)
    values = {writer: report[name].get(writer, {}).get(code) for writer in writers}
    said = ", ".join(f"{writer} {guide.shown(value)}" for writer, value in values.items() if value is not None)
    return f"{guide.label}, {language}: {said}"


def number_rows(report: dict[str, Any], writers: list[str]) -> list[dict[str, Any]]:
    """Every figure as text, by language: label, and for each writer the value and its interval."""
    codes = {
        name: sorted({code for values in report[name].values() for code in values})
        for name in report
        if name != "intervals"
    }
    return [
        {
            "guide": figure(name),
            "language": code,
            "values": [_shown(_dot(report, name, writer, code), figure(name)) for writer in writers],
        }
        for name, found in codes.items()
        for code in found
    ]


def _shown(dot: Dot | None, guide: Figure) -> tuple[str, str]:
    if dot is None:
        return "–", ""
    return dot.shown, "" if dot.low is None else f"{guide.shown(dot.low)} to {guide.shown(dot.high)}"


def loss_curve(loss: pd.DataFrame, languages: Mapping[str, str]) -> Markup:
    """Bits per byte of the validation poems, step by step."""
    series = {
        languages.get(code, code): list(zip(curve["step"], curve["bits_per_byte"], strict=True))
        for code, curve in loss.sort_values("step").groupby("language", sort=False)
    }
    ends = ", ".join(f"{name} from {line[0][1]:.3f} to {line[-1][1]:.3f}" for name, line in series.items())
    return curves(series, f"Bits per byte of the validation poems by step: {ends}", "step")


def side_by_side(poems: pd.DataFrame, models: list[str]) -> list[dict[str, Any]]:
    """The first requests of one language, each with what every model wrote for it, and people where they did.

    They are the first ones and the first sample of each, not those that came out best.
    """
    written = poems[poems["writer"].isin(models)].sort_values("seed", kind="stable")
    # First lines before headers, since they are the same from run to run.
    order = written.assign(header=written["first_line"].isna()).sort_values("header", kind="stable")
    requests = order.drop_duplicates(REQUEST)[[*REQUEST, "seed"]].head(PROMPTS)
    shown = []
    for request in requests.to_dict("records"):
        same = written[written["seed"] == request["seed"]]
        by_writer = {poem["writer"]: poem for poem in same.to_dict("records") if _asked(poem) == _asked(request)}
        people = poems[poems["writer"] == "human"].to_dict("records") if request["title"] else []
        by_writer |= {poem["writer"]: poem for poem in people if _asked(poem) == _asked(request)}
        shown.append({"request": request, "poems": by_writer})
    return shown


def _asked(poem: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(poem[field] or "" for field in REQUEST)


def worst(poems: pd.DataFrame) -> list[dict[str, Any]]:
    """The poem with the most of each fault, if one has it, with its faults as written; a poem is shown once."""
    shown: dict[Any, dict[str, Any]] = {}
    for column, what in FAULTS.items():
        ranked = poems.sort_values(column, ascending=False, kind="stable")
        for place, poem in ranked.head(1).iterrows():
            if poem[column] > 0:
                found = shown.setdefault(place, {"poem": poem.to_dict(), "why": []})
                found["why"].append(f"{what}, {figure(column).shown(poem[column])}")
    return list(shown.values())


def typical(poems: pd.DataFrame) -> list[dict[str, Any]]:
    """The poems nearest to the middle: least mean distance from the median rank, over all figures of single poems."""
    columns = [column for column in poems if pd.api.types.is_numeric_dtype(poems[column]) and column != "seed"]
    ranks = poems[columns].astype(float).rank(pct=True)
    distance = (ranks - ranks.median()).abs().mean(axis=1)
    return poems.loc[distance.sort_values(kind="stable").index].head(TYPICAL).to_dict("records")


def with_source(poem: dict[str, Any]) -> dict[str, Any]:
    """A poem with the part of its nearest training poem around the words they share, or else its beginning."""
    source = poem["nearest_text"] or ""
    found = find_words(source, poem["copied_text"] or "")
    lines = source.split("\n")
    first = source[: found[0]].count("\n") if found else 0
    last = source[: found[1]].count("\n") if found else AROUND
    start, end = max(0, first - AROUND), last + AROUND + 1
    excerpt = "\n".join(["[…]"] * (start > 0) + lines[start:end] + ["[…]"] * (end < len(lines)))
    return poem | {"excerpt": excerpt, "in_nearest": found is not None}


def made(training: dict[str, Any], params: Params, poems: pd.DataFrame) -> dict[str, str]:
    """What the figures stand on, as rows of name and value."""
    sampling = params.generation.model_dump(exclude_none=True)
    counts = poems.groupby(["writer", "language"], sort=False).size()
    said = {name: value for name, value in training.items() if isinstance(value, int | float | str)}
    return {
        "Base model": params.base,
        "Method": params.finetune.method,
        **{
            name.replace("_", " ").capitalize(): f"{value:,}" if isinstance(value, int) else str(value)
            for name, value in said.items()
        },
        "Sampling": ", ".join(f"{name} {value}" for name, value in sampling.items()),
        **{
            f"Poems by {writer} in {params.languages.get(code, code)}": f"{number:,}"
            for (writer, code), number in counts.items()
        },
    }


def read_poems(path: Path) -> pd.DataFrame:
    """The table of evaluated poems, what is missing as None.

    Raises:
        BadInput: there is none, because `evaluate` has not run.
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
