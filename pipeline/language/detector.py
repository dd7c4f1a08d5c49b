"""Which language a stretch of verse is in, by langdetect's profiles bounded to the languages that are plausible.

langdetect draws n-grams of a text at random until one language stands out, so what it says of short or mixed verse
depends on the draw. Its n-grams never cross a space, so the evidence of a text is the sum of that of its words, and a
word need be read once. The poem's language is the mean of langdetect's own seeded draw over these n-grams and of their
sum; where a poem changes language follows from the sums, line by line. A language without a profile is read word by
word as its neighbours are, and recognised by words of its own (words.yaml). So is an older form of a language,
old Spanish, which then counts as that language.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from string import digits, punctuation

import numpy as np
from langdetect.detector import Detector
from langdetect.detector_factory import PROFILES_DIRECTORY, DetectorFactory

from pipeline.common.stage import BadInput
from pipeline.language.words import unprofiled_languages

# Log-odds of n-grams over this are log-odds of languages: neighbouring n-grams overlap and repeat each other's
# evidence. Chosen with the price below on the development half of benchmarks/language.py.
_OVERLAP = 3.0
_SWITCH = 6.0  # what it costs, in the same log-odds, to change language between two lines
_SWITCH_FORM = 3.0  # to change between a language's older form and today's
_START = 1.0  # to begin in a language that is not the poem's
# Of a text's words, what share is listed as a language's own: in that language and, by chance, in its neighbours.
_OWN, _STRAY = 0.2, 0.001
_AROUND = punctuation + digits + "¡¿«»‹›“”„‘’—–…·"  # what stands around a word's letters
_TRIALS = 7  # of langdetect's
_FIRST_PICKS = 81


@dataclass(frozen=True)
class Reading:
    """What a poem's text says of its language.

    Attributes:
        language: code of the likeliest candidate; None where the text has nothing to read.
        confidence: its probability, in [0, 1].
        foreign_share: share of the words, or of the lines where that is more, in stretches of another language.
        foreign_language: the commonest of these; None where there is none.
    """

    language: str | None
    confidence: float
    foreign_share: float = 0.0
    foreign_language: str | None = None


@cache
def divide(candidates: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Which candidates langdetect has a profile of, and which are recognised by words of their own.

    Raises:
        BadInput: a candidate is neither, or has a neighbour that is no candidate.
    """
    known, listed = {path.name for path in Path(PROFILES_DIRECTORY).iterdir()}, unprofiled_languages()
    for code in candidates:
        if code not in known and code not in listed:
            allowed = f"langdetect knows {', '.join(sorted(known))}; words.yaml {', '.join(listed)}"
            raise BadInput("params.yaml: tag.candidates", f"{code!r} has no language profile", allowed)
    unprofiled = tuple(code for code in candidates if code not in known)
    for code in unprofiled:
        missing = [near for near in unprofiled_languages()[code].neighbours if near not in candidates]
        if missing:
            problem = f"{code!r} is told from its neighbours, and {', '.join(missing)} is not there"
            raise BadInput("params.yaml: tag.candidates", problem, f"Add {', '.join(missing)} or take {code} out")
    return tuple(code for code in candidates if code in known), unprofiled


@cache
def profiles(candidates: tuple[str, ...]) -> DetectorFactory:
    """langdetect's factory with the profiles of the candidates alone, all of which have one."""
    known = {path.name: path for path in Path(PROFILES_DIRECTORY).iterdir()}
    factory = DetectorFactory()
    factory.load_json_profile([known[code].read_text(encoding="utf-8") for code in candidates])
    return factory


@cache
def _reader(candidates: tuple[str, ...]) -> Detector:
    return profiles(candidates).create()


@lru_cache(maxsize=200_000)
def ngrams(word: str, candidates: tuple[str, ...]) -> np.ndarray:
    """The rows of the n-grams of a word that a profile knows, as langdetect takes them.

    A word in capitals, of which no profile knows more than a letter, is read in lower case.
    """
    reader, row_of = _reader(candidates), _rows(candidates)
    reader.text = f" {word.lower() if len(word) > 1 and word.isupper() else word} "
    return np.array([row_of[gram] for gram in reader._extract_ngrams()], dtype=np.intp)


@cache
def _rows(candidates: tuple[str, ...]) -> dict[str, int]:
    """The row of each n-gram in the tables below."""
    return {gram: row for row, gram in enumerate(profiles(candidates).word_lang_prob_map)}


@cache
def _probabilities(candidates: tuple[str, ...]) -> np.ndarray:
    """Each n-gram's probability in each candidate, shape (n-grams, candidates)."""
    return np.array(list(profiles(candidates).word_lang_prob_map.values()))


@cache
def _log_probabilities(candidates: tuple[str, ...]) -> np.ndarray:
    """Their logarithms, smoothed as langdetect does."""
    return np.log(_probabilities(candidates) + Detector.ALPHA_DEFAULT / Detector.BASE_FREQ)


def evidence(grams: Sequence[np.ndarray], candidates: tuple[str, ...]) -> np.ndarray:
    """What each word says for each candidate: the sum of the log-probabilities of its n-grams.

    Args:
        grams: `ngrams` of each word.
        candidates: codes of the languages.

    Returns:
        Shape (words, candidates), in nats.
    """
    sums = np.zeros((len(grams), len(candidates)))
    sizes = np.array([len(found) for found in grams], dtype=np.intp)
    if sizes.any():
        starts = np.cumsum([0, *sizes[sizes > 0][:-1]])
        sums[sizes > 0] = np.add.reduceat(_log_probabilities(candidates)[np.concatenate(grams)], starts)
    return sums


@lru_cache(maxsize=200_000)
def own_words(word: str, unprofiled: tuple[str, ...]) -> tuple[bool, ...]:
    """For each language without a profile, whether a word, or a part of one with hyphens, is listed as its own."""
    parts = [part.strip(_AROUND) for part in word.replace("’", "'").lower().split("-")]
    if len(parts) > 1:
        return tuple(map(any, zip(*(own_words(part, unprofiled) for part in parts), strict=True)))
    return tuple(
        parts[0] in known.words or parts[0].startswith(known.beginnings) or parts[0][2:].endswith(known.endings)
        for known in map(unprofiled_languages().__getitem__, unprofiled)
    )


def unprofiled_evidence(
    words: Sequence[str], table: np.ndarray, profiled: tuple[str, ...], unprofiled: tuple[str, ...]
) -> np.ndarray:
    """What each word says for each language without a profile.

    A word is as likely as in its neighbours on average, times the odds that it is one of the language's own, if it is
    listed, or that it is none.

    Args:
        words: with the spaces around them taken off.
        table: their `evidence` for the profiled languages.
        profiled: codes of these.
        unprofiled: codes of those asked for, all of whose neighbours are profiled.

    Returns:
        Shape (words, unprofiled), in the unit of the table.
    """
    own = np.array([own_words(word, unprofiled) for word in words], dtype=bool).reshape(len(words), len(unprofiled))
    odds = np.where(own, np.log(_OWN / _STRAY), np.log((1 - _OWN) / (1 - _STRAY)))
    odds[~table.any(axis=1)] = 0.0  # nothing to read
    for column, code in enumerate(unprofiled):
        near = [profiled.index(neighbour) for neighbour in unprofiled_languages()[code].neighbours]
        odds[:, column] += np.logaddexp.reduce(table[:, near] / _OVERLAP, axis=1) - np.log(len(near))
    return odds * _OVERLAP


@cache
def _draws(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """langdetect's random numbers, the same for every text as there: its smoothings, (trials, 1), and its picks."""
    random = np.random.RandomState(seed % 2**32)  # its stream is frozen, whatever the version of numpy
    smoothings = Detector.ALPHA_DEFAULT + random.normal(size=(_TRIALS, 1)) * Detector.ALPHA_WIDTH
    return smoothings / Detector.BASE_FREQ, random.random_sample((_TRIALS, Detector.ITERATION_LIMIT + 1))


def softmax(scores: np.ndarray) -> np.ndarray:
    """Log-odds as probabilities that sum to 1 over the last axis; scipy's takes twice as long for a few numbers."""
    odds = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return odds / odds.sum(axis=-1, keepdims=True)


def drawn_probabilities(rows: np.ndarray, candidates: tuple[str, ...], seed: int) -> np.ndarray:
    """What langdetect says of a text, all its trials at once.

    A trial multiplies the probabilities of n-grams picked at random until, at every fifth, one language stands out
    (`Detector._detect_block`); the answer is the mean over trials.

    Args:
        rows: of the text's n-grams in `_log_probabilities`, shape (n-grams,), at least one.
        candidates: codes of the languages.
        seed: of the picks.

    Returns:
        Shape (candidates,), in [0, 1].
    """
    smoothings, picks = _draws(seed)
    table = _probabilities(candidates)
    for limit in (_FIRST_PICKS, picks.shape[1]):  # most texts are clear after a few
        picked = rows[(picks[:, :limit] * rows.size).astype(np.intp)]
        scores = np.log(table[picked] + smoothings[..., None]).cumsum(axis=1)[:, ::5]
        shares = softmax(scores)
        clear = shares.max(axis=2) > Detector.CONV_THRESHOLD
        clear[:, -1] |= limit == picks.shape[1]
        if clear.any(axis=1).all():
            break
    return shares[np.arange(len(shares)), clear.argmax(axis=1)].mean(axis=0)


def stretches(lines: np.ndarray, own: int = 0, older: Mapping[int, int] | None = None) -> list[int]:
    """The likeliest sequence of languages over lines, where a change of language has its price (Viterbi, 1967).

    Args:
        lines: log-odds of each line for each candidate, shape (lines, candidates).
        own: the place of the poem's language among the candidates.
        older: for the place of each older form, the place of the language that it counts as.

    Returns:
        The place of a language for each line, never that of an older form.
    """
    pairs = [pair for form, today in (older or {}).items() for pair in ((form, today), (today, form))]
    counts_as, same = np.arange(lines.shape[1]), np.arange(lines.shape[1])
    for form, today in (older or {}).items():
        counts_as[form] = today
    best = lines[0] - np.where(counts_as == own, 0.0, _START)
    came_from = []
    for line in lines[1:]:
        least = best.max() - _SWITCH
        source = np.where(best >= least, same, best.argmax())
        reached = np.maximum(best, least)
        for one, other in pairs:
            if best[other] - _SWITCH_FORM > reached[one]:
                reached[one], source[one] = best[other] - _SWITCH_FORM, other
        came_from.append(source)
        best = reached + line
    path = [int(best.argmax())]
    for source in reversed(came_from):
        path.append(int(source[path[-1]]))
    return counts_as[path[::-1]].tolist()


def read_languages(texts: Sequence[str], candidates: tuple[str, ...], seed: int) -> list[Reading]:
    """Detect the language of each text, and how much of it is in another one.

    The reading of a text depends on that text and the seed alone.

    Args:
        texts: clean poems.
        candidates: codes that langdetect has profiles of, or that words.yaml has an entry of.
        seed: of langdetect's draw.

    Raises:
        BadInput: a candidate is in neither, or lacks a neighbour.
    """
    profiled, unprofiled = divide(candidates)
    lines_of = ([line.lower() if line.isupper() else line for line in text.split("\n")] for text in texts)
    split = [[words for line in lines if (words := line.split())] for lines in lines_of]
    vocabulary = {
        word: place for place, word in enumerate({word: 0 for text in split for line in text for word in line})
    }
    grams = [ngrams(word, profiled) for word in vocabulary]
    table = evidence(grams, profiled)
    if unprofiled:
        table = np.hstack([table, unprofiled_evidence(list(vocabulary), table, profiled, unprofiled)])
    readings = []
    for lines in split:
        places = [vocabulary[word] for line in lines for word in line]
        sizes = [len(line) for line in lines]
        rows = np.concatenate([grams[place] for place in places]) if places else np.array([], dtype=np.intp)
        readings.append(_read(rows, table[places], sizes, profiled, unprofiled, seed))
    return readings


@cache
def _relations(profiled: tuple[str, ...], unprofiled: tuple[str, ...]) -> tuple[np.ndarray, dict[int, int]]:
    """How candidates are related.

    Returns:
        Which text langdetect draws as a profiled language, that of itself and of those it is a neighbour of, shape
        (profiled, candidates); and for the place of each older form, the place of the language that it counts as.
    """
    candidates = (*profiled, *unprofiled)
    drawn_as = np.eye(len(profiled), len(candidates), dtype=bool)
    older = {}
    for place, code in enumerate(unprofiled, start=len(profiled)):
        entry = unprofiled_languages()[code]
        drawn_as[[profiled.index(neighbour) for neighbour in entry.neighbours], place] = True
        if entry.counts_as:
            older[place] = candidates.index(entry.counts_as)
            drawn_as[:, older[place]] |= drawn_as[:, place]
            drawn_as[:, place] = False
    return drawn_as, older


def _read(
    rows: np.ndarray,
    by_word: np.ndarray,
    sizes: list[int],
    profiled: tuple[str, ...],
    unprofiled: tuple[str, ...],
    seed: int,
) -> Reading:
    """Read one poem from its n-grams, the evidence of its words, and how many of them each line has."""
    if not rows.size:
        return Reading(None, 0.0)
    by_line = np.add.reduceat(by_word, np.cumsum([0, *sizes[:-1]])) / _OVERLAP
    drawn_as, older = _relations(profiled, unprofiled)
    scores = by_line.sum(axis=0)
    for form, today in older.items():  # the poem is in one of the two throughout, or each line in either
        throughout = np.logaddexp(scores[today], scores[form])
        scores[today] = max(throughout, np.sum(np.logaddexp(by_line[:, today], by_line[:, form]) - np.log(2)))
        scores[form] = -np.inf
    drawn = drawn_probabilities(rows, profiled, seed)
    drawn = np.where(drawn > Detector.PROB_THRESHOLD, drawn, 0.0)  # as langdetect answers
    # A language without a profile takes its part of its neighbours'.
    drawn = drawn @ softmax(np.where(drawn_as, scores, -np.inf))
    # The draw is unsure of text in none of the languages, the sum decides between close ones: each covers the other.
    probability = (drawn + softmax(scores)) / 2
    candidates = (*profiled, *unprofiled)
    own = int(probability.argmax())
    path = stretches(by_line, own, older)
    if len(set(path)) == 1 and scores[path[0]] - scores[own] < _SWITCH:
        path = [own] * len(path)  # the sum alone prefers another language, by less than a stretch of it must
    foreign: Counter[str] = Counter()
    foreign_lines = 0
    for size, place in zip(sizes, path, strict=True):
        if place != own:
            foreign[candidates[place]] += size
            foreign_lines += 1
    share = max(foreign.total() / sum(sizes), foreign_lines / len(sizes))
    return Reading(candidates[own], float(probability[own]), share, foreign.most_common(1)[0][0] if foreign else None)
