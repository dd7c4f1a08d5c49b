"""The stage *corpus_report*: one page that shows in a minute whether the corpus is good.

It only reads what scrape, clean and tag wrote. It counts all poems but shows a bounded number of them, and keeps only
their texts in memory.
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.cleaning.lost_letters import BROKEN
from pipeline.common.params import load_params
from pipeline.common.stage import stage, whole_file
from pipeline.common.tables import read_batches, read_report, read_table
from pipeline.reports.changes import rule_rows
from pipeline.reports.charts import histogram
from pipeline.reports.corpus_cautions import cautions, disagrees, words_in
from pipeline.reports.page import count, listed, write_page

CLEAN = Path("data/clean")
TAGGED = Path("data/tagged")
PAGE = Path("data/reports/corpus.html")
LANGUAGES = Path("data/reports/languages.csv")  # a row per poem, as DVC's confusion matrix needs it
POEMS = Path("plots/poems.csv")
AUTHORS = Path("plots/authors.csv")
PERIODS = Path("plots/periods.csv")
LENGTHS = Path("plots/lengths.csv")
REJECTS = Path("plots/rejects.csv")

SECTIONS = {
    "flow": "Kept and dropped",
    "poems": "Sample poems",
    "sources": "Sources",
    "languages": "Languages",
    "writers": "Authors, periods and forms",
    "lengths": "Lengths",
    "rejects": "Dropped poems",
    "duplicates": "Duplicates",
    "rules": "Changes by cleaning",
}

SHOWN = 15  # authors and forms of a language
SAMPLED = 6  # poems kept of a language
EXAMPLES = 4  # of each reason for a reject
DISAGREEING = 30
CLUSTERS = 6
MEMBERS = 9  # of a cluster
COLUMNS = 24  # of a histogram
QUANTILES = {"shortest": 0, "10th percentile": 10, "median": 50, "90th percentile": 90, "longest": 100}
DUPLICATES = ("exact duplicate", "near duplicate")

# The columns that are counted and shown; the text, which is most of a poem, is read later for the few shown.
KEPT_COLUMNS = ["poem_id", "source", "title", "author", "year", "style", "licence"]
KEPT_COLUMNS += ["declared_language", "language", "cluster", "lines", "words"]
REJECT_COLUMNS = [*KEPT_COLUMNS, "reason", "detail"]


def read_poems(path: Path, columns: list[str]) -> pd.DataFrame:
    """A table without its texts; `table` and `row` tell `add_texts` where the text of a poem is."""
    poems = read_table(path, columns)
    return poems.assign(table=str(path), row=range(len(poems)))


def broken_texts(path: Path) -> np.ndarray:
    """Which texts of a table have letters that were lost, shape (poems,)."""
    broken = (batch["text"].str.contains(BROKEN, regex=False) for batch in read_batches(path, ["text"]))
    return np.concatenate([np.array([], dtype=bool), *broken])


def add_texts(poems: Iterable[dict[str, Any]]) -> None:
    """Add the texts of some poems, read from their tables."""
    wanted: dict[str, dict[int, list[dict[str, Any]]]] = {}
    for poem in poems:
        wanted.setdefault(poem["table"], {}).setdefault(poem["row"], []).append(poem)
    for table, rows in wanted.items():
        texts = chain.from_iterable(batch["text"] for batch in read_batches(Path(table), ["text"]))
        for row, text in enumerate(texts):
            for poem in rows.get(row, ()):
                poem["text"] = text


def corpus_page(
    kept: pd.DataFrame, dropped: pd.DataFrame, tagged: pd.DataFrame, reports: dict[str, Any], languages: dict[str, str]
) -> dict[str, Any]:
    """What the page's template shows, except the texts of the poems shown.

    Args:
        kept: the poems that `tag` kept, and whether they are `broken`.
        dropped: the rejects of clean and tag.
        tagged: the declared and detected languages of all poems that `tag` read, kept or not.
        reports: what scrape, clean and tag left in `metrics`.
        languages: code and English name of the languages wanted.
    """
    reasons = dropped["reason"].value_counts()
    sources = source_rows(kept, dropped, reports["scrape"])
    return {
        "sections": SECTIONS,
        "languages": languages,
        "warnings": cautions(kept, tagged, sources, languages),
        "total": len(kept) + len(dropped),
        "kept": len(kept),
        "words": int(kept["words"].sum()),
        "authors": kept["author"].nunique(),
        "by_language": {
            name: {"poems": int((kept["language"] == code).sum()), "words": words_in(kept, code)}
            for code, name in languages.items()
        },
        "reasons": bars(reasons),
        "sample_of": {name: sample(kept[kept["language"] == code]) for code, name in languages.items()},
        "sources": sources,
        "confusion": pd.crosstab(*declared_and_detected(tagged)),
        "disagreeing": dropped[disagrees(dropped)].head(DISAGREEING).to_dict("records"),
        "disagreeing_in_all": int(disagrees(dropped).sum()),
        "authors_of": {name: top(kept, code, "author") for code, name in languages.items()},
        "forms_of": {name: top(kept, code, "style") for code, name in languages.items()},
        "periods_of": {name: periods(kept[kept["language"] == code]) for code, name in languages.items()},
        "lengths_of": {name: lengths(kept[kept["language"] == code], name) for code, name in languages.items()},
        "examples_of": {reason: examples(dropped[dropped["reason"] == reason]) for reason in reasons.index},
        "reason_counts": reasons.to_dict(),
        "twins": duplicate_clusters(kept, dropped),
        "twin_poems": int(dropped["reason"].isin(DUPLICATES).sum()),
        "related": related(kept),
        "related_poems": int(kept["cluster"].duplicated(keep=False).sum()),
        "rules": list(rule_rows(reports["clean"]["rules"])),
    }


def sample(poems: pd.DataFrame) -> list[dict[str, Any]]:
    """Some poems, in effect at random: the first by id, which is a hash of the text."""
    return poems.sort_values("poem_id").head(SAMPLED).to_dict("records")


def source_rows(kept: pd.DataFrame, dropped: pd.DataFrame, scrape: dict[str, Any]) -> list[dict[str, Any]]:
    """For each source how many poems it delivered, how many were kept, and how its crawl went."""
    rows = []
    for name in sorted({*kept["source"], *dropped["source"], *scrape}):
        own, lost, crawl = kept[kept["source"] == name], dropped[dropped["source"] == name], scrape.get(name, {})
        rows.append(
            {
                "name": name,
                "poems": len(own) + len(lost),
                "kept": len(own),
                "dropped": len(lost),
                "main_reason": lost["reason"].mode().get(0, ""),
                "licences": listed(sorted(set(own["licence"].dropna()))) or "none given",
                "pages": crawl.get("pages", 0),
                "failed": crawl.get("failed", 0),
                "without_poem": crawl.get("without_poem", 0),
                "down": crawl.get("stale", False),
            }
        )
    return rows


def bars(counts: pd.Series, most: int | None = None) -> list[dict[str, Any]]:
    """Rows of a table with bars: name, count, and the length of the bar as a share of the longest."""
    longest = counts.max() if len(counts) else 1
    return [
        {"name": name, "count": int(number), "length": number / longest} for name, number in counts.head(most).items()
    ]


def top(poems: pd.DataFrame, language: str, column: str) -> dict[str, Any]:
    """The most common values of a column in a language, how many there are, and how many poems have none."""
    values = poems.loc[poems["language"] == language, column]
    return {
        "rows": bars(values.value_counts(), SHOWN),
        "different": values.nunique(),
        "missing": int(values.isna().sum()),
    }


def periods(poems: pd.DataFrame) -> list[dict[str, Any]]:
    """Poems by century, of those that have a year."""
    dated = poems.dropna(subset="year").sort_values("year")
    return bars(dated["year"].map(century).value_counts(sort=False))


def century(year: float) -> str:
    number = (int(year) - 1) // 100 + 1
    ending = "th" if number in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending} century"


def lengths(poems: pd.DataFrame, language: str) -> list[dict[str, Any]]:
    """Histograms and quantiles of words and of lines per poem."""
    shown = []
    for unit in ("words", "lines"):
        values = poems[unit].to_numpy()
        if not len(values):
            continue
        columns, edges = length_columns(values)
        low, high = np.percentile(values, [25, 75])
        title = f"{language}: {unit} per poem. Half of the poems have between {low:.0f} and {high:.0f}."
        shown.append(
            {
                "unit": unit,
                "chart": histogram(columns, edges, title, unit),
                "quantiles": {name: int(np.percentile(values, at)) for name, at in QUANTILES.items()},
            }
        )
    return shown


def length_columns(values: np.ndarray) -> tuple[list[int], list[int]]:
    """Counts and edges of a histogram of whole numbers; its last column also holds the longest 1%."""
    width = max(1, int(np.ceil(np.percentile(values, 99) / COLUMNS)))
    edges = [width * number for number in range(COLUMNS + 1)]
    counts, _ = np.histogram(np.minimum(values, edges[-1] - 1), edges)
    return counts.tolist(), edges


def declared_and_detected(tagged: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """The language of each poem as its source declares it, and as detected in its text."""
    return (
        tagged["declared_language"].fillna("undeclared").rename("declared"),
        tagged["language"].fillna("unknown").rename("detected"),
    )


def examples(dropped: pd.DataFrame) -> list[dict[str, Any]]:
    """Some rejects of one reason, from as many sources as possible."""
    turns = dropped.groupby("source", dropna=False).cumcount()
    return dropped.loc[turns.sort_values(kind="stable").index].head(EXAMPLES).to_dict("records")


def duplicate_clusters(kept: pd.DataFrame, dropped: pd.DataFrame) -> dict[str, list[dict[str, Any]]]:
    """The largest clusters of copies, and the least similar near duplicates, where mistakes are most likely."""
    copies = dropped[dropped["reason"].isin(DUPLICATES)]
    originals = copies["detail"].str.rsplit(" ", n=1).str[-1]
    better = {copy: best for copy, best in zip(copies["poem_id"], originals, strict=True) if copy != best}

    def root(poem_id: str) -> str:
        while poem_id in better:
            poem_id = better[poem_id]
        return poem_id

    roots = originals.map(root)
    sizes = copies.groupby(roots).size().sort_values(ascending=False, kind="stable").head(CLUSTERS)
    near = copies[copies["reason"] == "near duplicate"].sort_values(["detail", "poem_id"]).head(CLUSTERS)
    shown = {*sizes.index, *originals[near.index]}
    best = {
        poem["poem_id"]: poem
        for table in (dropped, kept)
        for poem in table[table["poem_id"].isin(shown)].to_dict("records")
    }
    return {
        "largest": [
            {"best": best[name], "copies": copies[roots == name].head(MEMBERS).to_dict("records"), "size": size + 1}
            for name, size in sizes.items()
        ],
        "least_similar": [
            {"best": best[original], "copies": [copy], "size": 2}
            for original, copy in zip(originals[near.index], near.to_dict("records"), strict=True)
        ],
    }


def related(kept: pd.DataFrame) -> list[list[dict[str, Any]]]:
    """Kept poems that are similar, by cluster, the largest first; the test split divides no cluster."""
    alike = kept[kept["cluster"].duplicated(keep=False)]
    sizes = alike.groupby("cluster").size().sort_values(ascending=False, kind="stable")
    return [alike[alike["cluster"] == name].head(MEMBERS).to_dict("records") for name in sizes.index[:CLUSTERS]]


def poems_shown(page: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All poems whose text the page shows."""
    yield from page["disagreeing"]
    for poems in (*page["sample_of"].values(), *page["examples_of"].values(), *page["related"]):
        yield from poems
    for twins in page["twins"].values():
        for twin in twins:
            yield from (twin["best"], *twin["copies"])


def by_language(poems: pd.DataFrame, column: str) -> pd.DataFrame:
    """Counts of the most common values of a column in each language, with the language in brackets."""
    counts = poems.groupby([column, "language"]).size().rename("poems").sort_values(ascending=False, kind="stable")
    table = counts.groupby("language").head(SHOWN).reset_index()
    table[column] += " (" + table.pop("language") + ")"
    return table


def write_plots(kept: pd.DataFrame, dropped: pd.DataFrame, tagged: pd.DataFrame) -> None:
    """The tables behind the charts, which `dvc plots show` and `dvc plots diff` draw."""
    dated = kept.assign(period=kept["year"].map(century, na_action="ignore").fillna("undated"))
    columns, edges = length_columns(kept["words"].to_numpy()) if len(kept) else ([], [0])
    pairs = zip(edges, columns, strict=False)
    tables = {
        POEMS: by_language(kept, "source"),
        AUTHORS: by_language(kept, "author"),
        PERIODS: by_language(dated, "period"),
        LENGTHS: pd.DataFrame(pairs, columns=["words", "poems"]),
        REJECTS: dropped["reason"].value_counts().rename("poems").rename_axis("reason").reset_index(),
        LANGUAGES: pd.concat(declared_and_detected(tagged), axis=1),
    }
    for path, table in tables.items():
        with whole_file(path) as partial:
            table.to_csv(partial, index=False)


@stage
def main() -> None:
    kept = read_poems(TAGGED / "poems.parquet", KEPT_COLUMNS)
    kept["broken"] = broken_texts(TAGGED / "poems.parquet")
    unclean, foreign = (read_poems(folder / "rejects.parquet", REJECT_COLUMNS) for folder in (CLEAN, TAGGED))
    dropped = pd.concat([unclean, foreign], ignore_index=True)
    tagged = pd.concat([poems[["declared_language", "language"]] for poems in (kept, foreign)], ignore_index=True)
    reports = {name: read_report(Path(f"metrics/{name}.json")) for name in ("scrape", "clean")}
    page = corpus_page(kept, dropped, tagged, reports, load_params().languages)
    add_texts(poems_shown(page))
    write_plots(kept, dropped, tagged)
    write_page("corpus.html", PAGE, **page)
    print(f"{PAGE}: {len(kept)} poems, {count(len(page['warnings']), 'warning')}")


if __name__ == "__main__":
    main()
