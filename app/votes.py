"""Blind comparisons: which model stood on which side, and what people's votes add up to on the versions in MLflow."""

import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from random import SystemRandom
from typing import Literal

from app.schema import Side, Tally
from app.shelf import Poet
from pipeline.release.registry import registry

MOST_COMPARISONS = 10_000  # remembered; the oldest are forgotten, and then not counted


class UnknownComparison(Exception):
    """Nobody was shown this comparison, or too long ago."""


class AlreadyDecided(Exception):
    """The comparison was voted on before, and otherwise."""


@dataclass
class Comparison:
    """Two models on two sides, and what became of it.

    Args:
        counted: sides whose version has the vote, so that a vote cut short by a fault is not counted twice.
    """

    sides: dict[Side, Poet]
    choice: Side | Literal["neither"] | None = None
    counted: set[Side] = field(default_factory=set)


def shuffled(first: Poet, second: Poet) -> Comparison:
    """Put two models on two sides by lot."""
    poets = [first, second]
    SystemRandom().shuffle(poets)
    return Comparison({"left": poets[0], "right": poets[1]})


class Votes:
    """Remembers comparisons and counts each of them once.

    The totals are tags on the version and figures of the run that made it, `votes_won` and `votes_cast`. This server
    reads and writes them under a lock; two servers over one registry could lose a vote to each other.
    """

    def __init__(self) -> None:
        self._comparisons: OrderedDict[str, Comparison] = OrderedDict()
        self._lock = threading.Lock()

    def open(self, comparison: Comparison) -> str:
        """Remember a comparison that somebody has read, and give it an id nobody can guess."""
        name = secrets.token_urlsafe(16)
        with self._lock:
            self._comparisons[name] = comparison
            if len(self._comparisons) > MOST_COMPARISONS:
                self._comparisons.popitem(last=False)
        return name

    def cast(self, name: str, choice: Side | Literal["neither"]) -> tuple[dict[Side, Tally], bool]:
        """Count a vote; the same vote again changes nothing.

        Returns:
            Who wrote each side, with its totals, and whether the vote was new.

        Raises:
            UnknownComparison: there is no such comparison.
            AlreadyDecided: it was decided otherwise.
            BadInput: the registry does not answer; the vote may be sent again.
        """
        with self._lock:
            comparison = self._comparisons.get(name)
            if comparison is None:
                raise UnknownComparison("There is no such comparison. Make a new one.")
            if comparison.choice not in (None, choice):
                raise AlreadyDecided("This comparison is decided already.")
            new = comparison.choice is None
            comparison.choice = choice
            return {side: _count(comparison, side, poet) for side, poet in comparison.sides.items()}, new


def _count(comparison: Comparison, side: Side, poet: Poet) -> Tally:
    """Add the vote to a side's version, unless it is there already."""
    if poet.run_id is None:  # a base or a folder, of which the registry has no version
        return Tally(name=poet.name, version=poet.version, votes_won=None, votes_cast=None)
    with registry() as client:
        tags = client.get_model_version(poet.name, poet.version).tags
        totals = {name: int(tags.get(name, 0)) for name in ("votes_won", "votes_cast")}
        if side not in comparison.counted:
            totals["votes_won"] += comparison.choice == side
            totals["votes_cast"] += 1
            for name, total in totals.items():
                client.set_model_version_tag(poet.name, poet.version, name, str(total))
                client.log_metric(poet.run_id, name, total, step=totals["votes_cast"])
            comparison.counted.add(side)
    return Tally(name=poet.name, version=poet.version, **totals)
