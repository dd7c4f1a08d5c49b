"""What a reviewer should know before promoting a model: copying, wrong languages, repetition, small samples."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from pipeline.metrics.registry import HUMAN, METRICS, TUNED
from pipeline.reports.page import Caution, count, listed, percent

COPIED_WORDS = 10  # consecutive words of a training poem from which a poem counts as copied
COPIED_SIMILARITY = 0.5  # to a training poem, likewise; new human poems of the anthology have 0.25 at most
COPIED_MUCH = 0.1  # of the poems, beyond the share of human poems, from which copying is serious
FEW_TEST_POEMS = 50  # in a language, below which the values of human poems are rough
FEW_WRITTEN = 32  # poems in a language, below which the values of a model are rough
FOREIGN_POEMS = 0.05  # poems not wholly in their language, beyond the share of human poems
CUT_OFF = 0.1  # of the poems
OVERFIT = 0.01  # relative rise of the validation loss after its lowest


@dataclass(frozen=True)
class Comparison:
    """Whether the tuned model is better than another in a metric and a language, or too close to call."""

    name: str
    language: str
    outcome: Literal["better", "worse", "close"]


def compare(report: Mapping[str, Any], other: str) -> list[Comparison]:
    """The tuned model against another, by the gains that `evaluate` measured, over the metrics that have a chart.

    It is better or worse where the whole interval of the gain is above or below 0.
    """
    return [
        Comparison(name, code, _outcome(low, high))
        for name, gains in report["gains"].get(other, {}).items()
        if METRICS[name].main
        for code, (_, low, high) in gains.items()
    ]


def _outcome(low: float, high: float) -> Literal["better", "worse", "close"]:
    return "better" if low > 0 else "worse" if high < 0 else "close"


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
    found += [*_of_samples(poems, languages), *_of_repetition(report, languages)]
    for code, name in languages.items():
        here = poems[poems["language"] == code]
        found += _of_poems(here[here["writer"] == TUNED], here[here["writer"] == HUMAN], name)
    return sorted(found, key=lambda caution: not caution.serious)


def copied(poems: pd.DataFrame) -> pd.DataFrame:
    """Poems that copy a training poem, word for word or in their vocabulary, those with the longest run first.

    Any poem shares words with others of its genre, and on average a model may share a few more than human poems do. So
    copying is a matter of single poems, and compared with the share of human poems that would count as copied too.
    """
    copies = (poems["longest_copied_run"] >= COPIED_WORDS) | (poems["nearest_similarity"] >= COPIED_SIMILARITY)
    return poems[copies].sort_values(["longest_copied_run", "nearest_similarity"], ascending=False, kind="stable")


def _of_comparisons(comparisons: Mapping[str, list[Comparison]], languages: Mapping[str, str]) -> Iterator[Caution]:
    for other, compared in comparisons.items():
        worse = [one for one in compared if one.outcome == "worse"]
        near = [one for one in worse if METRICS[one.name].direction == "near human"]
        for serious, what, found in (
            (True, "worse", [one for one in worse if one not in near]),
            (False, "further from human poems", near),  # a matter of style; faults have warnings of their own
        ):
            if found:
                names = [f"{METRICS[one.name].label.lower()} ({languages[one.language]})" for one in found]
                yield Caution(serious, f"Tuned is {what} than {other}: {listed(names, 5)}.", "metrics")
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
        values, intervals, metric = report["values"].get(name, {}), report["intervals"].get(name, {}), METRICS[name]
        more = [
            f"{metric.format(values[TUNED][code])} against {metric.format(values[HUMAN][code])} in {language}"
            for code, language in languages.items()
            if code in intervals.get(TUNED, {}) and code in intervals.get(HUMAN, {})
            if intervals[TUNED][code][0] > intervals[HUMAN][code][1]
        ]
        if more:
            text = f"It repeats itself more than human poems do. {metric.label}: {listed(more)}."
            yield Caution(name == "loops", text, "worst")


def _of_poems(own: pd.DataFrame, human: pd.DataFrame, name: str) -> Iterator[Caution]:
    if own.empty:
        yield Caution(True, f"There is no poem in {name}.", "samples")
        return
    copies = copied(own)
    if len(copies):
        human_share = len(copied(human)) / len(human) if len(human) else 0.0
        those = f"{count(len(copies), 'poem')} of {len(own)} in {name} {'copies' if len(copies) == 1 else 'copy'}"
        longest = count(int(copies["longest_copied_run"].iloc[0]), "word")
        text = f"{those} a training poem (human poems: {percent(human_share)}); the longest run is {longest}."
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
