"""Promote a version to champion when every gate of params holds, or roll back to the champion before.

Challenger and champion are measured in one run on the same test poems and requests, never by numbers from earlier runs.
The decision and its reasons are written on the version. Moving the alias in the MLflow UI works too, without any gate.
"""

import hashlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pandas as pd
from filelock import FileLock, Timeout
from mlflow.entities.model_registry import ModelVersion

from pipeline.common.params import Params, load_params
from pipeline.common.splits import TOKENS, split_digest, split_rule
from pipeline.common.stage import BadInput, stage
from pipeline.common.tables import read_table
from pipeline.common.tracking import tracking_uri
from pipeline.evaluate import evaluate_models
from pipeline.metrics.bootstrap import Estimate, gain
from pipeline.metrics.measure import Estimates
from pipeline.metrics.registry import CHAMPION, HUMAN, METRICS
from pipeline.modeling.base import cache_folder
from pipeline.register import DESCRIPTION_LIMIT
from pipeline.release.registry import alias_version, download_version, fetch_version, model_version, registry

HISTORY_TAG = "champions"  # of the registered model: versions that were champion, oldest first, by commas
DECISION_TAG, REASONS_TAG = "promotion", "promotion_reasons"
HEADING = "\n\n## Promotion\n\n"
CHALLENGER = "challenger"


class Decision(NamedTuple):
    """Whether a version became the champion, and why."""

    version: int
    promoted: bool
    reasons: list[str]  # one per gate and language, or the one that stopped the measurement


@contextmanager
def only_promotion(name: str) -> Iterator[None]:
    """Let one process of this machine at a time decide about a model.

    Raises:
        BadInput: another promotion is under way.
    """
    key = hashlib.sha256(f"{tracking_uri()} {name}".encode()).hexdigest()[:16]
    lock = cache_folder() / "locks" / f"promote-{key}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(lock, timeout=0):
            yield
    except Timeout as error:
        raise BadInput(name, "another promotion is under way", "Wait until it ends, then run this again") from error


def promote(params: Params, version: str | int | None = None) -> Decision:
    """Measure a version against the champion and move the alias if every gate holds.

    Args:
        version: by default the one with the alias of `register`.

    Raises:
        BadInput: a gate names an unknown metric, there is no such version, it is the champion already, its files are
            missing or altered, its test poems are not those here, the registry is unavailable, or the champion changed
            meanwhile. The champion stays.
    """
    check_gates(params)
    name = params.register_.model_name
    with only_promotion(name):
        challenger = model_version(name, version) if version else alias_version(name, params.register_.alias)
        if challenger is None:
            raise BadInput(name, f"no version has the alias {params.register_.alias!r}", "Make one with `make run`")
        champion = alias_version(name, params.promote.alias)
        if champion is not None and champion.version == challenger.version:
            raise BadInput(f"{name} version {challenger.version}", "it is the champion already", "Name another version")
        try:
            reasons = measure(params, challenger, champion)
            promoted = all(holds for holds, _ in reasons)
            decision = Decision(int(challenger.version), promoted, [reason for _, reason in reasons])
            with registry() as client:
                current = alias_version(name, params.promote.alias)
                if (current and current.version) != (champion and champion.version):
                    problem = f"the champion changed to {current.version if current else 'none'} during the measurement"
                    raise BadInput(f"{name} version {challenger.version}", problem, "Run this again")
                if promoted:
                    note_champions(name, [champion, challenger])
                    client.set_registered_model_alias(name, params.promote.alias, challenger.version)
        except BadInput as error:
            write_decision(challenger, Decision(int(challenger.version), False, [f"{error.problem}."]))
            raise
        write_decision(challenger, decision)
    return decision


def check_gates(params: Params) -> None:
    """See that every gate names a metric.

    Raises:
        BadInput: one does not.
    """
    for gate in ("not_worse", "at_least", "at_most"):
        for name in getattr(params.promote, gate):
            if name not in METRICS:
                place = f"params.yaml: promote.{gate}.{name}"
                raise BadInput(place, "no such metric", f"Choose from {', '.join(METRICS)}")


def measure(params: Params, challenger: ModelVersion, champion: ModelVersion | None) -> list[tuple[bool, str]]:
    """Every gate in every language: whether it holds, and the reason in words."""
    test, train = read_table(TOKENS / "test.parquet"), read_table(TOKENS / "train.parquet")
    check_split(params, test, challenger, champion)
    with TemporaryDirectory() as folder:
        # From the store and not from the cache: everybody must be able to load a champion.
        download_version(challenger.name, challenger.version, Path(folder) / CHALLENGER)
        models = {CHALLENGER: Path(folder) / CHALLENGER}
        if champion is not None:
            models[CHAMPION] = fetch_version(champion.name, champion.version)
        return gates(params, evaluate_models(models, test, train, params).estimates)


def check_split(params: Params, test: pd.DataFrame, challenger: ModelVersion, champion: ModelVersion | None) -> None:
    """See that neither version can have been trained on the test poems.

    Raises:
        BadInput: one can.
    """
    remedy = "Promote it in the project that made it, or move the alias yourself in the MLflow UI"
    place = f"{challenger.name} version {challenger.version}"
    if challenger.tags.get("test_split") != split_digest(test):
        raise BadInput(place, "its test split is not the one in data/tokens", remedy)
    if champion is not None and champion.tags.get("split_rule") != split_rule(params):
        problem = (
            f"the champion, version {champion.version}, has another split "
            f"({champion.tags.get('split_rule', 'none')}; here {split_rule(params)}) and may have seen the test poems"
        )
        raise BadInput(place, problem, remedy)


def gates(params: Params, estimates: Estimates) -> list[tuple[bool, str]]:
    """Every gate of params in every language: whether it holds, and the reason in a sentence.

    `at_least` and `at_most` limit the challenger's own value. `not_worse` compares it with the champion's: the gate
    fails if the whole interval of the loss is above what is allowed. A gate is skipped in a language in which nobody
    has a value, such as assonance in English.

    Args:
        estimates: of the writers `challenger`, `human` and, if there is one, `champion`.

    Raises:
        BadInput: nobody has a value in any language.
    """
    limits = [(name, least, "least") for name, least in params.promote.at_least.items()]
    limits += [(name, most, "most") for name, most in params.promote.at_most.items()]
    found = []
    for code, language in params.languages.items():
        by_writer = {writer: languages.get(code, {}) for writer, languages in estimates.items()}
        for name, limit, side in limits:
            ours = by_writer[CHALLENGER].get(name)
            if any(name in by_name for by_name in by_writer.values()):
                holds = ours is not None and (ours.value >= limit if side == "least" else ours.value <= limit)
                found.append((holds, name, language, f"{shown(ours)}, at {side} {limit}"))
        for name, allowed in params.promote.not_worse.items():
            ours, theirs, human = (by_writer.get(writer, {}).get(name) for writer in (CHALLENGER, CHAMPION, HUMAN))
            if theirs is not None:
                holds, why = compared(name, ours, theirs, human, allowed)
                found.append((holds, name, language, why))
    for name in {name for name, *_ in limits} - {name for _, name, *_ in found}:
        remedy = "Remove the gate; docs/metrics.md says what each metric needs"
        raise BadInput(f"params.yaml: promote: {name}", "it could not be measured in any language", remedy)
    return [
        (holds, f"{'holds' if holds else 'FAILS'}: {METRICS[name].label.lower()} in {language}: {why}")
        for holds, name, language, why in found
    ]


def compared(
    name: str, ours: Estimate | None, theirs: Estimate, human: Estimate | None, allowed: float
) -> tuple[bool, str]:
    """Whether a value is not worse than the champion's by more than is allowed, and the evidence in words."""
    metric = METRICS[name]
    values = f"{shown(ours)}, champion {shown(theirs)}"
    if metric.direction == "near human":
        values += f", human {shown(human)}"
    better = None if ours is None else gain(metric.direction, ours, theirs, human)
    if better is None:
        return False, values
    low, high = better.interval() or (better.value, better.value)
    worse, better_word = ("further", "closer") if metric.direction == "near human" else ("worse", "better")
    if better.value < 0:
        by = f"{worse} by {-better.value:.3f} [{-high:.3f}, {-low:.3f}]"
    else:
        by = f"{better_word} by {better.value:.3f} [{low:.3f}, {high:.3f}]"
    if -high > allowed:
        verdict = f"more than the {allowed} allowed"
    elif -low > allowed:
        verdict = f"undecided: the loss may be chance, or more than the {allowed} allowed; evaluate more poems"
    else:
        verdict = f"within the {allowed} allowed"
    return -high <= allowed, f"{values}; {by}, {verdict}"


def shown(estimate: Estimate | None) -> str:
    """A value with its interval, where it has one."""
    if estimate is None:
        return "not measured"
    bounds = estimate.interval()
    return f"{estimate.value:.3f}" + (f" [{bounds[0]:.3f}, {bounds[1]:.3f}]" if bounds else "")


def champions(name: str) -> list[str]:
    """The versions that were champion, oldest first, as promotions and rollbacks recorded them."""
    with registry() as client:
        return [number for number in client.get_registered_model(name).tags.get(HISTORY_TAG, "").split(",") if number]


def note_champions(name: str, versions: list[ModelVersion | None]) -> None:
    """Append versions to the history; one that is already the last is not repeated."""
    history = champions(name)
    for version in filter(None, versions):
        if history[-1:] != [str(version.version)]:
            history.append(str(version.version))
    with registry() as client:
        client.set_registered_model_tag(name, HISTORY_TAG, ",".join(history))


def rollback(params: Params, reason: str) -> Decision:
    """Give the alias back to the previous champion.

    Raises:
        BadInput: there is no champion or none before it, the files of the one before are missing or altered, the
            registry is unavailable, or a promotion is under way. The champion stays.
    """
    name, alias = params.register_.model_name, params.promote.alias
    with only_promotion(name):
        champion = alias_version(name, alias)
        if champion is None:
            raise BadInput(name, f"no version has the alias {alias!r}", "Promote one with `make promote`")
        history = champions(name)
        while history and history[-1] == str(champion.version):
            history.pop()
        if not history:
            remedy = "Move the alias yourself in the MLflow UI"
            raise BadInput(f"{name} version {champion.version}", "no champion before it is on record", remedy)
        previous = model_version(name, history[-1])
        with TemporaryDirectory() as folder:  # its files must be whole in the store
            download_version(name, previous.version, Path(folder) / "previous")
        with registry() as client:
            client.set_registered_model_tag(name, HISTORY_TAG, ",".join(history))
            client.set_registered_model_alias(name, alias, previous.version)
        write_decision(champion, Decision(int(champion.version), False, [f"rolled back: {reason}"]))
        decision = Decision(int(previous.version), True, [f"champion again after version {champion.version}: {reason}"])
        write_decision(previous, decision)
    return decision


def write_decision(version: ModelVersion, decision: Decision) -> None:
    """Write a decision on its version, as tags and at the end of its description."""
    outcome = "promoted" if decision.promoted else "refused"
    reasons = "\n".join(f"- {reason}" for reason in decision.reasons)
    with registry() as client:
        client.set_model_version_tag(version.name, version.version, DECISION_TAG, outcome)
        client.set_model_version_tag(version.name, version.version, REASONS_TAG, reasons)
        described = client.get_model_version(version.name, version.version).description or ""
        noted = f"{HEADING}{outcome.capitalize()}.\n\n{reasons}"[:DESCRIPTION_LIMIT]
        described = described.partition(HEADING)[0][: DESCRIPTION_LIMIT - len(noted)] + noted
        client.update_model_version(version.name, version.version, description=described)


@stage
def main() -> None:
    """`python -m pipeline.promote [VERSION]`, or `python -m pipeline.promote rollback [REASON]`."""
    params, arguments = load_params(), sys.argv[1:]
    if arguments[:1] == ["rollback"]:
        decision = rollback(params, " ".join(arguments[1:]) or f"requested by {os.environ.get('USER', 'a user')}")
    else:
        decision = promote(params, *arguments[:1])
    alias = params.promote.alias
    print(f"version {decision.version} {'is now' if decision.promoted else 'did not become'} {alias!r}")
    print("\n".join(f"  {reason}" for reason in decision.reasons))
    sys.exit(0 if decision.promoted else 1)


if __name__ == "__main__":
    main()
