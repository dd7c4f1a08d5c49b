"""The stage *evaluate*: models and human poems side by side, by metrics and by samples for the same requests."""

import time
from collections.abc import Mapping
from dataclasses import asdict
from itertools import cycle, islice
from pathlib import Path
from typing import Any, NamedTuple

import mlflow
import pandas as pd
from tqdm import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from pipeline.common.params import Params, load_params
from pipeline.common.splits import TOKENS, split_rule
from pipeline.common.stage import BadInput, stage, whole_file, whole_folder
from pipeline.common.tables import read_table, write_report, write_table
from pipeline.common.tracking import mlflow_run, recorded_run_id
from pipeline.generation.decoder import Poem, write_poems
from pipeline.metrics.bootstrap import Estimate, bootstrap
from pipeline.metrics.measure import (
    EVALUATED_SCHEMA,
    Estimates,
    estimate_metrics,
    measure_each,
    report_of,
)
from pipeline.metrics.registry import BASE, CHAMPION, HUMAN, METRICS, TUNED
from pipeline.metrics.samples import samples_markdown, samples_of
from pipeline.modeling.base import best_device, describe_base, load_base
from pipeline.modeling.likelihood import bits_per_byte, poem_log_likelihoods
from pipeline.modeling.prompt import Request, language_token, poem_request
from pipeline.release.registry import alias_version, fetch_version

POET = Path("models/poet")
EVALUATION = Path("data/evaluation")
REPORT = Path("metrics/evaluate.json")
HEADLINES = Path("metrics/poet.json")
HEADLINE_METRICS = ("bits_per_byte", "foreign_lines", "seq_rep_4", "loops")
PLOT = Path("plots/metrics.csv")


class Evaluation(NamedTuple):
    """What was measured of some models and of human poems."""

    estimates: Estimates
    report: dict[str, Any]  # as in metrics/evaluate.json
    poems: pd.DataFrame  # every poem with its own metrics: columns of `EVALUATED_SCHEMA`


def evaluate_models(
    models: Mapping[str, str | Path], test: pd.DataFrame, train: pd.DataFrame, params: Params
) -> Evaluation:
    """Measure models on the same test poems and on what they write for the same requests and seeds.

    Args:
        models: what `load_base` takes, by the name of the writer, such as "tuned" or "champion".
        test, train: tables of `POEM_SCHEMA`; the test poems are also the human writer.
    """
    test = chosen(test, params)
    requests = requests_of(test, params)
    seeds = [params.evaluate.seed + number for number in range(len(requests))]
    fits: dict[str, dict[str, Estimate]] = {}
    rows: list[dict[str, Any]] = []
    for writer, folder in models.items():
        fits[writer], written = run_model(writer, folder, test, requests, seeds, params)
        rows += [
            _row(writer, request, poem, seed) for request, seed, poem in zip(requests, seeds, written, strict=True)
        ]
    rows += [_row(HUMAN, poem_request(poem), Poem(poem["text"], True)) for poem in test.to_dict("records")]
    poems = measure_each(pd.DataFrame(rows, dtype=object), train, params)  # object: what is missing is None
    estimates = estimate_metrics(poems, train, params)
    for writer, languages in fits.items():
        for language, fit in languages.items():
            estimates[writer][language] = {"bits_per_byte": fit} | estimates[writer][language]
    return Evaluation(estimates, report_of(estimates), poems)


def champion_of(params: Params) -> dict[str, Path]:
    """The champion's folder by its writer's name; empty, and the reason printed, where none can be compared fairly."""
    champion = alias_version(params.register_.model_name, params.promote.alias)
    if champion is None:
        return {}
    if champion.tags.get("split_rule") != split_rule(params):
        print(f"Champion left out: version {champion.version} has another split and may have seen the test poems")
        return {}
    try:
        return {CHAMPION: fetch_version(champion.name, champion.version)}
    except BadInput as error:
        print(f"Champion left out: {error}")
        return {}


def chosen(test: pd.DataFrame, params: Params) -> pd.DataFrame:
    """`evaluate.test_poems` test poems of each language, a random sample by `evaluate.seed`."""
    count, seed = params.evaluate.test_poems, params.evaluate.seed
    shuffled = test.sample(frac=1, random_state=seed)
    return pd.concat([shuffled[shuffled["language"] == language].head(count) for language in params.languages])


def requests_of(test: pd.DataFrame, params: Params) -> list[Request]:
    """The requests that every model answers in each language: up to half are prompts of params, each several times; the
    rest are headers of test poems, starting over where there are too few.
    """
    requests = []
    count, samples = params.evaluate.poems_per_language, params.evaluate.samples_per_prompt
    for language in params.languages:
        lines = params.evaluate.prompts[language][: max(1, count // 2 // samples)]
        prompts = [Request(language, first_line=line) for line in lines] * samples
        headers = [poem_request(poem) for poem in test[test["language"] == language].to_dict("records")]
        requests += [*prompts, *islice(cycle(headers), max(0, count - len(prompts)))][:count]
    return requests


def run_model(
    name: str, folder: str | Path, test: pd.DataFrame, requests: list[Request], seeds: list[int], params: Params
) -> tuple[dict[str, Estimate], list[Poem]]:
    """Score the test poems, by language, and write a poem for each request."""
    model, tokenizer = load_base(folder, best_device())
    spoken = None if knows_languages(tokenizer, params) else params.languages
    fits = {
        language: measure_fit(model, tokenizer, test[test["language"] == language], params, spoken)
        for language in tqdm(params.languages, desc=f"{name}: bits per byte", unit=" languages")
    }
    samplings = [params.generation] * len(requests)
    batch_size = params.evaluate.batch_size
    started = time.perf_counter()
    poems = write_poems(
        model, tokenizer, requests, samplings, seeds, spoken, batch_size, progress=f"{name}: writing poems"
    )
    tokens = sum(len(tokenizer.encode(poem.text)) for poem in poems)
    print(f"{name}: {tokens / (time.perf_counter() - started):.0f} tokens of poems a second")
    return fits, poems


def knows_languages(tokenizer: PreTrainedTokenizerBase, params: Params) -> bool:
    """Whether a model has language tokens, as tuned ones do, or needs the language's name in the prompt."""
    return {language_token(language) for language in params.languages} <= tokenizer.get_vocab().keys()


def measure_fit(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    poems: pd.DataFrame,
    params: Params,
    spoken_languages: dict[str, str] | None,
) -> Estimate:
    """Bits per byte of poems."""
    texts = poems["text"].tolist()
    requests = [poem_request(poem) for poem in poems.to_dict("records")]
    batch_size = params.evaluate.batch_size
    likelihoods = poem_log_likelihoods(model, tokenizer, requests, texts, batch_size, spoken_languages)
    scored = list(zip(likelihoods, texts, strict=True))
    return bootstrap(scored, lambda drawn: bits_per_byte(*zip(*drawn, strict=True)))


def _row(writer: str, request: Request, poem: Poem, seed: int | None = None) -> dict[str, Any]:
    asked = asdict(request) | {"first_line": request.first_line or None}
    return {"writer": writer, **asked, "seed": seed, "text": poem.text, "ended": poem.ended}


def headlines(report: dict[str, Any]) -> dict[str, dict[str, float]]:
    """The tuned model's main metrics by language: as many as DVC's tables, a column each, have room for."""
    return {name: report["values"][name][TUNED] for name in HEADLINE_METRICS}


def value_rows(report: dict[str, Any]) -> list[tuple[str, str, str, float]]:
    """The values of the report as rows: metric, writer, language, value."""
    return [
        (name, writer, language, value)
        for name, writers in report["values"].items()
        for writer, languages in writers.items()
        for language, value in languages.items()
    ]


def metrics_table(report: dict[str, Any]) -> pd.DataFrame:
    """The rows of the plot: the metric's label, writer, language, value, and its interval where it has one."""
    intervals = report["intervals"]
    rows = [
        (METRICS[name].label, writer, language, value, *intervals.get(name, {}).get(writer, {}).get(language, ("", "")))
        for name, writer, language, value in value_rows(report)
    ]
    return pd.DataFrame(rows, columns=["metric", "writer", "language", "value", "low", "high"])


def log_to_mlflow(report: dict[str, Any]) -> None:
    """Log the metrics, as `metric/writer/language`, and the samples to the run that trained the model."""
    with mlflow_run(recorded_run_id()):
        mlflow.log_metrics({"/".join(names): value for *names, value in value_rows(report)})
        mlflow.log_artifacts(str(EVALUATION), "evaluation")


@stage
def main() -> None:
    params = load_params()
    test, train = read_table(TOKENS / "test.parquet"), read_table(TOKENS / "train.parquet")
    if not POET.is_dir():
        raise BadInput(str(POET), "no such folder", "Run `make run`, or `dvc repro`, which make it first")
    models = {BASE: params.base, TUNED: POET} | champion_of(params)
    _, report, poems = evaluate_models(models, test, train, params)
    with whole_folder(EVALUATION) as partial:
        write_table(poems, partial / "poems.parquet", EVALUATED_SCHEMA)
        (partial / "samples.md").write_text(samples_markdown(samples_of(poems), params.languages), encoding="utf-8")
    with whole_file(PLOT) as partial:
        metrics_table(report).to_csv(partial, index=False)
    log_to_mlflow(report)
    write_report(headlines(report), HEADLINES)
    write_report({"base": describe_base(params.base)} | report, REPORT)


if __name__ == "__main__":
    main()
