"""Twin poems: exact ones by a hash, near ones by MinHash, and the clusters that may not cross the test split.

Signatures and their banded index are datasketch's; every pair it proposes is checked by the exact Jaccard similarity.
Two editions of a poem share most pairs of words, once old spelling is set aside; two sonnets that share a line do not.
"""

import hashlib
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import xxhash
from datasketch import MinHash, MinHashLSH
from tqdm import tqdm

from pipeline.poems import whole_id

PERMUTATIONS = 128
_COMMON = 12  # poems in which a line may stand before it says nothing about any two of them
_SPELLINGS = str.maketrans("ujyçz", "viics")
_INNER_VOWEL = re.compile(r"\B[aeio]+")
_DOUBLED = re.compile(r"([^\W\d_])\1+")
_ACCENT = re.compile("[\u0300-\u036f]")
_APOSTROPHE = re.compile("['’]")
_NO_WORD = re.compile(r"[^\w\n]+|_+")
_LINE_WORDS = 4  # words below which a line is too common to tell poems apart


def normalise(text: str) -> str:
    """The text without case, accents and punctuation: what two prints of a poem have in common."""
    text = text.casefold()
    if not text.isascii():
        text = _ACCENT.sub("", unicodedata.normalize("NFD", text))
    return _NO_WORD.sub(" ", _APOSTROPHE.sub("", text))


def exact_key(normalised: str) -> str:
    """A hash that two poems share where they have the same words in the same order."""
    return hashlib.sha256(" ".join(normalised.split()).encode()).hexdigest()


def skeleton(normalised: str) -> str:
    """A normalised text with what old and new spelling share of each word: `loue` and `love`, `ioyes` and `joys`."""
    return _DOUBLED.sub(r"\1", _INNER_VOWEL.sub("", normalised.translate(_SPELLINGS)))


def shingles(normalised: str) -> np.ndarray:
    """A normalised poem's pairs of word skeletons as sorted distinct 32-bit hashes, line breaks ignored."""
    words = skeleton(normalised).encode().split()
    pairs = {xxhash.xxh32_intdigest(b" ".join(pair)) for pair in pairwise(words)}
    return np.array(sorted(pairs or {xxhash.xxh32_intdigest(b" ".join(words))}), dtype=np.uint32)


def similarity(first: np.ndarray, second: np.ndarray) -> float:
    """Jaccard similarity of two sets of shingles, in [0, 1]."""
    shared = np.intersect1d(first, second, assume_unique=True).size
    return shared / (first.size + second.size - shared)


def similar_pairs(shingle_sets: Sequence[np.ndarray], threshold: float) -> Iterator[tuple[int, int, float]]:
    """Pairs of poems whose similarity is at least `threshold`: both places, the lower first, and the similarity."""
    # Bands this short miss few pairs at the threshold; the exact check takes care of the many that they propose.
    rows = 3 if threshold < 0.6 else 5
    index = MinHashLSH(num_perm=PERMUTATIONS, params=(PERMUTATIONS // rows, rows))
    empty = MinHash(num_perm=PERMUTATIONS, seed=1, hashfunc=int)  # the shingles are hashes already
    for place, shingle_set in enumerate(tqdm(shingle_sets, desc="near duplicates", disable=len(shingle_sets) < 5000)):
        sketch = empty.copy()
        sketch.update_batch(shingle_set.tolist())
        for other in sorted(index.query(sketch)):
            alike = similarity(shingle_sets[other], shingle_set)
            if alike >= threshold:
                yield other, place, alike
        index.insert(place, sketch, check_duplication=False)


def overlapping_pairs(normalised: Sequence[str], threshold: float) -> Iterator[tuple[int, int]]:
    """Pairs of which one holds at least the share `threshold` of the other's lines, and three of them at least.

    This is how an excerpt finds the poem it was taken from, which Jaccard similarity does not show.
    """
    lines = [{line.strip() for line in text.split("\n") if len(line.split()) >= _LINE_WORDS} for text in normalised]
    holders: dict[str, list[int]] = defaultdict(list)
    for place, own in enumerate(lines):
        for line in own:
            holders[line].append(place)
    shared: Counter[tuple[int, int]] = Counter()
    for places in holders.values():
        if len(places) <= _COMMON:
            shared.update(combinations(places, 2))
    for (first, second), count in sorted(shared.items()):
        if count >= max(3, threshold * min(len(lines[first]), len(lines[second]))):
            yield first, second


def components(size: int, pairs: Iterable[tuple[int, int]]) -> list[int]:
    """Union-find: for each of `size` places the lowest place it is linked to, through however many pairs."""
    root = list(range(size))

    def find(place: int) -> int:
        while root[place] != place:
            root[place] = root[root[place]]
            place = root[place]
        return place

    for first, second in pairs:
        low, high = sorted((find(first), find(second)))
        root[high] = low
    return [find(place) for place in range(size)]


def quality(poem: Mapping[str, Any]) -> tuple[Any, ...]:
    """What sorts the best copy of a poem first: whole letters, known author and title, more text; then its id."""
    known = sum(bool(poem[field]) for field in ("author", "title", "licence", "style", "collection"))
    return poem["text"].count("\ufffd"), -known, -poem["words"], poem["poem_id"], poem["url"] or ""


def find_duplicates(
    poems: Sequence[dict[str, Any]], duplicate_similarity: float, cluster_similarity: float
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Keep the best copy of each poem, and mark which of those kept resemble each other or are parts of one poem.

    Args:
        poems: rows of the table; their order does not matter.
        duplicate_similarity: Jaccard similarity of word pairs from which two poems are one.
        cluster_similarity: from which they share a cluster.

    Returns:
        The poems kept, best copies first, each with its `cluster`, and those dropped, each with `reason` and `detail`.
    """
    kept: dict[str, tuple[dict[str, Any], int]] = {}
    normalised: list[str] = []
    dropped: list[dict[str, Any]] = []
    links: list[tuple[int, int]] = []
    part_at: dict[str, int] = {}  # by poem that was cut, the place of one of its parts or of that part's best copy
    for poem in tqdm(sorted(poems, key=quality), desc="duplicates", unit=" poems", disable=len(poems) < 5000):
        plain = normalise(poem["text"])
        best, place = kept.setdefault(exact_key(plain), (poem, len(kept)))
        if best is poem:
            normalised.append(plain)
        else:
            dropped.append({**poem, "reason": "exact duplicate", "detail": f"of {best['poem_id']}"})
        links.append((part_at.setdefault(whole_id(poem["poem_id"]), place), place))
    candidates = [poem for poem, _ in kept.values()]
    pairs = list(similar_pairs([shingles(plain) for plain in normalised], cluster_similarity))
    twins: dict[int, list[tuple[int, float]]] = defaultdict(list)
    for first, second, alike in pairs:
        if alike >= duplicate_similarity:
            twins[second].append((first, alike))
    lost: set[int] = set()
    for place in sorted(twins):  # best copies come first, so each is held against those better than it
        for best, alike in twins[place]:
            if best not in lost:
                lost.add(place)
                detail = f"{alike:.2f} like {candidates[best]['poem_id']}"
                dropped.append({**candidates[place], "reason": "near duplicate", "detail": detail})
                break
    links.extend(pair[:2] for pair in pairs)
    links.extend(overlapping_pairs(normalised, cluster_similarity))
    roots = components(len(candidates), links)
    return [
        {**poem, "cluster": candidates[roots[place]]["poem_id"]}
        for place, poem in enumerate(candidates)
        if place not in lost
    ], dropped
