"""Authors and styles are told by how they write: better than by chance, and not when their words are shuffled."""

from statistics import mean

import pandas as pd
import pytest

from pipeline.metrics.style import FEWEST_POEMS, is_told, train_classifier
from scrapers.anthology.poems import read_poems
from tests.support.damaged import LANGUAGES, broken_anywhere


@pytest.fixture(scope="module", params=LANGUAGES)
def split(request):
    """Training and test poems of the anthology."""
    poems = pd.DataFrame([vars(poem) for poem in read_poems(request.param)])
    test = poems[::6]
    return poems.drop(test.index), test


@pytest.mark.parametrize("label", ["author", "style"])
def test_peoples_poems_are_told_better_than_shuffled_ones_and_than_anothers(split, label):
    train, test = split
    classifier = train_classifier(train, label)
    texts, asked = test["text"].tolist(), test[label].tolist()
    people = mean(is_told(classifier, texts, asked))
    assert people > 0.45  # of seven, so a seventh by chance
    assert people > mean(is_told(classifier, [broken_anywhere(text) for text in texts], asked)) + 0.1
    assert people > mean(is_told(classifier, texts[5:] + texts[:5], asked)) + 0.3


def test_what_has_few_poems_or_was_not_asked_for_is_not_judged(split):
    train, test = split
    rare = train.assign(
        author=["Rare"] * (FEWEST_POEMS - 1) + ["One"] * 50 + ["Two"] * (len(train) - 49 - FEWEST_POEMS)
    )
    classifier = train_classifier(rare, "author")
    assert set(classifier.classes_) == {"One", "Two"}
    assert is_told(classifier, test["text"].tolist()[:3], ["Rare", None, "One"])[:2] == [None, None]


def test_with_one_style_alone_there_is_nothing_to_tell(split):
    train, test = split
    classifier = train_classifier(train.assign(style="sonnet"), "style")
    assert classifier is None
    assert is_told(classifier, test["text"].tolist(), ["sonnet"] * len(test)) == [None] * len(test)
    assert train_classifier(train.assign(style=None), "style") is None
