"""From a table of poems, one row a poem whoever wrote it, to the figures of each writer in each language.

Most figures are said of one poem and stand in its row; a writer's figure is their mean. The others are said of all
poems of a writer together. docs/figures.md has every one of them.
"""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import pyarrow as pa

from pipeline import figures, sound
from pipeline.figures import Interval, interval, mean
from pipeline.params import Params

HUMAN = "human"
REFERENCE_POEMS = 500  # training poems of each language whose shape stands for people's
DISTINCT_WORDS = 50  # of each poem, so that long poems do not look poorer than short ones
SHAPES = {
    "words_a_line_distance": figures.words_a_line,
    "lines_a_stanza_distance": figures.lines_a_stanza,
    "stanzas_a_poem_distance": figures.stanzas_a_poem,
}

Measured = tuple[float, Interval | None]  # a figure and its 95% interval, where it has one
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
]
EVALUATED_SCHEMA = pa.schema([*ASKED, *POEM_FIGURES])


def measure_each(poems: pd.DataFrame, params: Params) -> pd.DataFrame:
    """The poems with a column more for each figure that is said of one poem.

    Args:
        poems: the columns of `ASKED`, and `ended`.
    """
    languages, candidates = list(params.languages), params.tag.candidates
    texts = poems["text"].tolist()
    spoken = list(zip(texts, poems["language"], strict=True))
    return poems.assign(
        language_adherence=[figures.adheres(text, code, languages, candidates) for text, code in spoken],
        foreign_lines=[figures.foreign_lines(text, code, languages) for text, code in spoken],
        seq_rep_4=[figures.seq_rep(text) for text in texts],
        repeated_lines=[figures.repeated_lines(text) for text in texts],
        loops=[figures.loops(text) for text in texts],
        rhyme_density=[sound.rhyme_density(text, code) for text, code in spoken],
        assonance_density=[sound.assonance_density(text, code) for text, code in spoken],
        syllable_regularity=[sound.syllable_regularity(text, code) for text, code in spoken],
    )


def figures_of(measured: pd.DataFrame, train: pd.DataFrame, params: Params) -> Figures:
    """All figures of each writer in each language, given the table that `measure_each` made.

    People's shape is that of training poems, so that the test poems' distance shows how far people are from people.
    """
    found: Figures = {}
    for (writer, language), poems in measured.groupby(["writer", "language"], sort=False):
        people = train[train["language"] == language]["text"]
        people = people.sample(min(len(people), REFERENCE_POEMS), random_state=params.evaluate.seed).tolist()
        by_name = means(poems) | shape_distances(poems["text"].tolist(), people)
        by_name |= variety(poems["text"].tolist()[: params.evaluate.poems_per_language])
        found.setdefault(writer, {})[language] = by_name
    return found


def means(poems: pd.DataFrame) -> dict[str, Measured]:
    """The mean of each column of `POEM_FIGURES` over the poems that have a value there, by the column's name."""
    columns = {field.name: poems[field.name].dropna().astype(float).tolist() for field in POEM_FIGURES}
    return {name: (mean(values), interval(values, mean)) for name, values in columns.items() if values}


def shape_distances(texts: Sequence[str], people: Sequence[str]) -> dict[str, Measured]:
    """How far the shape of poems is from that of people's."""
    distances: dict[str, Measured] = {}
    for name, shape in SHAPES.items():
        shapes, human = [shape(text) for text in texts], [shape(text) for text in people]
        distances[name] = (
            figures.shape_distance(shapes, human),
            interval(shapes, lambda drawn, human=human: figures.shape_distance(drawn, human)),
        )
    return distances


def variety(texts: Sequence[str]) -> dict[str, Measured]:
    """Distinct-n; poems drawn twice would count as copies, so there is no bootstrap interval."""
    return {f"distinct_{n}": (figures.distinct(texts, n, DISTINCT_WORDS), None) for n in (1, 2, 3)}


def report_of(found: Figures) -> dict[str, Any]:
    """The report of figures by name, writer and language: `name.writer.language`, and so again under `intervals`."""
    values: dict[str, Any] = {}
    intervals: dict[str, Any] = {}
    for writer, languages in found.items():
        for language, by_name in languages.items():
            for name, (value, bounds) in by_name.items():
                values.setdefault(name, {}).setdefault(writer, {})[language] = round(value, 4)
                if bounds is not None:
                    ends = [round(bound, 4) for bound in bounds]
                    intervals.setdefault(name, {}).setdefault(writer, {})[language] = ends
    return {**values, "intervals": intervals}
