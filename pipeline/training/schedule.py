"""What happens at which step: the rows it trains on, its learning rate, and how many steps there are."""

import math

import numpy as np

from pipeline.common.params import Finetune


def rows_of_step(step: int, rows: int, rows_per_step: int, seed: int) -> np.ndarray:
    """The indices of the rows that a step trains on; every epoch goes once through all rows, shuffled anew.

    They follow from the seed and the step alone, so a resumed run sees the rows that an uninterrupted one sees.
    """
    first, last = step * rows_per_step, (step + 1) * rows_per_step
    epochs = range(first // rows, (last - 1) // rows + 1)
    order = np.concatenate([np.random.default_rng([seed, epoch]).permutation(rows) for epoch in epochs])
    start = first - epochs.start * rows
    return order[start : start + rows_per_step]


def count_steps(rows: int, rows_per_step: int, block_size: int, params: Finetune) -> int:
    """How many steps the epochs and `max_tokens` allow; at least one."""
    steps = math.ceil(rows * params.epochs / rows_per_step)
    if params.max_tokens is not None:
        steps = min(steps, params.max_tokens // (rows_per_step * block_size))
    return max(steps, 1)


def learning_rate_at(step: int, steps: int, params: Finetune) -> float:
    """The learning rate of a step, counted from 0: a linear warm-up, then the schedule down to 0."""
    warmup = round(params.warmup_share * steps)
    if step < warmup:
        return params.learning_rate * (step + 1) / warmup
    done = (step - warmup) / max(1, steps - warmup)
    decay = {"cosine": 0.5 * (1 + math.cos(math.pi * done)), "linear": 1 - done, "constant": 1.0}
    return params.learning_rate * decay[params.schedule]
