"""The stage *tag*: detect each poem's language; reject other languages and mixtures."""

from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline import language, unprofiled
from pipeline.language import Reading, divide, read_languages
from pipeline.params import Tag, load_params
from pipeline.poems import POEM_SCHEMA, REJECT_SCHEMA, read_table, write_report, write_table
from pipeline.reuse import STORES, code_version, map_new
from pipeline.stage import BadInput, stage, whole_folder

POEMS = Path("data/clean/poems.parquet")
TAGGED = Path("data/tagged")
REPORT = Path("metrics/tag.json")
LISTED = 50  # disagreeing poems named in the report; the rejects table has them all


def verdict(reading: Reading, declared: str | None, languages: set[str], params: Tag) -> tuple[str, str] | None:
    """Why a poem may not be learnt from in its language: the reason and the figure; None where it may.

    Args:
        reading: what its text says.
        declared: what its source says; None where it says nothing.
        languages: codes of the languages wanted.
        params: the section `tag`.
    """
    if reading.language is None:
        return "language unknown", "nothing to read"
    if reading.foreign_share >= params.max_foreign_share and reading.foreign_language:
        return "mixed languages", f"{reading.foreign_share:.0%} {reading.foreign_language} in {reading.language}"
    found = f"{reading.language} with probability {reading.confidence:.2f}"
    # Where source and text agree, the source's word makes up for a text too short or too old to be sure of.
    needed = params.min_confidence if declared != reading.language else min(0.5, params.min_confidence)
    if reading.confidence < needed:
        return "language unknown", found
    if reading.language not in languages:
        return f"other language: {reading.language}", found
    if declared is not None and declared != reading.language:
        return "language disagrees with source", f"{found}, declared {declared}"
    return None


def tag_poems(
    poems: pd.DataFrame,
    languages: set[str],
    params: Tag,
    address: str | None = None,
    workers: int | None = None,
    stores: Path | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Tag a table of poems.

    Args:
        poems: rows of the table, in any order.
        languages: codes of the languages wanted.
        params: the section `tag`.
        address: a Dask scheduler; None for this machine.
        workers: processes on this machine; the result is the same for any number.
        stores: folder of what earlier runs computed, which changes the time it takes and nothing else.

    Returns:
        The poems kept, the rejects, and the report. Every poem is in one of the tables.

    Raises:
        BadInput: a candidate cannot be told.
    """
    candidates = tuple(params.candidates)
    divide(candidates)  # an unknown candidate shows before any work
    readings = list(
        map_new(
            read_languages,
            poems["text"].tolist(),
            candidates,
            params.seed,
            code=code_version(language, unprofiled, "langdetect"),
            store=stores and stores / "tagged.sqlite",
            address=address,
            workers=workers,
        )
    )
    tagged = poems.assign(
        language=[reading.language for reading in readings],
        language_confidence=[reading.confidence for reading in readings],
    )
    verdicts = [
        verdict(reading, declared, languages, params)
        for reading, declared in zip(readings, tagged["declared_language"], strict=True)
    ]
    accepted = pd.Series([found is None for found in verdicts], index=tagged.index, dtype=bool)
    found = [reason_and_detail for reason_and_detail in verdicts if reason_and_detail is not None]
    rejects = tagged[~accepted].assign(reason=[reason for reason, _ in found], detail=[detail for _, detail in found])
    kept = tagged[accepted]
    return kept, rejects, tag_report(tagged, kept, rejects)


def tag_report(tagged: pd.DataFrame, kept: pd.DataFrame, rejects: pd.DataFrame) -> dict[str, Any]:
    """Counts by language and reason, the confusion matrix (declared by detected), and the poems that disagree."""
    confusion: dict[str, Counter[str]] = {}
    for declared, detected in zip(tagged["declared_language"], tagged["language"], strict=True):
        confusion.setdefault(declared or "undeclared", Counter())[detected or "unknown"] += 1
    disagreeing = rejects[rejects["language"] != rejects["declared_language"]].head(LISTED)
    columns = ["poem_id", "title", "author", "declared_language", "language", "reason", "detail"]
    return {
        "poems_in": len(tagged),
        "poems_kept": len(kept),
        "kept": dict(sorted(Counter(kept["language"]).items())),
        "rejected": dict(sorted(Counter(rejects["reason"]).items())),
        "confusion": {declared: dict(sorted(row.items())) for declared, row in sorted(confusion.items())},
        "disagreeing": disagreeing[columns].to_dict("records"),
    }


@stage
def main() -> None:
    params = load_params()
    poems = read_table(POEMS)
    if poems.empty:
        raise BadInput(str(POEMS), "clean kept no poem", "See the reasons in data/clean/rejects.parquet")
    kept, rejects, report = tag_poems(poems, set(params.languages), params.tag, params.engine.address, stores=STORES)
    with whole_folder(TAGGED) as partial:
        write_table(kept, partial / "poems.parquet", POEM_SCHEMA)
        write_table(rejects, partial / "rejects.parquet", REJECT_SCHEMA)
    write_report(report, REPORT)
    by_language = ", ".join(f"{count} {code}" for code, count in report["kept"].items())
    reasons = ", ".join(f"{count} {reason}" for reason, count in report["rejected"].items())
    print(f"{len(kept)} of {len(poems)} poems kept ({by_language})" + (f"; dropped: {reasons}" if reasons else ""))


if __name__ == "__main__":
    main()
