"""Whether a poem is told to be of the author, or in the style, that it was asked for."""

from collections.abc import Sequence

import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline

CLASSES = 20  # authors or styles told apart at most, the most frequent ones
FEWEST_POEMS = 8  # of an author or style, to be told by
MOST_POEMS = 60
OPENING = 800  # characters of a poem that are looked at


def train_classifier(train: pd.DataFrame, label: str) -> Pipeline | None:
    """Learn to tell a column of the training poems, such as `author`, by a poem's text.

    TF-IDF of character n-grams, which see words' endings, punctuation and line breaks (Stamatatos, "A survey of modern
    authorship attribution methods", 2009, §3.1.2), and a logistic regression.

    Args:
        train: poems of one language.
        label: the column.

    Returns:
        What predicts the label of texts, or None where fewer than two of its values have `FEWEST_POEMS`.
    """
    counts = train[label].value_counts()
    names = counts[counts >= FEWEST_POEMS].index[:CLASSES]
    if len(names) < 2:
        return None
    known = train[train[label].isin(names)].groupby(label).head(MOST_POEMS)
    classifier = make_pipeline(
        TfidfVectorizer(
            analyzer="char", ngram_range=(2, 4), preprocessor=_opening, max_features=20_000, sublinear_tf=True
        ),
        LogisticRegression(C=10, class_weight="balanced", max_iter=200),
    )
    return classifier.fit(known["text"], known[label].astype(str))


def is_told(classifier: Pipeline | None, poems: Sequence[str], asked: Sequence[str | None]) -> list[bool | None]:
    """Whether each poem is told to be what it was asked to be; None where that is nothing the classifier can tell."""
    if classifier is None or not len(poems):
        return [None] * len(poems)
    known = set(classifier.classes_)
    told = classifier.predict(poems)
    return [bool(name == label) if label in known else None for name, label in zip(told, asked, strict=True)]


def _opening(poem: str) -> str:
    return poem[:OPENING]
