"""Which language a stretch of verse is in, by langdetect's profiles bounded to the languages that are plausible.

langdetect draws n-grams of a text at random until one language stands out, so what it says of short or mixed verse
depends on the draw. Its n-grams never cross a space, so the evidence of a text is the sum of that of its words, and a
word need be read once. The poem's language is the mean of langdetect's own seeded draw over these n-grams and of their
sum; where a poem changes language follows from the sums, line by line.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
from langdetect.detector import Detector
from langdetect.detector_factory import PROFILES_DIRECTORY, DetectorFactory

from pipeline.stage import BadInput

# Log-odds of n-grams over this are log-odds of languages: neighbouring n-grams overlap and repeat each other's
# evidence. With 4, single lines of verse are right as often as their probability says.
_OVERLAP = 4.0
_SWITCH = 4.0  # what it costs, in the same log-odds, to change language between two lines


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
def profiles(candidates: tuple[str, ...]) -> DetectorFactory:
    """langdetect's factory with the profiles of the candidates alone.

    Raises:
        BadInput: langdetect has no profile of a candidate.
    """
    known = {path.name: path for path in Path(PROFILES_DIRECTORY).iterdir()}
    for code in candidates:
        if code not in known:
            allowed = f"langdetect knows {', '.join(sorted(known))}"
            raise BadInput("params.yaml: tag.candidates", f"{code!r} has no language profile", allowed)
    factory = DetectorFactory()
    factory.load_json_profile([known[code].read_text(encoding="utf-8") for code in candidates])
    return factory


@cache
def _reader(candidates: tuple[str, ...]) -> Detector:
    return profiles(candidates).create()


@lru_cache(maxsize=200_000)
def ngrams(word: str, candidates: tuple[str, ...]) -> tuple[str, ...]:
    """The n-grams of a word that a profile knows, as langdetect takes them."""
    reader = _reader(candidates)
    reader.text = f" {word} "
    return tuple(reader._extract_ngrams())


@cache
def _log_probabilities(candidates: tuple[str, ...]) -> tuple[dict[str, int], np.ndarray]:
    """The row of each n-gram, and the rows: its log-probability in each candidate, smoothed as langdetect does."""
    known = profiles(candidates).word_lang_prob_map
    smoothing = Detector.ALPHA_DEFAULT / Detector.BASE_FREQ
    return {gram: row for row, gram in enumerate(known)}, np.log(np.array(list(known.values())) + smoothing)


def evidence(words: Sequence[str], candidates: tuple[str, ...]) -> np.ndarray:
    """What each word says for each candidate: the sum of the log-probabilities of its n-grams.

    Returns:
        Shape (words, candidates), in nats.
    """
    row_of, logs = _log_probabilities(candidates)
    rows = [[row_of[gram] for gram in ngrams(word, candidates)] for word in words]
    sums = np.zeros((len(words), len(candidates)))
    readable = [place for place, found in enumerate(rows) if found]
    if readable:
        starts = np.cumsum([0, *(len(rows[place]) for place in readable[:-1])])
        sums[readable] = np.add.reduceat(logs[[row for found in rows for row in found]], starts)
    return sums


class _Draw(Detector):
    """langdetect's detector over n-grams that are already there."""

    def __init__(self, candidates: tuple[str, ...], seed: int, words: Sequence[str]) -> None:
        super().__init__(profiles(candidates))
        self.seed = seed
        self._ngrams = [gram for word in words for gram in ngrams(word, candidates)]

    def _extract_ngrams(self) -> list[str]:
        return self._ngrams


def stretches(lines: np.ndarray) -> list[int]:
    """The likeliest sequence of languages over lines, where a change of language has its price (Viterbi, 1967).

    Args:
        lines: evidence of each line for each candidate, shape (lines, candidates).

    Returns:
        The place of a candidate for each line.
    """
    scores = lines / _OVERLAP
    best = scores[0]
    came_from = []
    for score in scores[1:]:
        source = np.where(best >= best.max() - _SWITCH, np.arange(best.size), best.argmax())
        came_from.append(source)
        best = np.maximum(best, best.max() - _SWITCH) + score
    path = [int(best.argmax())]
    for source in reversed(came_from):
        path.append(int(source[path[-1]]))
    return path[::-1]


def read_languages(texts: Sequence[str], candidates: tuple[str, ...], seed: int) -> list[Reading]:
    """Detect the language of each text, and how much of it is in another one.

    What it says of a text hangs on that text and the seed alone.

    Args:
        texts: clean poems.
        candidates: codes that langdetect has profiles of.
        seed: of langdetect's draw.
    """
    split = [[line.split() for line in text.split("\n") if line.split()] for text in texts]
    vocabulary = {
        word: place for place, word in enumerate({word: 0 for text in split for line in text for word in line})
    }
    table = evidence(list(vocabulary), candidates)
    readings = []
    for lines in split:
        places = [vocabulary[word] for line in lines for word in line]
        starts = np.cumsum([0] + [len(line) for line in lines[:-1]])
        by_line = np.add.reduceat(table[places], starts) if places else np.zeros((0, len(candidates)))
        readings.append(_read(lines, by_line, candidates, seed))
    return readings


def _read(lines: list[list[str]], by_line: np.ndarray, candidates: tuple[str, ...], seed: int) -> Reading:
    """Read one poem from its words and the evidence of its lines."""
    draw = _Draw(candidates, seed, [word for line in lines for word in line])
    if not by_line.any():
        return Reading(None, 0.0)
    drawn = {found.lang: found.prob for found in draw.get_probabilities()}
    scores = by_line.sum(axis=0) / _OVERLAP
    summed = np.exp(scores - scores.max())
    summed /= summed.sum()
    # The draw is unsure of text in none of the languages, the sum decides between close ones: each covers the other.
    probability = [(drawn.get(code, 0.0) + float(part)) / 2 for code, part in zip(candidates, summed, strict=True)]
    own = int(np.argmax(probability))
    foreign: Counter[str] = Counter()
    foreign_lines = 0
    for line, place in zip(lines, stretches(by_line), strict=True):
        if place != own:
            foreign[candidates[place]] += len(line)
            foreign_lines += 1
    share = max(foreign.total() / sum(map(len, lines)), foreign_lines / len(lines))
    return Reading(candidates[own], probability[own], share, foreign.most_common(1)[0][0] if foreign else None)
