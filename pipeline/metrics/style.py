"""Whether a classifier recognizes the requested author or style in a poem."""

from collections.abc import Sequence

import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline

CLASSES = 20  # authors or styles at most, the most frequent ones
MIN_POEMS = 8  # of an author or style; those with fewer are left out
MAX_POEMS = 60
OPENING = 800  # characters of a poem that the classifier reads


def train_classifier(train: pd.DataFrame, label: str) -> Pipeline | None:
    """Train a classifier of a column of the training poems, such as `author`, from their texts.

    TF-IDF of character n-grams, which see word endings, punctuation and line breaks (Stamatatos, "A survey of modern
    authorship attribution methods", 2009, §3.1.2), and a logistic regression.

    Args:
        train: poems of one language.
        label: the column.

    Returns:
        A classifier of texts, or None where fewer than two values of the column have `MIN_POEMS`.
    """
    counts = train[label].value_counts()
    names = counts[counts >= MIN_POEMS].index[:CLASSES]
    if len(names) < 2:
        return None
    known = train[train[label].isin(names)].groupby(label).head(MAX_POEMS)
    classifier = make_pipeline(
        TfidfVectorizer(
            analyzer="char", ngram_range=(2, 4), preprocessor=_opening, max_features=20_000, sublinear_tf=True
        ),
        LogisticRegression(C=10, class_weight="balanced", max_iter=200),
    )
    return classifier.fit(known["text"], known[label].astype(str))


def recognized(classifier: Pipeline | None, poems: Sequence[str], requested: Sequence[str | None]) -> list[bool | None]:
    """Whether each poem is classified as what was requested; None where the classifier does not know that class."""
    if classifier is None or not len(poems):
        return [None] * len(poems)
    known = set(classifier.classes_)
    found = classifier.predict(poems)
    return [bool(name == label) if label in known else None for name, label in zip(found, requested, strict=True)]


def _opening(poem: str) -> str:
    return poem[:OPENING]
