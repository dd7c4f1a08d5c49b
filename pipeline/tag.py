"""The stage *tag*: detect each poem's language; reject other languages and mixtures."""

from collections import Counter
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline import language
from pipeline.common.cache import STORES, Results, code_version, map_new
from pipeline.common.params import Params, Tag, load_params
from pipeline.common.stage import BadInput, stage, whole_folder
from pipeline.common.tables import POEM_SCHEMA, REJECT_SCHEMA, read_batches, table_writer, write_report
from pipeline.language.detector import Reading, divide, read_languages

POEMS = Path("data/clean/poems.parquet")
TAGGED = Path("data/tagged")
REPORT = Path("metrics/tag.json")
LISTED = 50  # disagreeing poems named in the report; the rejects table has them all
DISAGREEING_COLUMNS = ["poem_id", "title", "author", "declared_language", "language", "reason", "detail"]
Outcome = tuple[str | None, str | None, str | None]  # declared language, detected, the reason where it was rejected


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


def read_poems(
    texts: Iterable[str],
    params: Tag,
    address: str | None = None,
    workers: int | None = None,
    stores: Path | None = None,
) -> Results[Reading]:
    """What each text says of its language, in the order of the texts.

    Args:
        texts: of any number of poems; few are held at a time.
        params: the section `tag`.
        address: a Dask scheduler; None for this machine.
        workers: processes on this machine; the result is the same for any number.
        stores: folder of what earlier runs computed, which changes the time it takes and nothing else.

    Raises:
        BadInput: a candidate cannot be told.
    """
    candidates = tuple(params.candidates)
    divide(candidates)  # an unknown candidate shows before any work
    return map_new(
        read_languages,
        texts,
        candidates,
        params.seed,
        code=code_version(language, "langdetect"),
        store=stores and stores / "tagged.sqlite",
        address=address,
        workers=workers,
    )


def tag_poems(
    poems: pd.DataFrame, readings: Iterable[Reading], languages: set[str], params: Tag
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tag poems with what their texts say; those kept, and the rejects. Every poem is in one of the two."""
    readings = list(readings)
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
    return tagged[accepted], rejects


def tag_table(poems: Path, folder: Path, params: Params, **engine: Any) -> dict[str, Any]:
    """Tag a table of poems, a batch at a time, and write those kept and the rejects as tables into a folder.

    Args:
        poems: the table.
        folder: where `poems.parquet` and `rejects.parquet` go; the poems keep their order.
        params: all of them.
        engine: as `read_poems` takes it.

    Returns:
        Counts by language and reason, the confusion matrix (declared by detected), and the first poems that disagree.

    Raises:
        BadInput: the table is absent or has no poem; a candidate cannot be told.
    """
    texts = (text for batch in read_batches(poems, ["text"]) for text in batch["text"])
    readings = read_poems(texts, params.tag, **engine)
    if not len(readings):
        raise BadInput(str(poems), "clean kept no poem", "See the reasons in data/clean/rejects.parquet")
    languages, in_turn = set(params.languages), iter(readings)
    outcomes: Counter[Outcome] = Counter()
    disagreeing: list[dict[str, Any]] = []
    with (
        table_writer(folder / "poems.parquet", POEM_SCHEMA) as keep,
        table_writer(folder / "rejects.parquet", REJECT_SCHEMA) as reject,
    ):
        for batch in read_batches(poems):
            kept, rejects = tag_poems(batch, islice(in_turn, len(batch)), languages, params.tag)
            keep(kept)
            reject(rejects)
            for rows in (kept.assign(reason=None), rejects):
                outcomes.update(zip(rows["declared_language"], rows["language"], rows["reason"], strict=True))
            disagree = rejects[rejects["language"] != rejects["declared_language"]].head(LISTED - len(disagreeing))
            disagreeing += disagree[DISAGREEING_COLUMNS].to_dict("records")
    return tag_report(outcomes) | {"disagreeing": disagreeing}


def tag_report(outcomes: Counter[Outcome]) -> dict[str, Any]:
    """The report's counts, from how many poems were declared, detected and decided alike."""
    kept: Counter[str] = Counter()
    rejected: Counter[str] = Counter()
    confusion: dict[str, Counter[str]] = {}
    for (declared, detected, reason), count in outcomes.items():
        confusion.setdefault(declared or "undeclared", Counter())[detected or "unknown"] += count
        if reason is None:
            kept[str(detected)] += count
        else:
            rejected[reason] += count
    return {
        "poems_in": outcomes.total(),
        "poems_kept": kept.total(),
        "kept": dict(sorted(kept.items())),
        "rejected": dict(sorted(rejected.items())),
        "confusion": {declared: dict(sorted(row.items())) for declared, row in sorted(confusion.items())},
    }


@stage
def main() -> None:
    params = load_params()
    with whole_folder(TAGGED) as partial:
        report = tag_table(POEMS, partial, params, address=params.engine.address, stores=STORES)
    write_report(report, REPORT)
    by_language = ", ".join(f"{count} {code}" for code, count in report["kept"].items())
    dropped = ", ".join(f"{count} {reason}" for reason, count in report["rejected"].items())
    kept = f"{report['poems_kept']} of {report['poems_in']} poems kept ({by_language})"
    print(kept + (f"; dropped: {dropped}" if dropped else ""))


if __name__ == "__main__":
    main()
