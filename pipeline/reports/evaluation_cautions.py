"""What a reviewer should know before promoting a model: copying, wrong languages, repetition, small samples."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pipeline.reports.metric_guide import figure
from pipeline.reports.page import Caution, count, listed, percent

COPIED_WORDS = 10  # on end as in a training poem, from which a poem counts as copied
COPIED_MUCH = 0.1  # of the poems
FEW_TEST_POEMS = 50  # in a language, below which figures of people are rough
FEW_WRITTEN = 32  # poems a language, below which figures of a model are rough
FOREIGN_POEMS = 0.05  # poems not wholly in their language, beyond people's share
CUT_OFF = 0.1  # poems that do not end
OVERFIT = 0.01  # relative rise of the validation loss after its lowest


@dataclass(frozen=True)
class Comparison:
    """How a writer's figure in a language is to another's: `better`, `worse`, or `close` where intervals overlap."""

    name: str
    language: str
    outcome: str


def compare(report: Mapping[str, Any], writer: str, other: str) -> list[Comparison]:
    """Every figure of two writers that has intervals; near people's means a smaller distance to the human figure."""
    found = []
    for name, writers in report["intervals"].items():
        better = figure(name).better
        if not figure(name).main:
            continue
        for language, (low, high) in writers.get(writer, {}).items():
            if language not in writers.get(other, {}):
                continue
            other_low, other_high = writers[other][language]
            own, others = report[name][writer][language], report[name][other][language]
            if better == "near people's":
                human = report[name].get("human", {}).get(language)
                if human is None:
                    continue
                own, others = abs(own - human), abs(others - human)
            elif better == "higher":
                own, others = -own, -others
            apart = low > other_high or high < other_low
            outcome = "close" if not apart or own == others else "better" if own < others else "worse"
            found.append(Comparison(name, language, outcome))
    return found


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
        comparisons: the tuned model held against each other model, by name.
    """
    found = [*_of_comparisons(comparisons, languages), *_of_training(loss, languages)]
    found += [*_of_samples(poems, languages), *_of_repetition(report, languages)]
    for code, name in languages.items():
        here = poems[poems["language"] == code]
        found += _of_poems(here[here["writer"] == "tuned"], here[here["writer"] == "human"], name)
    return sorted(found, key=lambda caution: not caution.serious)


def copied(poems: pd.DataFrame) -> pd.DataFrame:
    """Poems that copy, those that copy most first."""
    return poems[poems["longest_copied_run"] >= COPIED_WORDS].sort_values(
        "longest_copied_run", ascending=False, kind="stable"
    )


def _of_comparisons(comparisons: Mapping[str, list[Comparison]], languages: Mapping[str, str]) -> Iterator[Caution]:
    for other, compared in comparisons.items():
        worse = [
            f"{figure(one.name).label.lower()} ({languages[one.language]})"
            for one in compared
            if one.outcome == "worse"
        ]
        if worse:
            yield Caution(True, f"Tuned is worse than {other}, intervals apart, in {listed(worse, 5)}.", "figures")
        close = sum(one.outcome == "close" for one in compared)
        if 2 * close > len(compared):
            overlap = f"In {close} of {len(compared)} figures the intervals of tuned and {other} overlap"
            text = f"{overlap}: those differences may be chance."
            yield Caution(False, text, "figures")
        unsure = [languages[one.language] for one in compared if one.name == "bits_per_byte" and one.outcome == "close"]
        if unsure:
            text = f"That tuned foresees test poems in {listed(unsure)} better than {other} is not sure."
            yield Caution(False, text, "figures")


def _of_training(loss: pd.DataFrame, languages: Mapping[str, str]) -> Iterator[Caution]:
    for code, curve in loss.sort_values("step").groupby("language"):
        values = curve["bits_per_byte"]
        if values.iloc[-1] > (1 + OVERFIT) * values.min():
            best = curve.loc[values.idxmin(), "step"]
            name = languages.get(code, code)
            text = f"The loss on {name} validation poems rises after step {best}: it was trained too long."
            yield Caution(False, text, "training")


def _of_samples(poems: pd.DataFrame, languages: Mapping[str, str]) -> Iterator[Caution]:
    for writer, enough, text in (
        ("human", FEW_TEST_POEMS, "The test set is small, so what stands for people is rough: {}."),
        ("tuned", FEW_WRITTEN, "Few poems stand behind the model's figures, so they are a sketch: {}."),
    ):
        counts = poems[poems["writer"] == writer]["language"].value_counts()
        few = [f"{counts.get(code, 0)} in {name}" for code, name in languages.items() if counts.get(code, 0) < enough]
        if few:
            yield Caution(False, text.format(listed(few)), "figures")


def _of_poems(own: pd.DataFrame, people: pd.DataFrame, name: str) -> Iterator[Caution]:
    if own.empty:
        yield Caution(True, f"There is no poem in {name}.", "samples")
        return
    copies = copied(own)
    if len(copies):
        longest = int(copies["longest_copied_run"].iloc[0])
        those = f"{count(len(copies), 'poem')} in {name} {'has' if len(copies) == 1 else 'have'}"
        text = f"{those} {COPIED_WORDS} words or more on end from a training poem, {longest} at most: learnt by heart."
        yield Caution(len(copies) > COPIED_MUCH * len(own), text, "copied")
    foreign = 1 - own["language_adherence"].astype(float).mean()
    of_people = 1 - people["language_adherence"].astype(float).mean() if len(people) else 0.0
    if foreign > 0:
        text = f"{percent(foreign)} of its poems in {name} are not wholly in {name} (people's: {percent(of_people)})."
        yield Caution(foreign > of_people + FOREIGN_POEMS, text, "worst")
    cut_off = 1 - own["ended"].astype(float).mean()
    if cut_off > CUT_OFF:
        yield Caution(False, f"{percent(cut_off)} of its poems in {name} do not end but are cut off.", "figures")
    empty = int((own["text"].str.strip() == "").sum())
    if empty:
        yield Caution(True, f"{count(empty, 'poem')} in {name} {'is' if empty == 1 else 'are'} empty.", "samples")
    twice = int(own["text"].duplicated().sum())
    if twice:
        yield Caution(True, f"{count(twice, 'poem')} in {name} came out word for word like another one.", "samples")


def _of_repetition(report: Mapping[str, Any], languages: Mapping[str, str]) -> Iterator[Caution]:
    for name in ("seq_rep_4", "repeated_lines", "loops"):
        values, intervals, guide = report.get(name, {}), report["intervals"].get(name, {}), figure(name)
        more = [
            f"{guide.shown(values['tuned'][code])} against {guide.shown(values['human'][code])} in {language}"
            for code, language in languages.items()
            if code in intervals.get("tuned", {}) and code in intervals.get("human", {})
            if intervals["tuned"][code][0] > intervals["human"][code][1]
        ]
        if more:
            text = f"It repeats itself more than people ({guide.label.lower()}): {listed(more)}."
            yield Caution(name == "loops", text, "worst")
