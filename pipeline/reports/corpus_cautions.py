"""What to know before trusting a corpus: imbalance, few poems, dominant authors, failed sources."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from pipeline.reports.page import Caution, count, listed, percent

FEW_POEMS = 1000  # in a language, below which a model learns a style and little else
UNBALANCED = 3  # times the words of one language in another
DOMINANT_SHARE = 0.2  # of a language's poems by one author
REJECTED_SHARE = 0.25  # of a source's poems
DISAGREEING_SHARE = 0.02  # of the poems, between declared and detected language
ANONYMOUS_SHARE = 0.5  # of a language's poems
FAILED_SHARE = 0.05  # of a source's pages


def cautions(
    kept: pd.DataFrame, tagged: pd.DataFrame, sources: Sequence[Mapping[str, Any]], languages: Mapping[str, str]
) -> list[Caution]:
    """The cautions, the serious first; the arguments are those of `corpus_page` and its rows of sources."""
    found = [*_cautions_of_languages(kept, languages), *_cautions_of_sources(sources)]
    disagreeing = int(disagrees(tagged).sum())
    if disagreeing > DISAGREEING_SHARE * len(tagged):
        share = percent(disagreeing / len(tagged))
        poems = f"{count(disagreeing, 'poem')} ({share}) {'was' if disagreeing == 1 else 'were'}"
        text = f"{poems} detected as another language than the source declares."
        found.append(Caution(True, text, "languages"))
    broken = int(kept["broken"].sum())
    if broken:
        text = f"{count(broken, 'kept poem')} {'has' if broken == 1 else 'have'} lost letters (U+FFFD)."
        found.append(Caution(False, text, "rules"))
    unlicensed = kept[kept["licence"].isna()]
    if len(unlicensed):
        names = listed(sorted(set(unlicensed["source"])))
        text = f"{count(len(unlicensed), 'poem')} without a licence, from {names}."
        found.append(Caution(False, text, "sources"))
    return sorted(found, key=lambda caution: not caution.serious)


def _cautions_of_languages(kept: pd.DataFrame, languages: Mapping[str, str]) -> Iterator[Caution]:
    words = {name: words_in(kept, code) for code, name in languages.items()}
    most, least = max(words, key=words.__getitem__), min(words, key=words.__getitem__)
    if words[most] > UNBALANCED * words[least]:
        times = (
            f"{words[most] / words[least]:.1f} times as many words as" if words[least] else "all the words, and none in"
        )
        yield Caution(True, f"The languages are not balanced: {most} has {times} {least}.", "flow")
    for code, name in languages.items():
        poems = kept[kept["language"] == code]
        if len(poems) < FEW_POEMS:
            few = f"Only {count(len(poems), 'poem')} in {name}"
            text = f"{few}: a model will learn a style at most, and may memorize lines."
            yield Caution(len(poems) < FEW_POEMS / 10, text, "flow")
        by_author = poems["author"].value_counts()
        if len(by_author) and by_author.iloc[0] > DOMINANT_SHARE * len(poems):
            share = percent(by_author.iloc[0] / len(poems))
            yield Caution(False, f"{by_author.index[0]} wrote {share} of the poems in {name}.", "writers")
        nameless = int(poems["author"].isna().sum())
        if nameless > ANONYMOUS_SHARE * len(poems):
            yield Caution(False, f"{count(nameless, 'poem')} in {name} have no author.", "writers")


def _cautions_of_sources(sources: Sequence[Mapping[str, Any]]) -> Iterator[Caution]:
    for row in sources:
        name = row["name"]
        if row["dropped"] > REJECTED_SHARE * row["poems"]:
            share = percent(row["dropped"] / row["poems"])
            yield Caution(
                True, f"{share} of the poems of {name} were dropped; main reason: {row['main_reason']}.", "rejects"
            )
        if row["failed"] > FAILED_SHARE * max(row["pages"], 1):
            yield Caution(False, f"{count(row['failed'], 'page')} of {name} could not be downloaded.", "sources")
        if row["down"]:
            yield Caution(True, f"{name} was unavailable; its poems are from an earlier crawl.", "sources")


def disagrees(poems: pd.DataFrame) -> pd.Series:
    """Which poems were detected as another language than the declared one."""
    return (
        poems["declared_language"].notna()
        & poems["language"].notna()
        & (poems["language"] != poems["declared_language"])
    )


def words_in(poems: pd.DataFrame, language: str) -> int:
    """The words of the poems in a language."""
    return int(poems.loc[poems["language"] == language, "words"].sum())
