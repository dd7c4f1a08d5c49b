"""Duplicates: exact ones by a hash, near ones by MinHash, and the clusters that may not cross the test split.

Signatures are datasketch's. Poems that share a band of their signatures are compared by exact Jaccard similarity.
Sketches are on disk and bands are sorted one at a time, so memory holds one band. Two editions of a poem share most
pairs of words once spelling is normalised; two sonnets that share a line do not.
"""

import hashlib
import os
import re
import unicodedata
from array import array
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

import numpy as np
import xxhash
from datasketch import MinHash
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from tqdm import tqdm

from pipeline.common.parallel import in_batches

PERMUTATIONS = 128
_BATCH = 500
_EXACT_BYTES = 16
_LINES_AT_ONCE = 1 << 22
_COMMON = 12  # poems that a line may be in; a line in more says nothing about any two of them
_SPELLINGS = str.maketrans("ujyçz", "viics")
_INNER_VOWEL = re.compile(r"\B[aeio]+")
_DOUBLED = re.compile(r"([^\W\d_])\1+")
_ACCENT = re.compile("[\u0300-\u036f]")
_APOSTROPHE = re.compile("['’]")
_NO_WORD = re.compile(r"[^\w\n]+|_+")
_LINE_WORDS = 4  # words that a line needs to tell poems apart
_MIXER = np.uint64(0x9E3779B97F4A7C15)  # odd, so that multiplying by it loses no bit


def normalise(text: str) -> str:
    """The text without case, accents and punctuation, in which editions of a poem differ."""
    text = text.casefold()
    if not text.isascii():
        text = _ACCENT.sub("", unicodedata.normalize("NFD", text))
    return _NO_WORD.sub(" ", _APOSTROPHE.sub("", text))


def exact_key(normalised: str) -> bytes:
    """A hash that two poems share if they have the same words in the same order."""
    return hashlib.blake2b(" ".join(normalised.split()).encode(), digest_size=_EXACT_BYTES).digest()


@lru_cache(maxsize=200_000)
def skeleton(word: str) -> bytes:
    """What old and new spelling of a normalised word have in common: `loue` and `love`, `ioyes` and `joys`."""
    return _DOUBLED.sub(r"\1", _INNER_VOWEL.sub("", word.translate(_SPELLINGS))).encode()


def shingles(normalised: str) -> np.ndarray:
    """A normalised poem's pairs of word skeletons as sorted distinct 32-bit hashes, line breaks ignored."""
    words = list(map(skeleton, normalised.split()))
    pairs = {xxhash.xxh32_intdigest(b" ".join(pair)) for pair in pairwise(words)}
    return np.array(sorted(pairs or {xxhash.xxh32_intdigest(b" ".join(words))}), dtype=np.uint32)


@dataclass(frozen=True)
class Sketch:
    """What a text is compared by.

    Attributes:
        exact: a hash that two texts share if they have the same words in the same order.
        shingles: its pairs of word skeletons as sorted distinct 32-bit hashes.
        signature: their MinHash, shape (PERMUTATIONS,).
        lines: its distinct lines of a few words or more, as sorted 64-bit hashes.
    """

    exact: bytes
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
            Sketch(
                exact_key(normalised),
                own,
                minhash.hashvalues.astype(np.uint32),
                np.array(sorted(lines), dtype=np.uint64),
            )
        )
    return sketches


def _is_telling(line: str) -> bool:
    return len(line.split(maxsplit=_LINE_WORDS - 1)) == _LINE_WORDS


def similarity(first: np.ndarray, second: np.ndarray) -> float:
    """Jaccard similarity of two sets of shingles, in [0, 1]."""
    shared = np.intersect1d(first, second, assume_unique=True).size
    return shared / (first.size + second.size - shared)


def sharing_pairs(keys: np.ndarray, owners: np.ndarray, most: int | None = None) -> np.ndarray:
    """Each pair of owners with a key in common, once for each such key.

    Args:
        keys: shape (n,).
        owners: of the keys, ascending, shape (n,).
        most: owners that a key may have; keys with more are ignored.

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


class SketchFiles:
    """Sketches on disk; memory holds some tens of bytes for each.

    Args:
        folder: an empty one, for the files.
        sketches: of all poems; a poem goes by its place among them.
        rows: values of a signature that make up a band.

    Attributes:
        first: for each place the first that has the same words in the same order, shape (poems,).
        distinct: the places which are the first of theirs, ascending.
    """

    def __init__(self, folder: Path, sketches: Iterable[Sketch], rows: int) -> None:
        self._folder = folder
        self._bands = range(0, PERMUTATIONS - rows + 1, rows)
        exact, sizes, line_sizes = bytearray(), array("q"), array("q")
        with ExitStack() as stack:
            bands, shingle_file, line_file, owner_file = (
                [stack.enter_context((folder / f"band-{start}").open("wb")) for start in self._bands],
                *(stack.enter_context((folder / name).open("wb")) for name in ("shingles", "lines", "owners")),
            )
            for batch in in_batches(sketches, _BATCH):
                signatures = np.stack([sketch.signature for sketch in batch])
                for start, file in zip(self._bands, bands, strict=True):
                    band = np.zeros(len(batch), dtype=np.uint64)
                    for column in signatures[:, start : start + rows].T:
                        band = band * _MIXER + column  # collisions do not survive the exact comparison
                    file.write(band.tobytes())
                owners = np.arange(len(line_sizes), len(line_sizes) + len(batch), dtype=np.uint32)
                own_lines = [sketch.lines.size for sketch in batch]
                owner_file.write(np.repeat(owners, own_lines).tobytes())
                line_file.write(np.concatenate([sketch.lines for sketch in batch]).tobytes())
                shingle_file.write(np.concatenate([sketch.shingles for sketch in batch]).tobytes())
                sizes.extend(sketch.shingles.size for sketch in batch)
                line_sizes.extend(own_lines)
                exact.extend(b"".join(sketch.exact for sketch in batch))
        self._line_sizes = np.array(line_sizes, dtype=np.int64)
        self._ends = np.cumsum(sizes, dtype=np.int64)
        _, first, group = np.unique(np.frombuffer(exact, f"S{_EXACT_BYTES}"), return_index=True, return_inverse=True)
        self.first = first[group]
        self.distinct = np.flatnonzero(self.first == np.arange(self.first.size))

    def similar_pairs(self, threshold: float) -> tuple[np.ndarray, np.ndarray]:
        """Pairs of distinct poems whose similarity is at least `threshold`.

        Returns:
            Both places, the lower first, in ascending order, shape (pairs, 2); and the similarities, shape (pairs,).
        """
        count = self.first.size
        candidates = np.empty(0, dtype=np.int64)
        for start in self._bands:
            band = np.fromfile(self._folder / f"band-{start}", dtype=np.uint64)
            pairs = sharing_pairs(band[self.distinct], self.distinct)
            candidates = np.union1d(candidates, pairs[:, 0] * count + pairs[:, 1])
        alike = np.empty(candidates.size)
        with (self._folder / "shingles").open("rb", buffering=0) as file:
            for number, code in enumerate(tqdm(candidates, "near duplicates", disable=count < 5000)):
                first, second = divmod(int(code), count)
                alike[number] = similarity(self._shingles(first, file), self._shingles(second, file))
        found = alike >= threshold
        return np.stack(np.divmod(candidates[found], max(count, 1)), axis=1), alike[found]

    def _shingles(self, place: int, file: BinaryIO) -> np.ndarray:
        start, end = self._ends[place - 1] if place else 0, self._ends[place]
        width = np.dtype(np.uint32).itemsize
        return np.frombuffer(os.pread(file.fileno(), int(end - start) * width, int(start) * width), dtype=np.uint32)

    def overlapping_pairs(self, threshold: float) -> np.ndarray:
        """Pairs of distinct poems that share three lines or more, and `threshold` of the lines of the shorter one.

        This pairs an excerpt with its poem, which Jaccard similarity misses.

        Returns:
            Both places, the lower first, shape (pairs, 2).
        """
        count = self.first.size
        parts = 1 + int(self._line_sizes.sum()) // _LINES_AT_ONCE
        shared = [np.empty(0, dtype=np.int64)]
        for part in range(parts):
            pairs = sharing_pairs(*self._lines(part, parts), most=_COMMON)
            shared.append(pairs[:, 0] * count + pairs[:, 1])
        codes, counts = np.unique(np.concatenate(shared), return_counts=True)
        pairs = np.stack(np.divmod(codes, max(count, 1)), axis=1)
        return pairs[counts >= np.maximum(3, threshold * self._line_sizes[pairs].min(axis=1, initial=1 << 40))]

    def _lines(self, part: int, parts: int) -> tuple[np.ndarray, np.ndarray]:
        """One of `parts` parts of the lines of distinct poems, split by their hash, and the places they stand in."""
        found = []
        with (self._folder / "lines").open("rb") as lines, (self._folder / "owners").open("rb") as owners:
            while (keys := np.fromfile(lines, np.uint64, _LINES_AT_ONCE)).size:
                places = np.fromfile(owners, np.uint32, _LINES_AT_ONCE).astype(np.int64)
                chosen = (keys % np.uint64(parts) == part) & (self.first[places] == places)
                found.append((keys[chosen], places[chosen]))
        keys, places = zip(*found, strict=True) if found else (np.empty((1, 0), np.uint64), np.empty((1, 0), np.int64))
        return np.concatenate(keys), np.concatenate(places)


def components(size: int, pairs: np.ndarray) -> np.ndarray:
    """For each of `size` places the lowest place it is linked to, through however many pairs.

    Args:
        size: how many places there are.
        pairs: places that are linked, shape (pairs, 2).
    """
    links = coo_array((np.ones(len(pairs), dtype=bool), (pairs[:, 0], pairs[:, 1])), shape=(size, size))
    _, group = connected_components(links, directed=False)
    _, lowest = np.unique(group, return_index=True)
    return lowest[group]


@dataclass(frozen=True)
class Duplicates:
    """Which poems are copies of which. Poems go by their places; all arrays have shape (poems,).

    Attributes:
        exact: the first poem with the same words in the same order, which may be the poem itself.
        near: a better copy with nearly the same words; -1 if there is none, or if the poem is an exact copy.
        similarity: to that poem.
        cluster: the first of the poems that resemble each other, or are parts of one poem.
    """

    exact: np.ndarray
    near: np.ndarray
    similarity: np.ndarray
    cluster: np.ndarray


def find_duplicates(
    poem_ids: np.ndarray,
    sketches: Iterable[Sketch],
    duplicate_similarity: float,
    cluster_similarity: float,
    folder: Path,
) -> Duplicates:
    """Find the best copy of each poem, and which poems resemble each other or are parts of one.

    Args:
        poem_ids: of the poems, best copies first, as bytes, shape (poems,).
        sketches: of their texts.
        duplicate_similarity: Jaccard similarity of word pairs from which two poems are one.
        cluster_similarity: from which they share a cluster.
        folder: for temporary files.
    """
    # Bands this short miss few pairs at the threshold. They propose many others, which the exact comparison drops.
    with TemporaryDirectory(dir=folder) as temporary:
        files = SketchFiles(Path(temporary), sketches, rows=3 if cluster_similarity < 0.6 else 5)
        pairs, alike = files.similar_pairs(cluster_similarity)
        overlapping = files.overlapping_pairs(cluster_similarity)
    near, similarities = np.full(poem_ids.size, -1), np.zeros(poem_ids.size)
    same = alike >= duplicate_similarity
    by_second = np.lexsort((pairs[same, 0], pairs[same, 1]))
    # Best copies come first, so each poem is compared with better ones.
    for (best, place), similar in zip(pairs[same][by_second], alike[same][by_second], strict=True):
        if near[place] < 0 and near[best] < 0:
            near[place], similarities[place] = best, similar
    whole = np.fromiter((poem_id.partition(b"-")[0] for poem_id in poem_ids), dtype=poem_ids.dtype)
    _, first_part, group = np.unique(whole, return_index=True, return_inverse=True)
    parts = np.stack([files.first[first_part[group]], files.first], axis=1)
    cluster = components(poem_ids.size, np.concatenate([parts, pairs, overlapping]))
    return Duplicates(files.first, near, similarities, cluster)
