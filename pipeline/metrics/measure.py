"""From a table of poems, one row a poem whoever wrote it, to the figures of each writer in each language.

Most figures are said of one poem and stand in its row; a writer's figure is their mean. The others are said of all
poems of a writer together. docs/text_metrics.md has every one of them.
"""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import pyarrow as pa
from tqdm import tqdm

from pipeline.common.params import Params
from pipeline.metrics import prosody
from pipeline.metrics import text as text_metrics
from pipeline.metrics.coherence import Coherence, SentenceModel, coherence
from pipeline.metrics.novelty import NOVEL_LENGTHS, copied, nearest
from pipeline.metrics.style import is_told, train_classifier
from pipeline.metrics.text import Measured, known_mean, mean, measured

HUMAN = "human"
REFERENCE_POEMS = 500  # training poems of each language whose shape stands for people's
DISTINCT_WORDS = 50  # of each poem, so that long poems do not look poorer than short ones
REQUEST = ["first_line", "author", "style", "title"]  # poems alike in these were asked for in the same words
LABELS = ("author", "style")  # what can be asked for and told by a classifier
SHAPES = {
    "words_a_line_distance": text_metrics.words_a_line,
    "lines_a_stanza_distance": text_metrics.lines_a_stanza,
    "stanzas_a_poem_distance": text_metrics.stanzas_a_poem,
}

Figures = dict[str, dict[str, dict[str, Measured]]]  # by writer, language and name

ASKED = [
    pa.field("writer", pa.string(), nullable=False),  # base, tuned, champion or human
    pa.field("language", pa.string(), nullable=False),
    pa.field("first_line", pa.string()),  # what was asked for; null where it was not, and for people's poems
    pa.field("author", pa.string()),
    pa.field("style", pa.string()),
    pa.field("title", pa.string()),
    pa.field("seed", pa.int64()),  # null for people's poems
    pa.field("text", pa.string(), nullable=False),
]
# Columns whose mean is a figure of the same name; null where a poem has none.
POEM_FIGURES = [
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
    pa.field("copied_text", pa.string()),  # the longest run, in lower case without punctuation
    pa.field("nearest_title", pa.string()),  # the training poem most like this one
    pa.field("nearest_author", pa.string()),
    pa.field("nearest_text", pa.string()),
]
EVALUATED_SCHEMA = pa.schema([*ASKED, *POEM_FIGURES, *COPIED])


def measure_each(poems: pd.DataFrame, train: pd.DataFrame, params: Params) -> pd.DataFrame:
    """The poems with all columns of `EVALUATED_SCHEMA`.

    Args:
        poems: the columns of `ASKED`, and `ended`.
        train: the training poems, to which what is written is compared.
    """
    parts = []
    for language, rows in tqdm(poems.groupby("language", sort=False), desc="figures", unit=" languages"):
        known = train[train["language"] == language]
        columns = measure_texts(rows["text"].tolist(), language, params) | measure_debts(rows, known)
        parts.append(rows.assign(**columns))
    return measure_coherence(pd.concat(parts).sort_index(), params)


def measure_texts(texts: list[str], language: str, params: Params) -> dict[str, list]:
    """Columns of figures that are in the texts alone."""
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


def measure_debts(poems: pd.DataFrame, train: pd.DataFrame) -> dict[str, list]:
    """Columns of what poems of one language owe to the training poems: their style, their words.

    A first line that was asked for is not the writer's own, so it does not count as copied.
    """
    texts, known = poems["text"].tolist(), train["text"].tolist()
    own = [text.removeprefix(line or "") for text, line in zip(texts, poems["first_line"], strict=True)]
    runs, most_like = copied(own, known), nearest(own, known)
    of_nearest = train.iloc[[found.index for found in most_like]]
    return {
        **{f"{label}_accuracy": is_told(train_classifier(train, label), texts, poems[label]) for label in LABELS},
        **{f"novel_{n}": [found.novel[n] for found in runs] for n in NOVEL_LENGTHS},
        "longest_copied_run": [found.longest_run for found in runs],
        "copied_text": [found.run for found in runs],
        **{f"nearest_{field}": of_nearest[field].tolist() for field in ("title", "author", "text")},
        "nearest_similarity": [found.similarity for found in most_like],
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


def figures_of(evaluated: pd.DataFrame, train: pd.DataFrame, params: Params) -> Figures:
    """All figures of each writer in each language, given the table that `measure_each` made.

    People's shape is that of training poems, so that the test poems' distance shows how far people are from people.
    """
    found: Figures = {}
    fewest = evaluated.groupby(["language", "writer"]).size().groupby("language").min()
    for (writer, language), poems in evaluated.groupby(["writer", "language"], sort=False):
        people = train[train["language"] == language]["text"]
        people = people.sample(min(len(people), REFERENCE_POEMS), random_state=params.evaluate.seed).tolist()
        asked = poems[REQUEST].astype("string").fillna("").agg("\0".join, axis=1).tolist()
        by_name = means(poems, asked) | shape_distances(poems["text"].tolist(), people, asked)
        by_name["longest_copied_run"] = measured(poems["longest_copied_run"].tolist(), max, asked)
        by_name |= variety(poems, fewest[language], params.evaluate.samples_per_prompt)
        found.setdefault(writer, {})[language] = by_name
    return found


def means(poems: pd.DataFrame, asked: Sequence[str]) -> dict[str, Measured]:
    """The mean of each column of `POEM_FIGURES` over the poems that have a value there, by the column's name."""
    columns = {field.name: poems[field.name].astype(float) for field in POEM_FIGURES}
    return {
        name: measured(values.tolist(), known_mean, asked) for name, values in columns.items() if values.notna().any()
    }


def shape_distances(texts: Sequence[str], people: Sequence[str], asked: Sequence[str]) -> dict[str, Measured]:
    """How far the shape of poems is from that of people's; empty poems have none."""
    distances: dict[str, Measured] = {}
    for name, shape in SHAPES.items() if any(text.strip() for text in texts) else ():
        human = [shape(text) for text in people]
        distances[name] = measured(
            [shape(text) for text in texts], lambda drawn, human=human: text_metrics.shape_distance(drawn, human), asked
        )
    return distances


def variety(poems: pd.DataFrame, count: int, samples: int) -> dict[str, Measured]:
    """How poems of one writer differ: all of them from each other, and the samples for one prompt.

    Args:
        count: poems whose distinct n-grams are compared, as many of every writer. Distinct-n has no bootstrap: poems
            drawn twice would be copies.
        samples: poems a prompt. People wrote for no prompt; their poems in any order show how unlike two poems are.
    """
    texts = poems["text"].tolist()
    found = {f"distinct_{n}": Measured(text_metrics.distinct(texts[:count], n, DISTINCT_WORDS)) for n in (1, 2, 3)}
    groups = [written["text"].tolist() for _, written in poems.groupby("first_line", sort=False)]
    if not groups:
        groups = [texts[start : start + samples] for start in range(0, len(texts), samples)]
    alike = [text_metrics.self_bleu(group) for group in groups if len(group) > 1]
    return found | ({"self_bleu": measured(alike, mean)} if alike else {})


def report_of(found: Figures) -> dict[str, Any]:
    """The report of figures by name, writer and language: `name.writer.language`, and so again under `intervals`."""
    values: dict[str, Any] = {}
    intervals: dict[str, Any] = {}
    for writer, languages in found.items():
        for language, by_name in languages.items():
            for name, figure in by_name.items():
                values.setdefault(name, {}).setdefault(writer, {})[language] = round(figure.value, 4)
                if (bounds := figure.interval()) is not None:
                    ends = [round(bound, 4) for bound in bounds]
                    intervals.setdefault(name, {}).setdefault(writer, {})[language] = ends
    return {**values, "intervals": intervals}
