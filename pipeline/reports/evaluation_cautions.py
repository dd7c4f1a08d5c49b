"""What a reviewer should know before promoting a model: copying, wrong languages, repetition, small samples."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from pipeline.metrics.registry import HUMAN, METRICS, TUNED
from pipeline.reports.page import Caution, count, listed, percent

COPIED_WORDS = 10  # consecutive words of a training poem from which a poem counts as copied
COPIED_MUCH = 0.1  # of the poems, beyond the share of human poems, from which copying is serious
FEW_TEST_POEMS = 50  # in a language, below which the values of human poems are rough
FEW_WRITTEN = 32  # poems in a language, below which the values of a model are rough
FOREIGN_POEMS = 0.05  # poems not wholly in their language, beyond the share of human poems
CUT_OFF = 0.1  # of the poems
OVERFIT = 0.01  # relative rise of the validation loss after its lowest


@dataclass(frozen=True)
class Comparison:
    """Whether the tuned model is better than another in a metric and a language, or too close to call.

    Attributes:
        unlike_human: whether the intervals of the tuned model and of human poems do not overlap.
    """

    name: str
    language: str
    outcome: Literal["better", "worse", "close"]
    unlike_human: bool


def compare(report: Mapping[str, Any], other: str) -> list[Comparison]:
    """The tuned model against another, by the gains that `evaluate` measured, over the metrics that have a chart.

    It is better or worse where the whole interval of the gain is above or below 0.
    """
    return [
        Comparison(name, code, _outcome(low, high), _apart(report, name, code))
        for name, gains in report["gains"].get(other, {}).items()
        if METRICS[name].main
        for code, (_, low, high) in gains.items()
    ]


def _outcome(low: float, high: float) -> Literal["better", "worse", "close"]:
    return "better" if low > 0 else "worse" if high < 0 else "close"


def _apart(report: Mapping[str, Any], name: str, code: str) -> bool:
    return _above_human(report, name, code) or _above_human(report, name, code, HUMAN, TUNED)


def _above_human(report: Mapping[str, Any], name: str, code: str, writer: str = TUNED, other: str = HUMAN) -> bool:
    """Whether the whole interval of one writer, by default the tuned model, is above that of the other."""
    intervals = report["intervals"].get(name, {})
    ends = [intervals.get(one, {}).get(code) for one in (writer, other)]
    return None not in ends and ends[0][0] > ends[1][1]


def cautions(
    report: Mapping[str, Any],
    poems: pd.DataFrame,
    loss: pd.DataFrame,
    languages: Mapping[str, str],
    comparisons: Mapping[str, list[Comparison]],
) -> list[Caution]:
    """What there is to know of the tuned model, the serious first.

    Args:
        report: what `evaluate` left in `metrics`.
        poems: the table of evaluated poems.
        loss: the curve that `finetune` left in `plots`.
        languages: code and English name of the languages.
        comparisons: the tuned model against each other model, by its name.
    """
    found = [*_of_comparisons(comparisons, languages), *_of_training(loss, languages)]
    found += [*_of_samples(poems, languages), *_of_repetition(report, languages), *_of_similarity(report, languages)]
    for code, name in languages.items():
        here = poems[poems["language"] == code]
        found += _of_poems(here[here["writer"] == TUNED], here[here["writer"] == HUMAN], name)
    return sorted(found, key=lambda caution: not caution.serious)


def copied(poems: pd.DataFrame) -> pd.DataFrame:
    """Poems that copy, those with the longest copied run first."""
    return poems[poems["longest_copied_run"] >= COPIED_WORDS].sort_values(
        "longest_copied_run", ascending=False, kind="stable"
    )


def _of_comparisons(comparisons: Mapping[str, list[Comparison]], languages: Mapping[str, str]) -> Iterator[Caution]:
    for other, compared in comparisons.items():
        worse = [one for one in compared if one.outcome == "worse"]
        # Further from human than another model is no fault of a model that cannot be told from human.
        near = [one for one in worse if METRICS[one.name].direction == "near human"]
        for serious, what, found in (
            (True, f"worse than {other}", [one for one in worse if one not in near]),
            (True, f"further from human poems than {other}", [one for one in near if one.unlike_human]),
            (
                False,
                f"further from human poems than {other}, though within their range,",
                [one for one in near if not one.unlike_human],
            ),
        ):
            if found:
                names = [f"{METRICS[one.name].label.lower()} ({languages[one.language]})" for one in found]
                yield Caution(serious, f"Tuned is {what} in {listed(names, 5)}.", "metrics")
        close = sum(one.outcome == "close" for one in compared)
        if 2 * close > len(compared):
            text = f"{close} of {len(compared)} differences between tuned and {other} may be chance."
            yield Caution(False, text, "metrics")
        unsure = [languages[one.language] for one in compared if one.name == "bits_per_byte" and one.outcome == "close"]
        if unsure:
            text = (
                f"Tuned may predict test poems in {listed(unsure)} no better than {other}: bits per byte are too close."
            )
            yield Caution(False, text, "metrics")


def _of_training(loss: pd.DataFrame, languages: Mapping[str, str]) -> Iterator[Caution]:
    for code, curve in loss.sort_values("step").groupby("language"):
        values = curve["bits_per_byte"]
        if values.iloc[-1] > (1 + OVERFIT) * values.min():
            best = curve.loc[values.idxmin(), "step"]
            name = languages.get(code, code)
            text = f"The loss on {name} validation poems rises after step {best}: training went on too long."
            yield Caution(False, text, "training")


def _of_samples(poems: pd.DataFrame, languages: Mapping[str, str]) -> Iterator[Caution]:
    for writer, enough, text in (
        (HUMAN, FEW_TEST_POEMS, "Few test poems, so the human values are rough: {}."),
        (TUNED, FEW_WRITTEN, "Few generated poems, so the model's values are rough: {}."),
    ):
        counts = poems[poems["writer"] == writer]["language"].value_counts()
        few = [f"{counts.get(code, 0)} in {name}" for code, name in languages.items() if counts.get(code, 0) < enough]
        if few:
            yield Caution(False, text.format(listed(few)), "metrics")


def _of_repetition(report: Mapping[str, Any], languages: Mapping[str, str]) -> Iterator[Caution]:
    for name in ("seq_rep_4", "repeated_lines", "loops"):
        more = _more_than_human(report, name, languages)
        if more:
            text = f"It repeats itself more than human poems do. {METRICS[name].label}: {listed(more)}."
            yield Caution(name == "loops", text, "worst")


def _of_similarity(report: Mapping[str, Any], languages: Mapping[str, str]) -> Iterator[Caution]:
    """Poems by one hand share words with others of their genre; only more than human poems do is too much."""
    more = _more_than_human(report, "nearest_similarity", languages)
    if more:
        text = f"Its poems are more similar to training poems than human poems are: {listed(more)}."
        yield Caution(True, text, "copied")


def _more_than_human(report: Mapping[str, Any], name: str, languages: Mapping[str, str]) -> list[str]:
    """By language, the values that are above those of human poems, whatever the sample."""
    values, metric = report["values"].get(name, {}), METRICS[name]
    return [
        f"{metric.format(values[TUNED][code])} against {metric.format(values[HUMAN][code])} in {language}"
        for code, language in languages.items()
        if _above_human(report, name, code)
    ]


def _of_poems(own: pd.DataFrame, human: pd.DataFrame, name: str) -> Iterator[Caution]:
    if own.empty:
        yield Caution(True, f"There is no poem in {name}.", "samples")
        return
    copies = copied(own)
    if len(copies):
        longest = int(copies["longest_copied_run"].iloc[0])
        human_share = len(copied(human)) / len(human) if len(human) else 0.0
        text = (
            f"{count(len(copies), 'poem')} of {len(own)} in {name} {'copies' if len(copies) == 1 else 'copy'} "
            f"{COPIED_WORDS} or more consecutive words from a training poem, up to {longest} "
            f"(human poems: {percent(human_share)})."
        )
        yield Caution(len(copies) / len(own) > human_share + COPIED_MUCH, text, "copied")
    foreign, human_foreign = (
        1 - rows["language_adherence"].astype(float).mean() if len(rows) else 0.0 for rows in (own, human)
    )
    if foreign > 0:
        text = f"{percent(foreign)} of its poems in {name} are not wholly in {name}"
        text = f"{text} (human poems: {percent(human_foreign)})."
        yield Caution(foreign > human_foreign + FOREIGN_POEMS, text, "worst")
    cut_off = 1 - own["ended"].astype(float).mean()
    if cut_off > CUT_OFF:
        yield Caution(False, f"{percent(cut_off)} of its poems in {name} were cut off by the length limit.", "metrics")
    empty = int((own["text"].str.strip() == "").sum())
    if empty:
        yield Caution(True, f"{count(empty, 'poem')} in {name} {'is' if empty == 1 else 'are'} empty.", "samples")
    twice = int(own["text"].duplicated().sum())
    if twice:
        yield Caution(
            True,
            f"{count(twice, 'poem')} in {name} {'repeats' if twice == 1 else 'repeat'} another one word for word.",
            "samples",
        )
