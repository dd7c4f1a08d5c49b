"""Authors and styles are recognized far better than by chance, and worse once the words are shuffled."""

from statistics import mean

import pandas as pd
import pytest

from pipeline.metrics.style import MIN_POEMS, recognized, train_classifier
from scrapers.anthology.poems import read_poems
from tests.support.damaged import LANGUAGES, broken_anywhere


@pytest.fixture(scope="module", params=LANGUAGES)
def split(request):
    """Training and test poems of the anthology."""
    poems = pd.DataFrame([vars(poem) for poem in read_poems(request.param)])
    test = poems[::6]
    return poems.drop(test.index), test


@pytest.mark.parametrize("label", ["author", "style"])
def test_human_poems_are_recognized_better_than_shuffled_ones_and_than_those_of_others(split, label):
    train, test = split
    classifier = train_classifier(train, label)
    texts, asked = test["text"].tolist(), test[label].tolist()
    original = mean(recognized(classifier, texts, asked))
    assert original > 0.45  # of seven, so a seventh by chance
    assert original > mean(recognized(classifier, [broken_anywhere(text) for text in texts], asked)) + 0.1
    assert original > mean(recognized(classifier, texts[5:] + texts[:5], asked)) + 0.3


def test_labels_with_few_poems_and_missing_labels_have_no_value(split):
    train, test = split
    rare = train.assign(author=["Rare"] * (MIN_POEMS - 1) + ["One"] * 50 + ["Two"] * (len(train) - 49 - MIN_POEMS))
    classifier = train_classifier(rare, "author")
    assert set(classifier.classes_) == {"One", "Two"}
    assert recognized(classifier, test["text"].tolist()[:3], ["Rare", None, "One"])[:2] == [None, None]


def test_with_a_single_style_there_is_no_classifier(split):
    train, test = split
    classifier = train_classifier(train.assign(style="sonnet"), "style")
    assert classifier is None
    assert recognized(classifier, test["text"].tolist(), ["sonnet"] * len(test)) == [None] * len(test)
    assert train_classifier(train.assign(style=None), "style") is None
