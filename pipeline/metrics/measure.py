"""From a table of poems, one row per poem whoever wrote it, to the metrics of each writer in each language.

Most metrics are measured on one poem and stand in its row; a writer's value is their mean. The others are measured on
all poems of a writer together.
"""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import pyarrow as pa
from tqdm import tqdm

from pipeline.common.params import Params
from pipeline.metrics import prosody
from pipeline.metrics import text as text_metrics
from pipeline.metrics.bootstrap import Estimate, bootstrap, gain, known_mean, mean
from pipeline.metrics.coherence import Coherence, SentenceModel, coherence
from pipeline.metrics.novelty import copied, nearest
from pipeline.metrics.registry import HUMAN, METRICS, NOVEL_LENGTHS, TUNED
from pipeline.metrics.style import recognized, train_classifier

REFERENCE_POEMS = 500  # training poems of each language whose lengths stand for those of human poems
DISTINCT_WORDS = 50  # of each poem, so that long poems do not look poorer than short ones
REQUEST = ["first_line", "author", "style", "title"]  # poems with equal values here answered the same request
LABELS = ("author", "style")  # what can be requested and recognized by a classifier
LENGTHS = {
    "words_per_line_distance": text_metrics.words_per_line,
    "lines_per_stanza_distance": text_metrics.lines_per_stanza,
    "stanzas_per_poem_distance": text_metrics.stanzas_per_poem,
}

Estimates = dict[str, dict[str, dict[str, Estimate]]]  # by writer, language and metric

REQUEST_FIELDS = [
    pa.field("writer", pa.string(), nullable=False),  # base, tuned, champion or human
    pa.field("language", pa.string(), nullable=False),
    pa.field("first_line", pa.string()),  # of the request; null where it named none, and for human poems
    pa.field("author", pa.string()),
    pa.field("style", pa.string()),
    pa.field("title", pa.string()),
    pa.field("seed", pa.int64()),  # null for human poems
    pa.field("text", pa.string(), nullable=False),
]
# Columns whose mean is the metric of the same name; null where a poem has no value.
POEM_METRICS = [
    pa.field("ended", pa.bool_()),
    pa.field("language_adherence", pa.bool_()),
    pa.field("foreign_lines", pa.float64()),
    pa.field("seq_rep_4", pa.float64()),
    pa.field("repeated_lines", pa.float64()),
    pa.field("loops", pa.bool_()),
    pa.field("rhyme_density", pa.float64()),
    pa.field("assonance_density", pa.float64()),
    pa.field("syllable_regularity", pa.float64()),
    *(pa.field(name, pa.float64()) for name in Coherence._fields),
    pa.field("author_accuracy", pa.bool_()),
    pa.field("style_accuracy", pa.bool_()),
    *(pa.field(f"novel_{n}", pa.float64()) for n in NOVEL_LENGTHS),
    pa.field("nearest_similarity", pa.float64()),
]
COPIED = [
    pa.field("longest_copied_run", pa.int64()),  # words
    pa.field("copied_text", pa.string()),  # those words, in lower case without punctuation
    pa.field("nearest_title", pa.string()),  # the most similar training poem
    pa.field("nearest_author", pa.string()),
    pa.field("nearest_text", pa.string()),
]
EVALUATED_SCHEMA = pa.schema([*REQUEST_FIELDS, *POEM_METRICS, *COPIED])


def measure_each(poems: pd.DataFrame, train: pd.DataFrame, params: Params) -> pd.DataFrame:
    """The poems with all columns of `EVALUATED_SCHEMA`.

    Args:
        poems: the columns of `REQUEST_FIELDS`, and `ended`.
        train: the training poems, with which the poems are compared.
    """
    parts = []
    for language, rows in tqdm(poems.groupby("language", sort=False), desc="metrics", unit=" languages"):
        training = train[train["language"] == language]
        columns = measure_texts(rows["text"].tolist(), language, params) | measure_against_training(rows, training)
        parts.append(rows.assign(**columns))
    return measure_coherence(pd.concat(parts).sort_index(), params)


def measure_texts(texts: list[str], language: str, params: Params) -> dict[str, list]:
    """Columns of the metrics that need the texts alone."""
    languages, candidates = list(params.languages), params.tag.candidates
    return {
        "language_adherence": [text_metrics.adheres(text, language, languages, candidates) for text in texts],
        "foreign_lines": [text_metrics.foreign_lines(text, language, languages) for text in texts],
        "seq_rep_4": [text_metrics.seq_rep(text) for text in texts],
        "repeated_lines": [text_metrics.repeated_lines(text) for text in texts],
        "loops": [text_metrics.loops(text) for text in texts],
        "rhyme_density": [prosody.rhyme_density(text, language) for text in texts],
        "assonance_density": [prosody.assonance_density(text, language) for text in texts],
        "syllable_regularity": [prosody.syllable_regularity(text, language) for text in texts],
    }


def measure_against_training(poems: pd.DataFrame, train: pd.DataFrame) -> dict[str, list]:
    """Columns of the metrics that compare poems of one language with the training poems: style and originality.

    A requested first line is not the writer's own, so it does not count as copied.
    """
    texts, known = poems["text"].tolist(), train["text"].tolist()
    own = [text.removeprefix(line or "") for text, line in zip(texts, poems["first_line"], strict=True)]
    runs, most_similar = copied(own, known), nearest(own, known)
    sources = train.iloc[[found.index for found in most_similar]]
    return {
        **{f"{label}_accuracy": recognized(train_classifier(train, label), texts, poems[label]) for label in LABELS},
        **{f"novel_{n}": [found.novel[n] for found in runs] for n in NOVEL_LENGTHS},
        "longest_copied_run": [found.longest_run for found in runs],
        "copied_text": [found.run for found in runs],
        **{f"nearest_{field}": sources[field].tolist() for field in ("title", "author", "text")},
        "nearest_similarity": [found.similarity for found in most_similar],
    }


def measure_coherence(poems: pd.DataFrame, params: Params) -> pd.DataFrame:
    """The poems with the columns of `Coherence`, null where params name no sentence model."""
    name = params.evaluate.sentence_model
    if name is None:
        return poems.assign(**dict.fromkeys(Coherence._fields))
    model = SentenceModel(name)
    parts = []
    for _, rows in tqdm(poems.groupby(["writer", "language"], sort=False), desc="coherence", unit=" groups"):
        found = coherence(model, rows["text"].tolist(), rows["title"].tolist())
        parts.append(rows.assign(**dict(zip(Coherence._fields, zip(*found, strict=True), strict=True))))
    return pd.concat(parts).sort_index()


def estimate_metrics(evaluated: pd.DataFrame, train: pd.DataFrame, params: Params) -> Estimates:
    """All metrics of each writer in each language, given the table that `measure_each` made.

    The lengths of human poems are those of training poems, so that the distance of the test poems shows how far human
    poems are from human poems.
    """
    found: Estimates = {}
    fewest = evaluated.groupby(["language", "writer"]).size().groupby("language").min()
    for (writer, language), poems in evaluated.groupby(["writer", "language"], sort=False):
        human = train[train["language"] == language]["text"]
        human = human.sample(min(len(human), REFERENCE_POEMS), random_state=params.evaluate.seed).tolist()
        requests = poems[REQUEST].astype("string").fillna("").agg("\0".join, axis=1).tolist()
        by_name = means(poems, requests) | length_distances(poems["text"].tolist(), human, requests)
        by_name["longest_copied_run"] = bootstrap(poems["longest_copied_run"].tolist(), max, requests)
        by_name |= variety(poems, fewest[language], params.evaluate.samples_per_prompt)
        found.setdefault(writer, {})[language] = by_name
    return found


def means(poems: pd.DataFrame, requests: Sequence[str]) -> dict[str, Estimate]:
    """The mean of each column of `POEM_METRICS` over the poems that have a value there, by the column's name."""
    columns = {field.name: poems[field.name].astype(float) for field in POEM_METRICS}
    return {
        name: bootstrap(values.tolist(), known_mean, requests)
        for name, values in columns.items()
        if values.notna().any()
    }


def length_distances(texts: Sequence[str], human: Sequence[str], requests: Sequence[str]) -> dict[str, Estimate]:
    """How far the lengths of poems are from those of human poems; nothing where all poems are empty."""
    distances: dict[str, Estimate] = {}
    for name, lengths in LENGTHS.items() if any(text.strip() for text in texts) else ():
        goal = [lengths(text) for text in human]
        distances[name] = bootstrap(
            [lengths(text) for text in texts],
            lambda drawn, goal=goal: text_metrics.length_distance(drawn, goal),
            requests,
        )
    return distances


def variety(poems: pd.DataFrame, count: int, samples: int) -> dict[str, Estimate]:
    """How the poems of one writer differ: all of them from each other, and the samples for one prompt.

    Args:
        count: poems whose distinct n-grams are compared, equally many of every writer. Distinct-n has no bootstrap: a
            poem drawn twice would count as a copy.
        samples: poems per prompt. Human poems answer no prompt; groups of any of them show how unlike two poems are.
    """
    texts = poems["text"].tolist()
    found = {f"distinct_{n}": Estimate(text_metrics.distinct(texts[:count], n, DISTINCT_WORDS)) for n in (1, 2, 3)}
    groups = [written["text"].tolist() for _, written in poems.groupby("first_line", sort=False)]
    if not groups:
        groups = [texts[start : start + samples] for start in range(0, len(texts), samples)]
    similarities = [text_metrics.self_bleu(group) for group in groups if len(group) > 1]
    return found | ({"self_bleu": bootstrap(similarities, mean)} if similarities else {})


def gains_of(estimates: Estimates, writer: str, other: str) -> dict[str, dict[str, Estimate]]:
    """How much better one writer is than another, by metric and language, where both have a value with an interval."""
    gains: dict[str, dict[str, Estimate]] = {}
    for language, ours in estimates[writer].items():
        theirs, human = (estimates.get(name, {}).get(language, {}) for name in (other, HUMAN))
        for name in ours.keys() & theirs.keys():
            found = gain(METRICS[name].direction, ours[name], theirs[name], human.get(name))
            if found is not None and found.interval() is not None:
                gains.setdefault(name, {})[language] = found
    return {name: gains[name] for name in METRICS if name in gains}


def report_of(estimates: Estimates) -> dict[str, Any]:
    """The estimates as JSON.

    Returns:
        `values` by metric, writer and language; `intervals` likewise, each [low, high]; and, where there is a tuned
        model, `gains` by other model, metric and language: how much better tuned is, as [gain, low, high].
    """
    values: dict[str, Any] = {}
    intervals: dict[str, Any] = {}
    for writer, languages in estimates.items():
        for language, by_name in languages.items():
            for name, estimate in by_name.items():
                values.setdefault(name, {}).setdefault(writer, {})[language] = round(estimate.value, 4)
                if (bounds := estimate.interval()) is not None:
                    intervals.setdefault(name, {}).setdefault(writer, {})[language] = _rounded(*bounds)
    others = [writer for writer in estimates if writer not in (TUNED, HUMAN)] if TUNED in estimates else []
    gains = {
        other: {
            name: {language: _rounded(found.value, *found.interval()) for language, found in languages.items()}
            for name, languages in gains_of(estimates, TUNED, other).items()
        }
        for other in others
    }
    return {"values": values, "intervals": intervals, "gains": gains}


def _rounded(*numbers: float) -> list[float]:
    return [round(number, 4) for number in numbers]
