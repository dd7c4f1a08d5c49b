"""What is measured on poems, whoever wrote them: language, repetition, shape, variety. Pure functions on texts.

docs/figures.md says the same at more length. A poem is its text: lines end in one newline, stanzas in a blank line.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
import pandas as pd
from sacrebleu import sentence_bleu
from scipy.stats import wasserstein_distance

from pipeline.common.text import bare, lines_of, looping_lines, ngrams, stanzas_of, words_of
from pipeline.language.detector import read_languages

Item = TypeVar("Item")
Interval = tuple[float, float]

JUDGED_WORDS = 4  # words a line needs for its language to be told
LONGEST_CYCLE = 16  # words
RESAMPLES = 500  # poems drawn anew for an interval
CYCLES = 4  # times on end from which the same words are a loop: a chorus says a word three times


def language_of(text: str, candidates: Sequence[str]) -> str | None:
    """The likeliest of the candidate languages, as `tag` finds it, or None where the text has no letters."""
    [reading] = read_languages([text.lower()], tuple(candidates), seed=0)
    return reading.language


def foreign_lines(poem: str, language: str, languages: Sequence[str]) -> float:
    """The share of a poem's lines, of those with `JUDGED_WORDS` or more, in another of the corpus's languages."""
    judged = [line for line in lines_of(poem) if len(words_of(line)) >= JUDGED_WORDS]
    return _share(language_of(line, languages) not in (language, None) for line in judged)


def adheres(poem: str, language: str, languages: Sequence[str], candidates: Sequence[str]) -> bool:
    """Whether a poem is wholly in a language: as a whole, among all candidates, and with no foreign line."""
    return language_of(poem, candidates) == language and foreign_lines(poem, language, languages) == 0


def seq_rep(poem: str, n: int = 4) -> float:
    """1 − distinct n-grams / n-grams of words: seq-rep-n (Welleck et al., "Neural Text Generation with Unlikelihood
    Training", 2020, §6). 0 in a poem too short to repeat one.
    """
    grams = list(ngrams(words_of(poem), n))
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def repeated_lines(poem: str) -> float:
    """The share of lines that came before in the poem, punctuation and case aside."""
    lines = [bare(line) for line in lines_of(poem)]
    return 1 - len(set(lines)) / len(lines) if lines else 0.0


def loops(poem: str) -> bool:
    """Whether a poem is stuck: a line comes again that `looping_lines` finds looping, or the same one to
    `LONGEST_CYCLE` words come `CYCLES` times on end.
    """
    lines = lines_of(poem)
    if any(bare(line) in looping_lines(lines[:place]) for place, line in enumerate(lines)):
        return True
    words = words_of(poem)
    return any(_cycles(words, length) for length in range(1, LONGEST_CYCLE + 1))


def words_a_line(poem: str) -> list[int]:
    """Words of each line."""
    return [len(line.split()) for line in lines_of(poem)]


def lines_a_stanza(poem: str) -> list[int]:
    """Lines of each stanza."""
    return [len(lines_of(stanza)) for stanza in stanzas_of(poem)]


def stanzas_a_poem(poem: str) -> list[int]:
    """The number of stanzas, as a list of one, like the other shapes; of none, for an empty poem."""
    return [len(stanzas)] if (stanzas := stanzas_of(poem)) else []


def shape_distance(shapes: Sequence[Sequence[int]], human: Sequence[Sequence[int]]) -> float:
    """The first Wasserstein distance between two distributions of lengths, in words, lines or stanzas.

    How far, on average, each generated length must move for the lengths to be spread as people's are (Kantorovich,
    1942; `scipy.stats.wasserstein_distance`).

    Args:
        shapes, human: for each poem, what `words_a_line`, `lines_a_stanza` or `stanzas_a_poem` gave.

    Returns:
        NaN where all poems are empty.
    """
    lengths = np.concatenate(shapes)
    return float(wasserstein_distance(lengths, np.concatenate(human))) if len(lengths) else float("nan")


def distinct(poems: Sequence[str], n: int, words: int | None = None) -> float:
    """Distinct n-grams / n-grams over all poems: distinct-n (Li et al., "A Diversity-Promoting Objective Function for
    Neural Conversation Models", 2016, §5).

    Args:
        words: how many of each poem's words to look at, since longer texts repeat more; by default all.
    """
    grams = [gram for poem in poems for gram in ngrams(words_of(poem)[:words], n)]
    return len(set(grams)) / len(grams) if grams else 0.0


def self_bleu(samples: Sequence[str]) -> float:
    """How like each other the samples for one prompt are: each one's BLEU against the others, averaged, in [0, 1].

    Self-BLEU (Zhu et al., "Texygen: A Benchmarking Platform for Text Generation Models", 2018, §3), by sacrebleu.
    """
    scores = []
    for place, sample in enumerate(samples):
        others = [*samples[:place], *samples[place + 1 :]]
        scores.append(sentence_bleu(sample, others, use_effective_order=True).score / 100)
    return mean(scores)


def mean(values: Sequence[float]) -> float:
    """The mean, as a plain float."""
    return float(np.mean(values))


def known_mean(values: Sequence[float]) -> float:
    """The mean of those that are not NaN; NaN where all are."""
    known = np.asarray(values, dtype=float)
    known = known[~np.isnan(known)]
    return mean(known) if len(known) else float("nan")


class Measured(NamedTuple):
    """A figure, and what it comes to when the poems are drawn anew; None where that would say nothing."""

    value: float
    redrawn: np.ndarray | None = None  # (resamples,); NaN where none of the poems drawn has a value

    def interval(self) -> Interval | None:
        """The 95% percentile bootstrap interval (Efron, 1979)."""
        known = np.empty(0) if self.redrawn is None else self.redrawn[~np.isnan(self.redrawn)]
        return tuple(np.percentile(known, [2.5, 97.5]).tolist()) if len(known) else None


def measured(
    items: Sequence[Item],
    statistic: Callable[[list[Item]], float],
    groups: Sequence[Hashable] | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Measured:
    """A statistic of poems, and of poems drawn with replacement.

    Poems of one request are drawn together, since they are more alike than others (the cluster bootstrap: Davison &
    Hinkley, *Bootstrap Methods and their Application*, 1997, §3.8). Items with the same groups in the same order are
    drawn alike, so two writers who answered the same requests can be compared draw by draw.

    Args:
        groups: what each item was asked for; by default each is alone.
    """
    numbers, found = pd.factorize(np.arange(len(items)) if groups is None else pd.Series(groups, dtype=object))
    members = [np.flatnonzero(numbers == number) for number in range(len(found))]
    draws = np.random.default_rng(seed).integers(len(members), size=(resamples, len(members)))
    places = [np.concatenate([members[number] for number in draw]) for draw in draws]
    return Measured(statistic(list(items)), np.array([statistic([items[at] for at in drawn]) for drawn in places]))


def difference(one: Measured, other: Measured) -> Measured:
    """One figure less the other, draw by draw: the paired bootstrap, for figures of the same requests."""
    if one.redrawn is None or other.redrawn is None:
        return Measured(one.value - other.value)
    return Measured(one.value - other.value, one.redrawn - other.redrawn)


def _cycles(words: Sequence[Hashable], length: int) -> bool:
    """Whether `length` words come `CYCLES` times on end: enough words in a row equal the one `length` before."""
    run = 0
    for word, earlier in zip(words[length:], words, strict=False):
        run = run + 1 if word == earlier else 0
        if run == length * (CYCLES - 1):
            return True
    return False


def _share(marks: Iterator[bool]) -> float:
    marks = list(marks)
    return sum(marks) / len(marks) if marks else 0.0
