"""What a poem takes from the training poems: the runs of words it copies, and the poem it is most similar to."""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from pipeline.common.text import ngrams, words_of
from pipeline.metrics.registry import NOVEL_LENGTHS

SHORTEST = NOVEL_LENGTHS[0]
Places = dict[tuple[str, ...], list[tuple[int, int]]]  # of n-grams of `SHORTEST`: training poem, and word in it


class Copied(NamedTuple):
    """What of a poem is also in a training poem."""

    novel: dict[int, float | None]  # by n, the share of its n-grams that are not; None where it is shorter
    longest_run: int  # consecutive words that are; 0 below `SHORTEST`
    run: str  # those words


class Nearest(NamedTuple):
    """The training poem most similar to a poem."""

    index: int
    similarity: float  # in [0, 1]


def copied(poems: Sequence[str], training: Sequence[str]) -> list[Copied]:
    """Compare poems with training poems, word by word, ignoring case and punctuation.

    The share of n-grams that are not in the training data is how McCoy et al. ("How Much Do Language Models Copy From
    Their Training Data?", 2023) measure novelty; n from 5 on is how Lu et al. ("AI as Humanity's Salieri", 2024) do.
    """
    written = [words_of(poem) for poem in poems]
    known = [words_of(poem) for poem in training]
    wanted = {gram for words in written for gram in ngrams(words, SHORTEST)}
    places: Places = defaultdict(list)
    for number, words in enumerate(known):
        for start, gram in enumerate(ngrams(words, SHORTEST)):
            if gram in wanted:
                places[gram].append((number, start))
    return [_copied(words, known, places) for words in written]


def nearest(poems: Sequence[str], training: Sequence[str]) -> list[Nearest]:
    """The training poem with the most similar words: the cosine of TF-IDF vectors (Salton & Buckley, 1988)."""
    vectorizer = TfidfVectorizer(tokenizer=words_of, token_pattern=None, sublinear_tf=True, dtype=np.float32)
    known = vectorizer.fit_transform(training)
    similarities = (vectorizer.transform(poems) @ known.T).tocsr()
    found = []
    for row in similarities:
        best = int(row.data.argmax()) if row.nnz else None
        found.append(
            Nearest(0, 0.0) if best is None else Nearest(int(row.indices[best]), min(1.0, float(row.data[best])))
        )
    return found


def _copied(words: list[str], known: list[list[str]], places: Places) -> Copied:
    runs = _runs(words, known, places)
    novel = {
        n: float(np.mean([run < n for run in runs[: len(words) - n + 1]])) if len(words) >= n else None
        for n in NOVEL_LENGTHS
    }
    longest = max(runs, default=0)
    start = runs.index(longest) if longest else 0
    return Copied(novel, longest, " ".join(words[start : start + longest]))


def _runs(words: list[str], known: list[list[str]], places: Places) -> list[int]:
    """For each word that starts an n-gram of `SHORTEST`, how many words from it on one training poem has too."""
    runs = []
    ends: dict[tuple[int, int], int] = {}  # by poem and the distance between the two places, where their run ends
    for start, gram in enumerate(ngrams(words, SHORTEST)):
        run = 0
        for number, place in places.get(gram, ()):
            pair = number, place - start
            if ends.get(pair, 0) <= start:
                ends[pair] = start + _common(words[start:], known[number][place:])
            run = max(run, ends[pair] - start)
        runs.append(run)
    return runs


def _common(words: list[str], others: list[str]) -> int:
    """How many words two sequences share at their start."""
    pairs = enumerate(zip(words, others, strict=False))
    return next((place for place, (word, other) in pairs if word != other), min(len(words), len(others)))
