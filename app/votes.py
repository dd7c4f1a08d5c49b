"""Blind comparisons: which model wrote which side, and readers' votes added up on the versions in MLflow."""

import logging
import secrets
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

from app.model_pool import LoadedModel
from app.schema import Choice, Side, VoteCount
from pipeline.common.stage import BadInput
from pipeline.release.registry import registry

log = logging.getLogger("estrofa")

MAX_COMPARISONS = 10_000  # remembered; after that the oldest can no longer be voted on


class UnknownComparison(Exception):
    """There is no comparison with this id, or it is too old."""


class AlreadyDecided(Exception):
    """The comparison has a different vote already."""


class VoteNotCounted(Exception):
    """The registry is unavailable; the vote may be sent again."""


@dataclass(frozen=True)
class Contender:
    """What must be remembered of a model to count votes on it; not the model itself, whose weights fill memory.

    Args:
        run_id: the MLflow run that made it; None for a base or a folder, which has no version to count on.
    """

    name: str
    version: str
    run_id: str | None


@dataclass
class Comparison:
    """Two models on two sides, and the vote.

    Args:
        counted: sides whose version has the vote, so that it is not counted twice when one side failed.
        complete: whether all sides have it.
    """

    sides: dict[Side, Contender]
    choice: Choice | None = None
    counted: set[Side] = field(default_factory=set)
    complete: bool = False


class Votes:
    """Remembers comparisons and counts each of them once.

    The totals are tags of the version and metrics of its run, `votes_won` and `votes_cast`. They are read and written
    under a lock of this process; two servers on one registry could overwrite each other's votes.
    """

    def __init__(self) -> None:
        self._comparisons: OrderedDict[str, Comparison] = OrderedDict()
        self._lock = threading.Lock()  # of `_comparisons`; never held over I/O, because the event loop takes it too
        self._counting = threading.Lock()  # of the totals in the registry

    def open(self, models: Mapping[Side, LoadedModel]) -> str:
        """Remember a comparison that a reader has seen.

        Returns:
            An id that nobody can guess.
        """
        comparison = Comparison(
            {side: Contender(model.name, model.version, model.run_id) for side, model in models.items()}
        )
        comparison_id = secrets.token_urlsafe(16)
        with self._lock:
            self._comparisons[comparison_id] = comparison
            if len(self._comparisons) > MAX_COMPARISONS:
                self._comparisons.popitem(last=False)
        return comparison_id

    def cast(self, comparison_id: str, choice: Choice) -> tuple[dict[Side, VoteCount], bool]:
        """Count a vote; the same vote again changes nothing. It waits for the registry: not for the event loop.

        Returns:
            Each side's model with its totals, and whether the vote was new.

        Raises:
            UnknownComparison: there is no such comparison.
            AlreadyDecided: it has a different vote.
            VoteNotCounted: the registry does not answer.
        """
        with self._lock:
            comparison = self._comparisons.get(comparison_id)
        if comparison is None:
            raise UnknownComparison("This comparison does not exist or is too old. Make a new one.")
        with self._counting:
            if comparison.choice not in (None, choice):
                raise AlreadyDecided("You already voted differently on this comparison.")
            try:
                counts = {side: _count(comparison, side, choice) for side in comparison.sides}
            except BadInput as error:
                log.warning("a vote was not counted: %s", error)
                raise VoteNotCounted(
                    "Your vote was not counted because the registry does not answer. Vote again in a moment."
                ) from error
            new = not comparison.complete
            comparison.choice, comparison.complete = choice, True
        return counts, new


def _count(comparison: Comparison, side: Side, choice: Choice) -> VoteCount:
    """Add the vote to the version on a side, unless it is there already."""
    model = comparison.sides[side]
    if model.run_id is None:
        return VoteCount(name=model.name, version=model.version, votes_won=None, votes_cast=None)
    with registry() as client:
        tags = client.get_model_version(model.name, model.version).tags
        totals = {name: int(tags.get(name, 0)) for name in ("votes_won", "votes_cast")}
        if side not in comparison.counted:
            totals["votes_won"] += choice == side
            totals["votes_cast"] += 1
            for name, total in totals.items():
                client.set_model_version_tag(model.name, model.version, name, str(total))
                client.log_metric(model.run_id, name, total, step=totals["votes_cast"])
            comparison.counted.add(side)
            comparison.choice = choice  # from here on the other side must count the same vote
    return VoteCount(name=model.name, version=model.version, **totals)
