"""Estimates with the uncertainty of a small sample, and comparisons of two of them resample by resample."""

from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
import pandas as pd

from pipeline.metrics.registry import Direction

Item = TypeVar("Item")
Interval = tuple[float, float]

RESAMPLES = 500


class Estimate(NamedTuple):
    """The value of a metric, and its values on resamples of the poems; None where resampling would say nothing."""

    value: float
    resamples: np.ndarray | None = None  # (RESAMPLES,); NaN where no poem of a resample has a value

    def interval(self) -> Interval | None:
        """The 95% percentile bootstrap interval (Efron, 1979)."""
        known = np.empty(0) if self.resamples is None else self.resamples[~np.isnan(self.resamples)]
        return tuple(np.percentile(known, [2.5, 97.5]).tolist()) if len(known) else None


def bootstrap(
    items: Sequence[Item],
    statistic: Callable[[list[Item]], float],
    groups: Sequence[Hashable] | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Estimate:
    """A statistic of poems, and of resamples of them with replacement.

    Poems for one request are resampled together, since they are more alike than others (the cluster bootstrap: Davison
    & Hinkley, *Bootstrap Methods and their Application*, 1997, §3.8). Items with the same groups in the same order get
    the same resamples, so two writers who answered the same requests can be compared resample by resample.

    Args:
        groups: the request of each item; by default each is a group of its own.
    """
    numbers, found = pd.factorize(np.arange(len(items)) if groups is None else pd.Series(groups, dtype=object))
    members = [np.flatnonzero(numbers == number) for number in range(len(found))]
    draws = np.random.default_rng(seed).integers(len(members), size=(resamples, len(members)))
    places = [np.concatenate([members[number] for number in draw]) for draw in draws]
    return Estimate(statistic(list(items)), np.array([statistic([items[at] for at in rows]) for rows in places]))


def difference(one: Estimate, other: Estimate) -> Estimate:
    """One less the other, resample by resample: the paired bootstrap, for metrics of the same requests."""
    if one.resamples is None or other.resamples is None:
        return Estimate(one.value - other.value)
    return Estimate(one.value - other.value, one.resamples - other.resamples)


def distance(one: Estimate, other: Estimate) -> Estimate:
    """How far two estimates are apart, at least 0, resample by resample."""
    signed = difference(one, other)
    return Estimate(abs(signed.value), None if signed.resamples is None else np.abs(signed.resamples))


def gain(direction: Direction, ours: Estimate, theirs: Estimate, human: Estimate | None) -> Estimate | None:
    """How much better our value is than theirs, by the paired bootstrap; negative where it is worse.

    Where human poems are the goal, it is how much closer we are to them.

    Args:
        human: the value of human poems.

    Returns:
        None where human poems are the goal and have no value.
    """
    if direction == "higher":
        return difference(ours, theirs)
    if direction == "lower":
        return difference(theirs, ours)
    return None if human is None else difference(distance(theirs, human), distance(ours, human))


def mean(values: Sequence[float]) -> float:
    """The mean, as a plain float."""
    return float(np.mean(values))


def known_mean(values: Sequence[float]) -> float:
    """The mean of those that are not NaN; NaN where all are."""
    known = np.asarray(values, dtype=float)
    known = known[~np.isnan(known)]
    return mean(known) if len(known) else float("nan")
