"""Metrics of texts, whoever wrote them: language, repetition, shape, variety. Pure functions.

A poem is its text: lines end in one newline, stanzas in a blank line.
"""

from collections.abc import Hashable, Iterator, Sequence

import numpy as np
from sacrebleu import sentence_bleu
from scipy.stats import wasserstein_distance

from pipeline.common.text import bare, lines_of, looping_lines, ngrams, stanzas_of, words_of
from pipeline.language.detector import read_languages
from pipeline.metrics.bootstrap import mean

JUDGED_WORDS = 4  # words a line needs for its language to be detected
LONGEST_CYCLE = 16  # words
CYCLES = 4  # repetitions in a row from which the same words are a loop: a chorus says a word three times


def language_of(text: str, candidates: Sequence[str]) -> str | None:
    """The most likely of the candidate languages, as `tag` detects it; None where the text has no letters."""
    [reading] = read_languages([text.lower()], tuple(candidates), seed=0)
    return reading.language


def foreign_lines(poem: str, language: str, languages: Sequence[str]) -> float:
    """The share of lines in another of the corpus's languages, over a poem's lines of `JUDGED_WORDS` or more."""
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
    """The share of lines that came before in the poem, ignoring punctuation and case."""
    lines = [bare(line) for line in lines_of(poem)]
    return 1 - len(set(lines)) / len(lines) if lines else 0.0


def loops(poem: str) -> bool:
    """Whether a poem is stuck: a line repeats that `looping_lines` finds looping, or a phrase of up to `LONGEST_CYCLE`
    words comes `CYCLES` times in a row.
    """
    lines = lines_of(poem)
    if any(bare(line) in looping_lines(lines[:place]) for place, line in enumerate(lines)):
        return True
    words = words_of(poem)
    return any(_cycles(words, length) for length in range(1, LONGEST_CYCLE + 1))


def words_per_line(poem: str) -> list[int]:
    """Words of each line."""
    return [len(line.split()) for line in lines_of(poem)]


def lines_per_stanza(poem: str) -> list[int]:
    """Lines of each stanza."""
    return [len(lines_of(stanza)) for stanza in stanzas_of(poem)]


def stanzas_per_poem(poem: str) -> list[int]:
    """The number of stanzas as a list of one, to be like the other lengths; an empty list for an empty poem."""
    return [len(stanzas)] if (stanzas := stanzas_of(poem)) else []


def length_distance(lengths: Sequence[Sequence[int]], human: Sequence[Sequence[int]]) -> float:
    """The first Wasserstein distance between two distributions of lengths, in words, lines or stanzas.

    How far a length must move, on average, for the lengths to be spread like those of human poems (Kantorovich, 1942;
    `scipy.stats.wasserstein_distance`).

    Args:
        lengths, human: for each poem what `words_per_line`, `lines_per_stanza` or `stanzas_per_poem` gave.

    Returns:
        NaN where all poems are empty.
    """
    flat = np.concatenate(lengths)
    return float(wasserstein_distance(flat, np.concatenate(human))) if len(flat) else float("nan")


def distinct(poems: Sequence[str], n: int, words: int | None = None) -> float:
    """Distinct n-grams / n-grams over all poems: distinct-n (Li et al., "A Diversity-Promoting Objective Function for
    Neural Conversation Models", 2016, §5).

    Args:
        words: how many words of each poem count, since longer texts repeat more; by default all.
    """
    grams = [gram for poem in poems for gram in ngrams(words_of(poem)[:words], n)]
    return len(set(grams)) / len(grams) if grams else 0.0


def self_bleu(samples: Sequence[str]) -> float:
    """How similar the samples for one prompt are: the BLEU of each against the others, averaged, in [0, 1].

    Self-BLEU (Zhu et al., "Texygen: A Benchmarking Platform for Text Generation Models", 2018, §3), by sacrebleu.
    """
    scores = []
    for place, sample in enumerate(samples):
        others = [*samples[:place], *samples[place + 1 :]]
        scores.append(sentence_bleu(sample, others, use_effective_order=True).score / 100)
    return mean(scores)


def _cycles(words: Sequence[Hashable], length: int) -> bool:
    """Whether `length` words come `CYCLES` times in a row: enough words in a row equal the one `length` before."""
    run = 0
    for word, earlier in zip(words[length:], words, strict=False):
        run = run + 1 if word == earlier else 0
        if run == length * (CYCLES - 1):
            return True
    return False


def _share(marks: Iterator[bool]) -> float:
    marks = list(marks)
    return sum(marks) / len(marks) if marks else 0.0
