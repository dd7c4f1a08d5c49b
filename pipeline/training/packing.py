"""Pack poems into rows of one length: no poem that fits a row is cut, few positions are padding."""

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import numpy as np
from transformers import PreTrainedTokenizerBase

from pipeline.common.stage import BadInput
from pipeline.modeling.prompt import Request, encode_headers

if TYPE_CHECKING:
    from datasets import Dataset

_REFILLED = 4  # bins at a time
_TRIALS = 5000


@dataclass(frozen=True)
class Example:
    """One poem, or a part of a long one, as token ids; the first `header_length` do not count in the loss."""

    input_ids: Sequence[int]
    header_length: int


def examples_of(
    tokenizer: PreTrainedTokenizerBase, requests: Sequence[Request], texts: list[str], block_size: int
) -> Iterator[Example]:
    """Poems as training examples: one each, or several parts of whole lines for a poem that does not fit a row.

    Only the last part ends with the end-of-text token, so the model learns where a poem ends.

    Raises:
        BadInput: a header alone fills a row.
    """
    if not texts:
        return
    encoded = tokenizer(texts, add_special_tokens=False, split_special_tokens=True)
    parts = zip(requests, encode_headers(tokenizer, requests), texts, encoded.encodings, strict=True)
    for request, prompt, text, encoding in parts:
        room = block_size - len(prompt)
        if room < block_size // 4:
            problem = f"the header of {request.title!r} takes {len(prompt)} of {block_size} tokens"
            raise BadInput("params.yaml: tokenize.block_size", problem, "Raise block_size or shorten the fields")
        ids = [*encoding.ids, tokenizer.eos_token_id]
        ends = line_ends(text, encoding.offsets) if len(ids) > room else ([], [])
        for start, end in cut_at_lines(*ends, len(ids), room):
            yield Example([*prompt, *ids[start:end]], len(prompt))


def line_ends(text: str, offsets: Sequence[tuple[int, int]]) -> tuple[list[int], list[int]]:
    """The tokens, counted from 1, that complete a line of a text, and those that complete a stanza.

    Args:
        text: a poem.
        offsets: where each token starts and ends in it.
    """
    ends = [token for token, (_, end) in enumerate(offsets, 1) if text[end - 1] == "\n"]
    return ends, [end for end in ends if text[: offsets[end - 1][1]].endswith("\n\n")]


def cut_at_lines(ends: Sequence[int], stanza_ends: Sequence[int], length: int, room: int) -> list[tuple[int, int]]:
    """Cut a poem that is too long for a row into parts of at most `room` tokens.

    Args:
        ends: token offsets, ascending, at which a line is complete.
        stanza_ends: those of them at which a stanza is complete.
        length: tokens in the poem.
        room: the most tokens that a part may have.

    Returns:
        Start and end offsets that cover the poem. Each cut is at the last stanza end in the second half of the room,
        else at the last line end, else (in a line longer than a row) where the room ends.
    """
    parts, start = [], 0
    while length - start > room:
        limit = start + room
        fits = [end for end in ends if start < end <= limit]
        whole = [end for end in stanza_ends if start + room // 2 < end <= limit]
        end = (whole or fits or [limit])[-1]
        parts.append((start, end))
        start = end
    return [*parts, (start, length)]


def best_fit(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Put items into bins by best-fit decreasing, which needs at most 11/9 of the fewest bins (Johnson, 1974).

    Args:
        lengths: of the items, each at most `capacity`.

    Returns:
        The indices of the items in each bin; equal lengths give equal bins.
    """
    bins: list[list[int]] = []
    free: list[tuple[int, int]] = []  # (room left, bin), ascending
    for item in sorted(range(len(lengths)), key=lambda item: (-lengths[item], item)):
        position = bisect_left(free, (lengths[item], -1))
        if position == len(free):
            bins.append([item])
            insort(free, (capacity - lengths[item], len(bins) - 1))
        else:
            room, chosen = free.pop(position)
            bins[chosen].append(item)
            insort(free, (room - lengths[item], chosen))
    return bins


def even_out(bins: list[list[int]], lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Save bins by refilling a few at a time, each as full as possible, as long as that is an improvement.

    An improvement is fewer bins, or a greater sum of squared fillings, which prefers fuller and emptier bins to even
    ones (Falkenauer, "A hybrid grouping genetic algorithm for bin packing", 1996). The number of trials is fixed: it
    suffices to fill a few hundred bins, and matters little for many thousands, which `best_fit` leaves nearly full.
    """
    random, bins = Random(0), list(bins)
    for _ in range(_TRIALS if len(bins) > 1 else 0):
        chosen = sorted(random.sample(range(len(bins)), min(_REFILLED, len(bins))), reverse=True)
        before = [bins[place] for place in chosen]
        after = fill_in_turn([item for items in before for item in items], lengths, capacity, random)
        if _gain(after, lengths) >= _gain(before, lengths):
            for place in chosen:
                bins[place] = bins[-1]
                bins.pop()
            bins += after
    return bins


def fill_in_turn(items: list[int], lengths: Sequence[int], capacity: int, random: Random) -> list[list[int]]:
    """Fill one bin after the other, each as full as the remaining items allow (subset sums)."""
    bins = []
    within = (1 << capacity + 1) - 1
    while items:
        random.shuffle(items)
        reachable, added = 1, []  # sums of lengths as bits, and the sums that each item adds
        for item in items:
            added.append(reachable << lengths[item] & within & ~reachable)
            reachable |= added[-1]
        filling, filled = [], reachable.bit_length() - 1
        for item, sums in zip(reversed(items), reversed(added), strict=True):
            if sums >> filled & 1:
                filling.append(item)
                filled -= lengths[item]
        bins.append(filling[::-1])
        items = [item for item in items if item not in filling]
    return bins


def _gain(bins: list[list[int]], lengths: Sequence[int]) -> tuple[int, int]:
    return -len(bins), sum(sum(lengths[item] for item in items) ** 2 for items in bins)


def pack(examples: Sequence[Example], block_size: int, pad_token_id: int) -> dict[str, np.ndarray]:
    """Pack examples into rows.

    Returns:
        Three int32 arrays of shape `(rows, block_size)`: `input_ids`; `labels`, which are the ids, or -100 on
        headers and padding; and `position_ids`, which start at 0 with each example and stay 0 on padding.
    """
    lengths = [len(example.input_ids) for example in examples]
    bins = even_out(best_fit(lengths, block_size), lengths, block_size)
    input_ids = np.full((len(bins), block_size), pad_token_id, dtype=np.int32)
    labels = np.full((len(bins), block_size), -100, dtype=np.int32)
    position_ids = np.zeros((len(bins), block_size), dtype=np.int32)
    for row, items in enumerate(bins):
        start = 0
        for example in (examples[item] for item in items):
            end = start + len(example.input_ids)
            input_ids[row, start:end] = example.input_ids
            labels[row, start + example.header_length : end] = example.input_ids[example.header_length :]
            position_ids[row, start:end] = np.arange(end - start)
            start = end
    return {"input_ids": input_ids, "labels": labels, "position_ids": position_ids}


def read_rows(folder: Path) -> "Dataset":
    """The rows of a split that tokenize wrote: `input_ids`, `labels` and `position_ids`, read from disk on access."""
    from datasets import Dataset, concatenate_datasets  # benchmarks.gpu packs rows on machines without it

    return concatenate_datasets([Dataset.load_from_disk(window) for window in sorted(folder.iterdir())])
