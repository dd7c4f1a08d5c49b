"""Which version is the champion: promoted when every gate of params holds, rolled back to the one before.

Challenger and champion are measured in one run on the same test poems and requests, never by remembered numbers. The
decision and its reasons are written on the version. A person who moves the alias in the MLflow UI needs none of this.
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
from pipeline.metrics.measure import Figures
from pipeline.metrics.novelty import NOVEL_LENGTHS
from pipeline.metrics.text import Measured, difference
from pipeline.modeling.base import cache_folder
from pipeline.register import LONGEST_DESCRIPTION
from pipeline.release.registry import alias_version, download_version, fetch_version, model_version, registry

HISTORY_TAG = "champions"  # of the registered model: versions that were champion, oldest first, by commas
DECISION_TAG, REASONS_TAG = "promotion", "promotion_reasons"
HEADING = "\n\n## Promotion\n\n"
HIGHER_IS_BETTER = (
    *("language_adherence", "ended", "distinct_1", "distinct_2", "distinct_3", "rhyme_density", "assonance_density"),
    *("syllable_regularity", "title_match", "opening_match", "stanza_match", "author_accuracy", "style_accuracy"),
    *(f"novel_{n}" for n in NOVEL_LENGTHS),
)


class Decision(NamedTuple):
    """Whether a version became the champion, and why."""

    version: int
    promoted: bool
    reasons: list[str]  # one for every gate in every language, or the one that made measuring pointless


@contextmanager
def only_promotion(name: str) -> Iterator[None]:
    """Let one process at a time of this machine decide about a model.

    Raises:
        BadInput: another one is at it.
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
    """Measure a version against the champion and move the alias where every gate holds.

    Args:
        version: by default the one with the alias of `register`.

    Raises:
        BadInput: there is no such version, it is the champion already, its files are missing or altered, its test poems
            are not those here, the registry is away, or another promotion came between. The champion stays.
    """
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
                    problem = f"the champion became {current.version if current else 'none'} while it was measured"
                    raise BadInput(f"{name} version {challenger.version}", problem, "Run this again")
                if promoted:
                    note_champions(name, [champion, challenger])
                    client.set_registered_model_alias(name, params.promote.alias, challenger.version)
        except BadInput as error:
            write_decision(challenger, Decision(int(challenger.version), False, [f"{error.problem}."]))
            raise
        write_decision(challenger, decision)
    return decision


def measure(params: Params, challenger: ModelVersion, champion: ModelVersion | None) -> list[tuple[bool, str]]:
    """Every gate in every language: whether it holds, and why in words."""
    test, train = read_table(TOKENS / "test.parquet"), read_table(TOKENS / "train.parquet")
    check_split(params, test, challenger, champion)
    with TemporaryDirectory() as folder:
        # From the store and not from the cache: a champion has to be there for everyone.
        download_version(challenger.name, challenger.version, Path(folder) / "challenger")
        models = {"challenger": Path(folder) / "challenger"}
        if champion is not None:
            models["champion"] = fetch_version(champion.name, champion.version)
        figures = evaluate_models(models, test, train, params).figures
    return gates(params, figures)


def check_split(params: Params, test: pd.DataFrame, challenger: ModelVersion, champion: ModelVersion | None) -> None:
    """See that neither version can have been trained on the test poems.

    Raises:
        BadInput: one can.
    """
    remedy = "Measure it where it was made, or move the alias yourself in the MLflow UI"
    place = f"{challenger.name} version {challenger.version}"
    if challenger.tags.get("test_split") != split_digest(test):
        raise BadInput(place, "its test split is not the one in data/tokens", remedy)
    if champion is not None and champion.tags.get("split_rule") != split_rule(params):
        problem = (
            f"the champion, version {champion.version}, was split by another rule "
            f"({champion.tags.get('split_rule', 'none')}; here {split_rule(params)}) and may have seen the test poems"
        )
        raise BadInput(place, problem, remedy)


def gates(params: Params, figures: Figures) -> list[tuple[bool, str]]:
    """Every gate of params in every language: whether it holds, and why in a sentence.

    An absolute limit is for the figure itself. Against the champion a version fails where it is worse by more than is
    allowed and chance does not explain it: the whole interval of the difference lies beyond.

    Args:
        figures: as `evaluate_models` finds them, of the writers `challenger` and, where there is one, `champion`.

    Raises:
        BadInput: a gate names a figure that nobody has.
    """
    found = []
    for language in params.languages:
        for name, least in params.promote.at_least.items():
            ours = figure(figures, name, "challenger", language)
            found.append((name, language, ours, ours is not None and ours.value >= least, f", at least {least}"))
        for name, most in params.promote.at_most.items():
            ours = figure(figures, name, "challenger", language)
            found.append((name, language, ours, ours is not None and ours.value <= most, f", at most {most}"))
        for name, allowed in params.promote.not_worse.items():
            ours, theirs = (figure(figures, name, writer, language) for writer in ("challenger", "champion"))
            if theirs is not None:
                holds, why = compared(name, ours, theirs, allowed) if ours is not None else (False, "")
                found.append((name, language, ours, holds, f" against {told(theirs)} of the champion{why}"))
    return [
        (holds, f"{'holds' if holds else 'FAILS'}: {name.replace('_', ' ')} in {language} {told(ours)}{why}")
        for name, language, ours, holds, why in found
    ]


def compared(name: str, ours: Measured, theirs: Measured, allowed: float) -> tuple[bool, str]:
    """Whether a figure is not worse than the champion's by more than is allowed, and what speaks for it."""
    worse = difference(theirs, ours) if name in HIGHER_IS_BETTER else difference(ours, theirs)
    low, high = worse.interval() or (worse.value, worse.value)
    if worse.value > 0:
        by = f"worse by {worse.value:.3f}, between {low:.3f} and {high:.3f}"
    else:
        by = f"better by {-worse.value:.3f}, between {-high:.3f} and {-low:.3f}"
    if low > allowed:
        verdict = f"surely more than the {allowed} allowed"
    elif high > allowed:
        verdict = f"undecided: it may be chance, or more than the {allowed} allowed; more poems would tell"
    else:
        verdict = f"surely not worse by more than the {allowed} allowed"
    return low <= allowed, f": {by}, {verdict}"


def figure(figures: Figures, name: str, writer: str, language: str) -> Measured | None:
    """A writer's figure in a language; None where it has none, as when all its poems are empty.

    Raises:
        BadInput: nobody has a figure of that name.
    """
    known = list(dict.fromkeys(key for languages in figures.values() for names in languages.values() for key in names))
    if name not in known:
        raise BadInput(f"params.yaml: promote: {name}", "no such figure", f"Choose from {', '.join(known)}")
    return figures.get(writer, {}).get(language, {}).get(name)


def told(figure: Measured | None) -> str:
    """A figure with its interval where it has one, in words."""
    if figure is None:
        return "could not be measured"
    bounds = figure.interval()
    return f"{figure.value:.3f}" + (f" [{bounds[0]:.3f}, {bounds[1]:.3f}]" if bounds else "")


def champions(name: str) -> list[str]:
    """The versions that were champion, oldest first, as promotions and rollbacks noted them."""
    with registry() as client:
        return [number for number in client.get_registered_model(name).tags.get(HISTORY_TAG, "").split(",") if number]


def note_champions(name: str, versions: list[ModelVersion | None]) -> None:
    """Add versions to the end of the history; one that stands there already is not said twice."""
    history = champions(name)
    for version in filter(None, versions):
        if history[-1:] != [str(version.version)]:
            history.append(str(version.version))
    with registry() as client:
        client.set_registered_model_tag(name, HISTORY_TAG, ",".join(history))


def rollback(params: Params, reason: str) -> Decision:
    """Give the alias back to the champion before this one.

    Raises:
        BadInput: there is no champion or none before it, the one before is missing or altered, the registry is away, or
            a promotion is under way. The champion stays.
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
        with TemporaryDirectory() as folder:  # a champion has to be whole in the store
            download_version(name, previous.version, Path(folder) / "previous")
        with registry() as client:
            client.set_registered_model_tag(name, HISTORY_TAG, ",".join(history))
            client.set_registered_model_alias(name, alias, previous.version)
        write_decision(champion, Decision(int(champion.version), False, [f"rolled back: {reason}"]))
        decision = Decision(int(previous.version), True, [f"back from version {champion.version}: {reason}"])
        write_decision(previous, decision)
    return decision


def write_decision(version: ModelVersion, decision: Decision) -> None:
    """Write a decision on its version: as tags, and under its description."""
    outcome = "promoted" if decision.promoted else "refused"
    reasons = "\n".join(f"- {reason}" for reason in decision.reasons)
    with registry() as client:
        client.set_model_version_tag(version.name, version.version, DECISION_TAG, outcome)
        client.set_model_version_tag(version.name, version.version, REASONS_TAG, reasons)
        described = client.get_model_version(version.name, version.version).description or ""
        noted = f"{HEADING}{outcome.capitalize()}.\n\n{reasons}"[:LONGEST_DESCRIPTION]
        described = described.partition(HEADING)[0][: LONGEST_DESCRIPTION - len(noted)] + noted
        client.update_model_version(version.name, version.version, description=described)


@stage
def main() -> None:
    """`python -m pipeline.promote [VERSION]`, or `python -m pipeline.promote rollback [REASON]`."""
    params, arguments = load_params(), sys.argv[1:]
    if arguments[:1] == ["rollback"]:
        decision = rollback(params, " ".join(arguments[1:]) or f"asked for by {os.environ.get('USER', 'a person')}")
    else:
        decision = promote(params, *arguments[:1])
    alias = params.promote.alias
    print(f"version {decision.version} {'is now' if decision.promoted else 'did not become'} {alias!r}")
    print("\n".join(f"  {reason}" for reason in decision.reasons))
    sys.exit(0 if decision.promoted else 1)


if __name__ == "__main__":
    main()
