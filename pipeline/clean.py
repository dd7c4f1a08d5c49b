"""The stage *clean*: repair the text, drop what is no poem, keep the best copy of each."""

import hashlib
import json
import re
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from pipeline import cleaning_rules, drama, duplicates, margins
from pipeline.broken import BROKEN, build_lexicon, repair_broken
from pipeline.cleaning_rules import clean_field, clean_text, rules_for, words_of
from pipeline.duplicates import find_duplicates, sketch_texts
from pipeline.engine import map_batches
from pipeline.long_poems import cut_poem
from pipeline.params import Clean, load_params
from pipeline.poems import POEM_SCHEMA, RAW_FIELDS, REJECT_SCHEMA, part_id, write_report, write_table
from pipeline.reuse import STORES, code_version, map_new
from pipeline.stage import BadInput, stage, whole_folder

RAW = Path("data/raw")
CLEAN = Path("data/clean")
REPORT = Path("metrics/clean.json")
EXAMPLES = 3  # shown for each rule
_EXAMPLE_LENGTH = 80
_YEAR = re.compile(r"(?<!\d)(?:1\d|20)\d\d(?!\d)")

Poem = dict[str, Any]
Changes = dict[str, tuple[str, str]]  # by rule, the place before and after


def read_raw(folder: Path = RAW) -> list[Poem]:
    """All raw records of a folder, one JSON object a line, by file name.

    Raises:
        BadInput: there is no record, or a line is not one.
    """
    records = []
    for file in sorted(folder.glob("*.jsonl")):
        # Bytes, because a text file would also end lines at characters that stand inside poems.
        for number, line in enumerate(file.read_bytes().splitlines(), 1):
            try:
                record = json.loads(line)
                records.append({field: record.get(field) for field in RAW_FIELDS} | {"source": record["source"]})
            except (ValueError, KeyError, AttributeError) as error:
                place = f"{file}: line {number}"
                raise BadInput(place, f"not a raw poem ({error!r})", "Remove the file and run scrape again") from error
    if not records:
        raise BadInput(str(folder), "there is no poem", "Run scrape, and see its report in metrics/scrape.json")
    return records


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
        "words": len(words_of(text)),
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
    shared = next((k for k, (old, new) in enumerate(zip(before, after, strict=False)) if old != new), None)
    place = min(len(before), len(after)) if shared is None else shared
    start = max(before.rfind("\n", 0, place) + 1, place - _EXAMPLE_LENGTH // 2)
    return before[start : start + _EXAMPLE_LENGTH], after[start : start + _EXAMPLE_LENGTH]


def repair_poems(poems: Sequence[Poem], address: str | None = None, workers: int | None = None) -> int:
    """Bring back lost letters in place, by the words of the other poems in the language; how many poems changed."""
    broken = [poem for poem in poems if BROKEN in poem["text"] or BROKEN in (poem["title"] or "")]
    lexicons = {
        language: build_lexicon(poem["text"] for poem in poems if poem["declared_language"] == language)
        for language in sorted({poem["declared_language"] for poem in broken}, key=str)
    }
    restored = [
        (repair_broken(poem["text"], lexicons[poem["declared_language"]]), poem["title"], poem["author"])
        for poem in broken
    ]
    texts = map_batches(clean_texts, restored, address=address, workers=workers)
    changed = 0
    for poem, text in zip(broken, texts, strict=True):
        title = repair_broken(poem["title"], lexicons[poem["declared_language"]]) if poem["title"] else None
        changed += text != poem["text"]
        poem.update(text=text, title=None if title and BROKEN in title else title, **measures(text))
    return changed


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
    if poem["lines"] < params.min_lines:
        return "too short", f"{poem['lines']} lines"
    if poem["words"] < params.min_words:
        return "too short", f"{poem['words']} words"
    if poem["words"] > params.max_words:
        return "too long", f"{poem['words']} words"
    broken = poem["text"].count(BROKEN)
    if broken > params.max_broken_share * len(poem["text"]):
        return "broken characters", f"{broken} of {len(poem['text'])}"
    return None


def clean_corpus(
    records: Sequence[Poem],
    params: Clean,
    address: str | None = None,
    workers: int | None = None,
    stores: Path | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Clean raw records.

    Args:
        records: what `read_raw` returns.
        params: the section `clean`.
        address: a Dask scheduler; None for this machine.
        workers: processes on this machine; the result is the same for any number.
        stores: folder of what earlier runs computed, which changes the time it takes and nothing else.

    Returns:
        The poems kept in the order of their ids, the rejects, and the report. Every record, or each of its parts, is
        in one of the tables.
    """
    where = {"address": address, "workers": workers}
    code = code_version(sys.modules[__name__], cleaning_rules, drama, margins, "ftfy")
    cleaned = list(map_new(clean_poems, records, code=code, store=stores and stores / "cleaned.sqlite", **where))
    poems = [poem for poem, _ in cleaned]
    repaired = repair_poems(poems, **where)
    if params.long_poems == "cut":
        poems = [part for poem in poems for part in parts_of(poem, params.max_words)]
    sound, rejects = [], []
    for poem in tqdm(poems, desc="filter", unit=" poems", disable=len(poems) < 5000):
        found = fault(poem, params)
        if found is None:
            sound.append(poem)
        else:
            rejects.append({**poem, "reason": found[0], "detail": found[1]})
    texts = [poem["text"] for poem in sound]
    code = code_version(duplicates, "datasketch", "xxhash")
    sketches = list(map_new(sketch_texts, texts, code=code, store=stores and stores / "sketches.sqlite", **where))
    kept, twins = find_duplicates(sound, sketches, params.duplicate_similarity, params.cluster_similarity)
    rejects.extend(twins)
    kept.sort(key=lambda poem: poem["poem_id"])
    rejects.sort(key=lambda poem: (poem["reason"], poem["poem_id"], poem["url"] or ""))
    report = {
        "poems_in": len(records),
        "cut": sum(poem["part"] == 1 for poem in poems),
        "parts": sum(poem["part"] is not None for poem in poems),
        "poems_kept": len(kept),
        "kept": dict(sorted(Counter(poem["declared_language"] or "undeclared" for poem in kept).items())),
        "clusters": len({poem["cluster"] for poem in kept}),
        "rejected": dict(sorted(Counter(poem["reason"] for poem in rejects).items())),
        "rules": {**_rules_report([changes for _, changes in cleaned]), "lost letters": {"changed": repaired}},
    }
    columns = REJECT_SCHEMA.names
    return pd.DataFrame(kept, columns=POEM_SCHEMA.names), pd.DataFrame(rejects, columns=columns), report


def _rules_report(changes: Sequence[Changes]) -> dict[str, Any]:
    """For each rule how many poems it changed, and the first of them as examples."""
    report = {}
    for name, _ in rules_for(None, None):
        found = [change[name] for change in changes if name in change]
        report[name] = {
            "changed": len(found),
            "examples": [{"before": before, "after": after} for before, after in found[:EXAMPLES]],
        }
    return report


@stage
def main() -> None:
    params = load_params()
    poems, rejects, report = clean_corpus(read_raw(), params.clean, params.engine.address, stores=STORES)
    with whole_folder(CLEAN) as partial:
        write_table(poems, partial / "poems.parquet", POEM_SCHEMA)
        write_table(rejects, partial / "rejects.parquet", REJECT_SCHEMA)
    write_report(report, REPORT)
    reasons = ", ".join(f"{count} {reason}" for reason, count in report["rejected"].items())
    print(f"{report['poems_kept']} of {report['poems_in']} poems kept" + (f"; dropped: {reasons}" if reasons else ""))


if __name__ == "__main__":
    main()
