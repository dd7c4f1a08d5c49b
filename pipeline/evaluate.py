"""The stage *evaluate*: the base and the tuned model beside people, by figures and by samples of the same prompts."""

import time
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from tqdm import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from pipeline import figures
from pipeline.base import best_device, load_base
from pipeline.figures import interval, mean
from pipeline.generate import Poem, write_poems
from pipeline.likelihood import bits_per_byte, poem_log_likelihoods
from pipeline.params import Params, load_params
from pipeline.poems import read_table, write_report
from pipeline.prompt import Request
from pipeline.samples import pair, samples_markdown, write_samples
from pipeline.stage import BadInput, stage, whole_file, whole_folder
from pipeline.tokenize import poem_request
from pipeline.tracking import mlflow_run, recorded_run_id

TOKENS = Path("data/tokens")
POET = Path("models/poet")
EVALUATION = Path("data/evaluation")
REPORT = Path("metrics/evaluate.json")
BITS_PER_BYTE = Path("plots/bits_per_byte.csv")

REFERENCE_POEMS = 500  # training poems of each language whose shape stands for people's
DISTINCT_WORDS = 50  # of each poem, so that long poems do not look poorer than short ones
SHAPES = {
    "words_a_line_distance": figures.words_a_line,
    "lines_a_stanza_distance": figures.lines_a_stanza,
    "stanzas_a_poem_distance": figures.stanzas_a_poem,
}

Measured = tuple[float, figures.Interval | None]  # a figure and its 95% interval, where it has one


def requests_of(test: pd.DataFrame, params: Params) -> list[Request]:
    """What both models are asked for: in each language the prompts of params, then the headers of test poems."""
    requests = []
    for language in params.languages:
        prompts = [Request(language, first_line=line) for line in params.evaluate.prompts[language]]
        headers = [poem_request(poem) for poem in test[test["language"] == language].to_dict("records")]
        requests += (prompts + headers)[: params.evaluate.poems_per_language]
    return requests


def measure_fit(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    poems: pd.DataFrame,
    params: Params,
    spoken_languages: dict[str, str] | None,
) -> Measured:
    """Bits per byte of poems, with an interval over the poems."""
    texts = poems["text"].tolist()
    requests = [poem_request(poem) for poem in poems.to_dict("records")]
    batch_size = params.evaluate.batch_size
    likelihoods = poem_log_likelihoods(model, tokenizer, requests, texts, batch_size, spoken_languages)
    scored = list(zip(likelihoods, texts, strict=True))
    return bits_per_byte(likelihoods, texts), interval(scored, lambda drawn: bits_per_byte(*zip(*drawn, strict=True)))


def measure_poems(poems: Sequence[Poem], language: str, people: Sequence[str], params: Params) -> dict[str, Measured]:
    """All figures of poems of one language, by name.

    Args:
        people: texts of human poems in that language, whose shape is the measure.
    """
    texts = [poem.text for poem in poems]
    languages, candidates = list(params.languages), params.tag.candidates
    by_poem = {
        "language_adherence": [figures.adheres(text, language, languages, candidates) for text in texts],
        "foreign_lines": [figures.foreign_lines(text, language, languages) for text in texts],
        "seq_rep_4": [figures.seq_rep(text) for text in texts],
        "repeated_lines": [figures.repeated_lines(text) for text in texts],
        "loops": [figures.loops(text) for text in texts],
        "ended": [poem.ended for poem in poems],
    }
    measured: dict[str, Measured] = {name: (mean(values), interval(values, mean)) for name, values in by_poem.items()}
    for name, shape in SHAPES.items():
        shapes, human = [shape(text) for text in texts], [shape(text) for text in people]
        measured[name] = (
            figures.shape_distance(shapes, human),
            interval(shapes, lambda drawn, human=human: figures.shape_distance(drawn, human)),
        )
    for n in (1, 2, 3):
        # As many poems of every writer; poems drawn twice would count as copies, so there is no bootstrap interval.
        compared = texts[: params.evaluate.poems_per_language]
        measured[f"distinct_{n}"] = (figures.distinct(compared, n, DISTINCT_WORDS), None)
    return measured


def compare(
    written: dict[str, list[Poem]], requests: list[Request], test: pd.DataFrame, train: pd.DataFrame, params: Params
) -> dict[str, dict[str, dict[str, Measured]]]:
    """All figures of what the models wrote and of the human test poems, by writer and language.

    People's shape is that of training poems, so that the test poems' distance shows how far people are from people.
    """
    measured: dict[str, dict[str, dict[str, Measured]]] = {writer: {} for writer in (*written, "human")}
    for language in tqdm(params.languages, desc="figures", unit=" languages"):
        people = train[train["language"] == language]["text"]
        people = people.sample(min(len(people), REFERENCE_POEMS), random_state=params.evaluate.seed).tolist()
        human = [Poem(text, ended=True) for text in test[test["language"] == language]["text"]]
        measured["human"][language] = measure_poems(human, language, people, params)
        for writer, poems in written.items():
            asked = zip(poems, requests, strict=True)
            poems = [poem for poem, request in asked if request.language == language]
            measured[writer][language] = measure_poems(poems, language, people, params)
    return measured


def report_of(measured: dict[str, dict[str, dict[str, Measured]]]) -> dict[str, Any]:
    """The report of figures by writer, language and name: `name.writer.language`, and so again under `intervals`."""
    values: dict[str, Any] = {}
    intervals: dict[str, Any] = {}
    for writer, languages in measured.items():
        for language, by_name in languages.items():
            for name, (value, bounds) in by_name.items():
                values.setdefault(name, {}).setdefault(writer, {})[language] = round(value, 4)
                if bounds is not None:
                    ends = [round(bound, 4) for bound in bounds]
                    intervals.setdefault(name, {}).setdefault(writer, {})[language] = ends
    return {**values, "intervals": intervals}


def run_model(
    name: str, folder: str, test: pd.DataFrame, requests: list[Request], seeds: list[int], params: Params
) -> tuple[dict[str, dict[str, Measured]], list[Poem]]:
    """Score the test poems, by language, and write a poem for each request."""
    model, tokenizer = load_base(folder, best_device())
    spoken = params.languages if name == "base" else None
    progress = tqdm(params.languages, desc=f"{name}: bits per byte", unit=" languages")
    fits = {}
    for language in progress:
        fit = measure_fit(model, tokenizer, test[test["language"] == language], params, spoken)
        fits[language] = {"bits_per_byte": fit}
    samplings = [params.generation] * len(requests)
    batch_size = params.evaluate.batch_size
    started = time.perf_counter()
    poems = write_poems(
        model, tokenizer, requests, samplings, seeds, spoken, batch_size, progress=f"{name}: writing poems"
    )
    tokens = sum(len(tokenizer.encode(poem.text)) for poem in poems)
    print(f"{name}: {tokens / (time.perf_counter() - started):.0f} tokens of poems a second")
    return fits, poems


def log_to_mlflow(report: dict[str, Any]) -> None:
    """Log the figures, as `name/writer/language`, and the samples to the run that trained the model."""
    with mlflow_run(recorded_run_id()):
        mlflow.log_metrics(
            {
                f"{name}/{writer}/{language}": value
                for name, writers in report.items()
                if name != "intervals"
                for writer, languages in writers.items()
                for language, value in languages.items()
            }
        )
        mlflow.log_artifacts(str(EVALUATION), "evaluation")


@stage
def main() -> None:
    params = load_params()
    test, train = read_table(TOKENS / "test.parquet"), read_table(TOKENS / "train.parquet")
    if not POET.is_dir():
        raise BadInput(str(POET), "no such folder", "Run `make run`, or `dvc repro`, which make it first")
    requests = requests_of(test, params)
    seeds = [params.evaluate.seed + number for number in range(len(requests))]
    fits: dict[str, dict[str, dict[str, Measured]]] = {}
    written: dict[str, list[Poem]] = {}
    for writer, folder in {"base": params.base, "tuned": str(POET)}.items():
        fits[writer], written[writer] = run_model(writer, folder, test, requests, seeds, params)
    measured = compare(written, requests, test, train, params)
    for writer, language in product(fits, params.languages):
        measured[writer][language] = fits[writer][language] | measured[writer][language]
    report = report_of(measured)
    base, tuned = ([poem.text for poem in written[writer]] for writer in ("base", "tuned"))
    samples = pair(requests, seeds, base, tuned)
    with whole_folder(EVALUATION) as partial:
        write_samples(samples, partial / "samples.jsonl")
        (partial / "samples.md").write_text(samples_markdown(samples, params.languages), encoding="utf-8")
    with whole_file(BITS_PER_BYTE) as partial:
        bits = pd.DataFrame(report["bits_per_byte"]).rename_axis("language").reset_index()
        bits.melt("language", var_name="model", value_name="bits_per_byte").to_csv(partial, index=False)
    log_to_mlflow(report)
    write_report(report, REPORT)


if __name__ == "__main__":
    main()
