"""Twin poems: exact ones by a hash, near ones by MinHash, and the clusters that may not cross the test split.

Signatures are datasketch's; poems that share a band of theirs are checked by the exact Jaccard similarity. Bands are
sorted one after the other rather than indexed all at once, which keeps memory to one band's worth for any corpus.
Two editions of a poem share most pairs of words, once old spelling is set aside; two sonnets that share a line do not.
"""

import hashlib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import xxhash
from datasketch import MinHash
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
_MIXER = np.uint64(0x9E3779B97F4A7C15)  # odd, so that no bit of a band is lost


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


@dataclass(frozen=True)
class Sketch:
    """What a text is compared by.

    Attributes:
        exact: a hash that two texts share where they have the same words in the same order.
        shingles: its pairs of word skeletons as sorted distinct 32-bit hashes.
        signature: their MinHash, shape (PERMUTATIONS,).
        lines: its distinct lines of a few words or more, as sorted 64-bit hashes.
    """

    exact: str
    shingles: np.ndarray
    signature: np.ndarray
    lines: np.ndarray


def sketch_texts(texts: Sequence[str]) -> list[Sketch]:
    """A sketch of each clean text."""
    empty = MinHash(num_perm=PERMUTATIONS, seed=1, hashfunc=int)  # the shingles are hashes already
    sketches = []
    for normalised in map(normalise, texts):
        own = shingles(normalised)
        minhash = empty.copy()
        minhash.update_batch(own.tolist())
        lines = {xxhash.xxh64_intdigest(line.strip().encode()) for line in normalised.split("\n") if _is_telling(line)}
        sketches.append(
            Sketch(exact_key(normalised), own, minhash.hashvalues, np.array(sorted(lines), dtype=np.uint64))
        )
    return sketches


def _is_telling(line: str) -> bool:
    return len(line.split(maxsplit=_LINE_WORDS - 1)) == _LINE_WORDS


def similarity(first: np.ndarray, second: np.ndarray) -> float:
    """Jaccard similarity of two sets of shingles, in [0, 1]."""
    shared = np.intersect1d(first, second, assume_unique=True).size
    return shared / (first.size + second.size - shared)


def sharing_pairs(keys: np.ndarray, owners: np.ndarray, most: int | None = None) -> np.ndarray:
    """Each pair of owners that have a key in common, once for each such key.

    Args:
        keys: shape (n,).
        owners: of the keys, ascending, shape (n,).
        most: owners that a key may have; keys of more are passed over.

    Returns:
        Shape (pairs, 2), the lower owner first.
    """
    order = np.argsort(keys, kind="stable")
    keys, owners = keys[order], owners[order]
    starts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1])) if keys.size else np.array([], dtype=int)
    sizes = np.diff(starts, append=keys.size)
    found = [np.empty((0, 2), dtype=owners.dtype)]
    for size in np.unique(sizes[(sizes > 1) & (sizes <= (most or keys.size))]):
        members = owners[starts[sizes == size, None] + np.arange(size)]
        first, second = np.triu_indices(size, 1)
        found.append(np.stack([members[:, first].ravel(), members[:, second].ravel()], axis=1))
    return np.concatenate(found)


def similar_pairs(sketches: Sequence[Sketch], threshold: float) -> Iterator[tuple[int, int, float]]:
    """Pairs of poems whose similarity is at least `threshold`: both places, the lower first, and the similarity."""
    if not sketches:
        return
    # Bands this short miss few pairs at the threshold; the exact check takes care of the many that they propose.
    rows = 3 if threshold < 0.6 else 5
    signatures = np.stack([sketch.signature for sketch in sketches])
    places = np.arange(len(sketches))
    candidates = np.empty(0, dtype=np.int64)
    for start in range(0, PERMUTATIONS - rows + 1, rows):
        band = np.zeros(len(sketches), dtype=np.uint64)
        for column in signatures[:, start : start + rows].T:
            band = band * _MIXER + column  # what two bands share by chance, the exact check tells apart
        pairs = sharing_pairs(band, places)
        candidates = np.union1d(candidates, pairs[:, 0] * len(sketches) + pairs[:, 1])
    for code in tqdm(candidates.tolist(), desc="near duplicates", disable=len(sketches) < 5000):
        first, second = divmod(code, len(sketches))
        alike = similarity(sketches[first].shingles, sketches[second].shingles)
        if alike >= threshold:
            yield first, second, alike


def overlapping_pairs(sketches: Sequence[Sketch], threshold: float) -> list[tuple[int, int]]:
    """Pairs of which one holds at least the share `threshold` of the other's lines, and three of them at least.

    This is how an excerpt finds the poem it was taken from, which Jaccard similarity does not show.
    """
    sizes = np.array([sketch.lines.size for sketch in sketches], dtype=np.int64)
    lines = np.concatenate([sketch.lines for sketch in sketches]) if sketches else np.empty(0, dtype=np.uint64)
    shared = sharing_pairs(lines, np.repeat(np.arange(len(sketches)), sizes), most=_COMMON)
    pairs, counts = np.unique(shared, axis=0, return_counts=True)
    enough = counts >= np.maximum(3, threshold * sizes[pairs].min(axis=1, initial=sizes.max(initial=0)))
    return [tuple(pair) for pair in pairs[enough].tolist()]


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
    poems: Sequence[dict[str, Any]], sketches: Sequence[Sketch], duplicate_similarity: float, cluster_similarity: float
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Keep the best copy of each poem, and mark which of those kept resemble each other or are parts of one poem.

    Args:
        poems: rows of the table; their order does not matter.
        sketches: of their texts.
        duplicate_similarity: Jaccard similarity of word pairs from which two poems are one.
        cluster_similarity: from which they share a cluster.

    Returns:
        The poems kept, best copies first, each with its `cluster`, and those dropped, each with `reason` and `detail`.
    """
    kept: dict[str, tuple[dict[str, Any], int]] = {}
    distinct: list[Sketch] = []
    dropped: list[dict[str, Any]] = []
    links: list[tuple[int, int]] = []
    part_at: dict[str, int] = {}  # by poem that was cut, the place of one of its parts or of that part's best copy
    for poem, sketch in sorted(zip(poems, sketches, strict=True), key=lambda pair: quality(pair[0])):
        best, place = kept.setdefault(sketch.exact, (poem, len(kept)))
        if best is poem:
            distinct.append(sketch)
        else:
            dropped.append({**poem, "reason": "exact duplicate", "detail": f"of {best['poem_id']}"})
        links.append((part_at.setdefault(whole_id(poem["poem_id"]), place), place))
    candidates = [poem for poem, _ in kept.values()]
    pairs = list(similar_pairs(distinct, cluster_similarity))
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
    links.extend(overlapping_pairs(distinct, cluster_similarity))
    roots = components(len(candidates), links)
    return [
        {**poem, "cluster": candidates[roots[place]]["poem_id"]}
        for place, poem in enumerate(candidates)
        if place not in lost
    ], dropped
