"""Poems into rows of one length: none cut that fits a row, few positions wasted, none seeing another."""

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from transformers import PreTrainedTokenizerBase

from pipeline.likelihood import encode_header
from pipeline.prompt import Request
from pipeline.stage import BadInput


@dataclass(frozen=True)
class Example:
    """One poem, or a stretch of a long one, as token ids; the first `header_length` do not count in the loss."""

    input_ids: Sequence[int]
    header_length: int


def examples_of(tokenizer: PreTrainedTokenizerBase, request: Request, text: str, block_size: int) -> Iterator[Example]:
    """A poem as training examples: one, or, where it does not fit a row, one for each stretch of whole lines.

    The end-of-text token closes the last stretch alone, so the model learns where a poem ends.

    Raises:
        BadInput: the header alone fills a row.
    """
    prompt = encode_header(tokenizer, request)
    encoded = tokenizer(text, add_special_tokens=False, split_special_tokens=True, return_offsets_mapping=True)
    ids = [*encoded["input_ids"], tokenizer.eos_token_id]
    room = block_size - len(prompt)
    if room < block_size // 4:
        problem = f"the header of {request.title!r} takes {len(prompt)} of {block_size} tokens"
        raise BadInput("params.yaml: tokenize.block_size", problem, "Raise block_size or shorten the fields")
    ends = [token + 1 for token, (_, end) in enumerate(encoded["offset_mapping"]) if text[end - 1] == "\n"]
    stanza_ends = [end for end in ends if text[: encoded["offset_mapping"][end - 1][1]][-2:] == "\n\n"]
    for start, end in cut_at_lines(ends, stanza_ends, len(ids), room):
        yield Example([*prompt, *ids[start:end]], len(prompt))


def cut_at_lines(ends: Sequence[int], stanza_ends: Sequence[int], length: int, room: int) -> list[tuple[int, int]]:
    """Cut a poem too long for a row into stretches of at most `room` tokens.

    Args:
        ends: token offsets, ascending, at which a line is complete.
        stanza_ends: those of them at which a stanza is complete.
        length: tokens in the poem.
        room: tokens a stretch may have.

    Returns:
        Start and end offsets that cover the poem. A cut falls on the last stanza end in the second half of the
        room, else on the last line end, else (a line longer than a row) where the room ends.
    """
    stretches, start = [], 0
    while length - start > room:
        limit = start + room
        fits = [end for end in ends if start < end <= limit]
        whole = [end for end in stanza_ends if start + room // 2 < end <= limit]
        end = (whole or fits or [limit])[-1]
        stretches.append((start, end))
        start = end
    return [*stretches, (start, length)]


def best_fit(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Put items into as few bins as best-fit decreasing finds, a bound of 11/9 of the optimum (Johnson, 1974).

    Args:
        lengths: of the items, each at most `capacity`.

    Returns:
        The indices of the items in each bin; the same for the same lengths.
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


def pack(examples: Sequence[Example], block_size: int, pad_token_id: int) -> dict[str, np.ndarray]:
    """Pack examples into rows.

    Returns:
        Three int32 arrays of shape `(rows, block_size)`: `input_ids`; `labels`, which are the ids, or -100 on
        headers and padding; and `position_ids`, which start at 0 again with each example, and stay 0 on padding.
    """
    bins = best_fit([len(example.input_ids) for example in examples], block_size)
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
