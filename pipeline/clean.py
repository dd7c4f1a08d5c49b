"""The stage *clean*: repair the text, drop what is no poem, keep the best copy of each."""

import hashlib
import json
import re
import sys
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.cleaning import (
    characters,
    drama,
    duplicates,
    furniture,
    headings,
    markup,
    notes,
    numbering,
    paratext,
    rules,
    typography,
)
from pipeline.cleaning.duplicates import Twins, find_duplicates, sketch_texts
from pipeline.cleaning.headings import natural_order
from pipeline.cleaning.lost_letters import LOST, build_lexicon, restore_letters
from pipeline.cleaning.paratext import is_wrapped_prose
from pipeline.cleaning.rules import clean_field, clean_text, rules_for
from pipeline.cleaning.splitting import cut_poem
from pipeline.cleaning.typography import plain_words
from pipeline.cleaning.workspace import Poem, Verdict, open_scratch
from pipeline.common.cache import STORES, code_version, map_new
from pipeline.common.parallel import in_batches, map_batches
from pipeline.common.params import Clean, load_params
from pipeline.common.stage import BadInput, stage, whole_folder
from pipeline.common.tables import POEM_SCHEMA, RAW_FIELDS, REJECT_SCHEMA, part_id, table_writer, write_report

RAW = Path("data/raw")
CLEAN = Path("data/clean")
REPORT = Path("metrics/clean.json")
EXAMPLES = 3  # shown for each rule
_EXAMPLE_LENGTH = 80
_BATCH = 500
_RULES = (
    rules,
    characters,
    markup,
    typography,
    notes,
    furniture,
    numbering,
    headings,
    paratext,
    drama,
)  # they are code
_YEAR = re.compile(r"(?<!\d)(?:1\d|20)\d\d(?!\d)")

Changes = dict[str, tuple[str, str]]  # by rule, the place before and after


def read_raw(folder: Path = RAW) -> Iterator[Poem]:
    """The raw records of a folder, one JSON object a line, by file name.

    Raises:
        BadInput: there is no record, or a line is not one.
    """
    found = False
    for file in sorted(folder.glob("*.jsonl")):
        # Bytes, because a text file would also end lines at characters that stand inside poems.
        with file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    record = json.loads(line)
                    yield {field: record.get(field) for field in RAW_FIELDS} | {"source": record["source"]}
                except (ValueError, KeyError, AttributeError) as error:
                    place = f"{file}: line {number}"
                    problem = f"not a raw poem ({error!r})"
                    raise BadInput(place, problem, "Remove the file and run scrape again") from error
                found = True
    if not found:
        raise BadInput(str(folder), "there is no poem", "Run scrape, and see its report in metrics/scrape.json")


def poem_id(source: str, text: str) -> str:
    """What a poem is called from here on: it depends on the source's name and the raw text alone."""
    return hashlib.blake2b(f"{source}\n{text}".encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def year_in(value: str | None) -> int | None:
    """The first year that a source's words name: 1612 in `c. 1612–13`."""
    found = _YEAR.search(value or "")
    return int(found[0]) if found else None


def measures(text: str) -> dict[str, int]:
    """Lines with text, stanzas and words of a clean text."""
    return {
        "lines": sum(map(bool, text.split("\n"))),
        "stanzas": text.count("\n\n") + 1 if text else 0,
        "words": len(plain_words(text)),
    }


def clean_poems(records: Sequence[Poem]) -> list[tuple[Poem, Changes]]:
    """Raw records as rows of the table, each with what the rules changed."""
    cleaned = []
    for record in records:
        fields = {name: clean_field(record[name]) for name in ("title", "author", "collection", "style")}
        text, changes = clean_text(record["text"] or "", fields["title"], fields["author"])
        poem = {
            **record,
            **fields,
            "author": natural_order(fields["author"]),
            "poem_id": poem_id(record["source"], record["text"] or ""),
            "year": year_in(record["year"]),
            "part": None,
            "text": text,
            **measures(text),
        }
        cleaned.append((poem, {rule: _first_difference(*change) for rule, change in changes.items()}))
    return cleaned


def clean_texts(poems: Sequence[tuple[str, str | None, str | None]]) -> list[str]:
    """Texts with their titles and authors, cleaned again after letters came back."""
    return [clean_text(*poem)[0] for poem in poems]


def _first_difference(before: str, after: str) -> tuple[str, str]:
    """Where two texts part: the rest of the line there, in both, cut to a readable length."""
    shorter = min(len(before), len(after))
    place = bisect_left(range(1, shorter + 1), True, key=lambda length: before[:length] != after[:length])
    start = max(before.rfind("\n", 0, place) + 1, place - _EXAMPLE_LENGTH // 2)
    return before[start : start + _EXAMPLE_LENGTH], after[start : start + _EXAMPLE_LENGTH]


def count_words(poems: Iterable[Poem]) -> dict[str | None, Counter[str]]:
    """What `build_lexicon` counts in the poems of each declared language."""
    lexicons: dict[str | None, Counter[str]] = defaultdict(Counter)
    for batch in in_batches(poems, _BATCH):
        for language in {poem["declared_language"] for poem in batch}:
            texts = (poem["text"] for poem in batch if poem["declared_language"] == language)
            lexicons[language].update(build_lexicon(texts))
    return lexicons


def repair_poems(
    poems: Callable[[], Iterator[Poem]], address: str | None = None, workers: int | None = None
) -> Iterator[tuple[Poem, Changes]]:
    """Bring back lost letters by the words of the other poems in the language.

    Args:
        poems: gives all poems anew at each call, so that none need be held.
        address: a Dask scheduler; None for this machine.
        workers: processes on this machine.

    Yields:
        Each poem, and how its text changed, if it did.
    """
    lexicons = count_words(poems())

    def restored() -> Iterator[tuple[str, str | None, str | None]]:
        for poem in filter(is_broken, poems()):
            yield restore_letters(poem["text"], lexicons[poem["declared_language"]]), poem["title"], poem["author"]

    texts = map_batches(clean_texts, restored(), address=address, workers=workers)
    for poem in poems():
        changes = {}
        if is_broken(poem):
            text = next(texts)
            if text != poem["text"]:
                changes["lost letters"] = _first_difference(poem["text"], text)
            title = restore_letters(poem["title"], lexicons[poem["declared_language"]]) if poem["title"] else None
            poem.update(text=text, title=None if title and LOST in title else title, **measures(text))
        yield poem, changes


def is_broken(poem: Poem) -> bool:
    """Whether a letter of its text or title is lost."""
    return LOST in poem["text"] or LOST in (poem["title"] or "")


def parts_of(poem: Poem, max_words: int) -> list[Poem]:
    """A long poem's parts, numbered from 1, each with an id that begins with the poem's; else the poem alone."""
    texts = cut_poem(poem["text"], max_words) if poem["words"] > max_words else []
    if len(texts) < 2:
        return [poem]
    return [
        {**poem, "poem_id": part_id(poem["poem_id"], number), "part": number, "text": text, **measures(text)}
        for number, text in enumerate(texts, 1)
    ]


def fault(poem: Poem, params: Clean) -> tuple[str, str] | None:
    """Why a text is no poem to learn from: the reason and the figure; None where it is one."""
    if not poem["words"]:
        return "empty", "no words"
    prose = sum(len(line) for line in poem["text"].split("\n") if len(line) > params.prose_line) / len(poem["text"])
    if prose > params.max_prose_share:
        return "prose", f"{prose:.0%} in lines of more than {params.prose_line} characters"
    if is_wrapped_prose(poem["text"]):
        return "prose", f"wrapped at {max(map(len, poem['text'].splitlines()))} characters"
    if poem["lines"] < params.min_lines:
        return "too short", f"{poem['lines']} lines"
    if poem["words"] < params.min_words:
        return "too short", f"{poem['words']} words"
    if poem["words"] > params.max_words:
        return "too long", f"{poem['words']} words"
    broken = poem["text"].count(LOST)
    if broken > params.max_broken_share * len(poem["text"]):
        return "broken characters", f"{broken} of {len(poem['text'])}"
    return None


def clean_corpus(
    records: Iterable[Poem],
    params: Clean,
    folder: Path,
    address: str | None = None,
    workers: int | None = None,
    stores: Path | None = None,
) -> dict[str, Any]:
    """Clean raw records, and write `poems.parquet` in the order of their ids, and `rejects.parquet`.

    Every record, or each of its parts, is in one of the tables. Some thousand poems are held in memory at a time.

    Args:
        records: what `read_raw` yields.
        params: the section `clean`.
        folder: where the tables go.
        address: a Dask scheduler; None for this machine.
        workers: processes on this machine; the result is the same for any number.
        stores: folder of what earlier runs computed, which changes the time it takes and nothing else.

    Returns:
        The report.
    """
    where = {"address": address, "workers": workers}
    code = code_version(sys.modules[__name__], *_RULES, "ftfy")
    cleaned = map_new(clean_poems, records, code=code, store=stores and stores / "cleaned.sqlite", **where)
    counts: Counter[str] = Counter()
    changed: dict[str, Any] = {name: {"changed": 0, "examples": []} for name, _ in rules_for(None, None)}
    changed["lost letters"] = {"changed": 0, "examples": []}
    for _, changes in cleaned:
        _note_changes(changes, changed)
    with open_scratch(folder) as scratch:
        for poem, changes in repair_poems(lambda: (each for each, _ in cleaned), **where):
            parts = parts_of(poem, params.max_words) if params.long_poems == "cut" else [poem]
            for part in parts:
                scratch.add(part, fault(part, params))
            counts.update(cut=len(parts) > 1, parts=len(parts) if len(parts) > 1 else 0)
            _note_changes(changes, changed)
        best_first = scratch.best_first()
        code = code_version(duplicates, "datasketch", "xxhash")
        store = stores and stores / "sketches.sqlite"
        sketches = map_new(sketch_texts, scratch.texts(best_first["row"]), code=code, store=store, **where)
        similarities = params.duplicate_similarity, params.cluster_similarity
        scratch.judge(verdicts(best_first, find_duplicates(best_first["id"], sketches, *similarities, folder)))
        with table_writer(folder / "poems.parquet", POEM_SCHEMA) as add:
            for batch in in_batches(scratch.kept(), _BATCH):
                add(pd.DataFrame(batch))
        with table_writer(folder / "rejects.parquet", REJECT_SCHEMA) as add:
            for batch in in_batches(scratch.rejected(), _BATCH):
                add(pd.DataFrame(batch))
        return {
            "poems_in": len(cleaned),
            "cut": counts["cut"],
            "parts": counts["parts"],
            **scratch.report(),
            "rules": changed,
        }


def verdicts(poems: np.ndarray, twins: Twins) -> Iterator[Verdict]:
    """What `Scratch.judge` wants to know of each of the poems, the best copies first, once their twins are found."""
    for place, row in enumerate(poems["row"].tolist()):
        best, alike = twins.exact[place], twins.near[place]
        if best != place:
            yield "exact duplicate", f"of {poems['id'][best].decode()}", None, row
        elif alike >= 0:
            detail = f"{twins.similarity[place]:.2f} like {poems['id'][alike].decode()}"
            yield "near duplicate", detail, None, row
        else:
            yield None, None, poems["id"][twins.cluster[place]].decode(), row


def _note_changes(changes: Changes, rules: dict[str, Any]) -> None:
    """Count in the report of the rules what they changed in a poem, the first few as examples."""
    for name, (before, after) in changes.items():
        rules[name]["changed"] += 1
        if len(rules[name]["examples"]) < EXAMPLES:
            rules[name]["examples"].append({"before": before, "after": after})


@stage
def main() -> None:
    params = load_params()
    with whole_folder(CLEAN) as partial:
        report = clean_corpus(read_raw(), params.clean, partial, params.engine.address, stores=STORES)
    write_report(report, REPORT)
    reasons = ", ".join(f"{count} {reason}" for reason, count in report["rejected"].items())
    print(f"{report['poems_kept']} of {report['poems_in']} poems kept" + (f"; dropped: {reasons}" if reasons else ""))


if __name__ == "__main__":
    main()
