"""The stage *clean*: repair texts, drop what is not a poem, keep the best copy of each poem."""

import hashlib
import json
import re
import sys
from array import array
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline import cleaning
from pipeline.cleaning import duplicates
from pipeline.cleaning.duplicates import Duplicates, find_duplicates, sketch_texts
from pipeline.cleaning.headings import natural_order
from pipeline.cleaning.lost_letters import LOST, build_lexicon, restore_letters
from pipeline.cleaning.paratext import is_wrapped_prose
from pipeline.cleaning.rules import clean_field, clean_text, rules_for
from pipeline.cleaning.splitting import cut_poem
from pipeline.cleaning.typography import plain_words
from pipeline.cleaning.workspace import Poem, Verdict, open_workspace
from pipeline.common.cache import STORES, Results, code_version, map_new
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
_YEAR = re.compile(r"(?<!\d)(?:1\d|20)\d\d(?!\d)")

Changes = dict[str, tuple[str, str]]  # by rule, the place before and after
Rules = dict[str, dict[str, Any]]  # by rule, how many poems it changed, and examples
Lexicons = dict[str | None, Counter[str]]  # by declared language, how often each word stands in its poems


def read_raw(folder: Path = RAW) -> Iterator[Poem]:
    """The raw records of a folder, one JSON object a line, by file name.

    Raises:
        BadInput: there is no record, or a line is not a record.
    """
    found = False
    for file in sorted(folder.glob("*.jsonl")):
        # Bytes, because text mode would also end lines at characters that occur inside poems.
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
        raise BadInput(str(folder), "there is no poem", "Run scrape and read its report, metrics/scrape.json")


def poem_id(source: str, text: str) -> str:
    """The id of a poem, a hash of its source's name and its raw text, 24 hex digits."""
    return hashlib.blake2b(f"{source}\n{text}".encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def year_in(value: str | None) -> int | None:
    """The first year in what a source says of the date: 1612 in `c. 1612–13`."""
    found = _YEAR.search(value or "")
    return int(found[0]) if found else None


def measures(text: str) -> dict[str, int]:
    """How many lines with text, stanzas and words a clean text has."""
    return {
        "lines": sum(map(bool, text.split("\n"))),
        "stanzas": text.count("\n\n") + 1 if text else 0,
        "words": len(plain_words(text)),
    }


def clean_poems(records: Sequence[Poem]) -> list[tuple[Poem, Changes]]:
    """Raw records as rows of the table of poems, each with what the rules changed."""
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


def _first_difference(before: str, after: str) -> tuple[str, str]:
    """The line in which two texts first differ, from each of them, cut to a readable length."""
    shorter = min(len(before), len(after))
    place = bisect_left(range(1, shorter + 1), True, key=lambda length: before[:length] != after[:length])
    start = max(before.rfind("\n", 0, place) + 1, place - _EXAMPLE_LENGTH // 2)
    return before[start : start + _EXAMPLE_LENGTH], after[start : start + _EXAMPLE_LENGTH]


def count_words(poems: Sequence[tuple[str | None, str]]) -> list[Lexicons]:
    """What `build_lexicon` counts in poems, given as declared language and text; one item for the whole batch."""
    texts: dict[str | None, list[str]] = defaultdict(list)
    for language, text in poems:
        texts[language].append(text)
    return [{language: build_lexicon(texts[language]) for language in texts}]


def repair_poems(poems: Sequence[Poem], lexicons: Lexicons) -> list[tuple[str, str | None]]:
    """Text and title of poems with lost letters, after those that have one answer came back.

    The text is cleaned again, since rules see more in whole words. A title that stays broken is no title.
    """
    repaired = []
    for poem in poems:
        lexicon = lexicons[poem["declared_language"]]
        text, _ = clean_text(restore_letters(poem["text"], lexicon), poem["title"], poem["author"])
        title = restore_letters(poem["title"], lexicon) if poem["title"] else None
        repaired.append((text, None if title and LOST in title else title))
    return repaired


def repair_corpus(cleaned: Results[tuple[Poem, Changes]], rules: Rules, **where: Any) -> Iterator[Poem]:
    """Bring back lost letters by the words of all other poems in the language, and note what the rules changed.

    Args:
        cleaned: what `clean_poems` made of the corpus; it is read twice, and its poems with lost letters once more.
        rules: the report of the rules, which takes the changes.
        where: the workers, as in `map_batches`.

    Yields:
        Each poem.
    """
    broken = array("q")

    def languages_and_texts() -> Iterator[tuple[str | None, str]]:
        for place, (poem, changes) in enumerate(cleaned):
            note_changes(changes, rules)
            if is_broken(poem):
                broken.append(place)
            yield poem["declared_language"], poem["text"]

    lexicons: Lexicons = defaultdict(Counter)
    for counted in map_batches(count_words, languages_and_texts(), **where):
        for language, words in counted.items():
            lexicons[language].update(words)
    repaired = map_batches(repair_poems, (poem for poem, _ in cleaned.at(broken)), dict(lexicons), **where)
    for poem, _ in cleaned:
        changes = {}
        if is_broken(poem):
            text, title = next(repaired)
            if text != poem["text"]:
                changes["lost letters"] = _first_difference(poem["text"], text)
            poem.update(text=text, title=title, **measures(text))
        note_changes(changes, rules)
        yield poem


def is_broken(poem: Poem) -> bool:
    """Whether a letter of the text or the title is lost."""
    return LOST in poem["text"] or LOST in (poem["title"] or "")


def parts_of(poem: Poem, max_words: int) -> list[Poem]:
    """The parts of a long poem, numbered from 1, with ids that begin with the poem's; a shorter poem alone."""
    texts = cut_poem(poem["text"], max_words) if poem["words"] > max_words else []
    if len(texts) < 2:
        return [poem]
    return [
        {**poem, "poem_id": part_id(poem["poem_id"], number), "part": number, "text": text, **measures(text)}
        for number, text in enumerate(texts, 1)
    ]


def fault(poem: Poem, params: Clean) -> tuple[str, str] | None:
    """Why a poem is rejected: the reason and the value that decided it. None if it is kept."""
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
    """Clean raw records, and write `poems.parquet`, ordered by id, and `rejects.parquet`.

    Every record, or each of its parts, is in one of the tables. Memory holds some thousand poems at a time.

    Args:
        records: what `read_raw` yields.
        params: the section `clean`.
        folder: of the tables.
        address: a Dask scheduler; None for this machine.
        workers: processes on this machine; the result is the same for any number.
        stores: folder of earlier runs' results, which saves time and changes nothing else.

    Returns:
        The report.
    """
    where = {"address": address, "workers": workers}
    code = code_version(sys.modules[__name__], cleaning, "ftfy")
    cleaned = map_new(clean_poems, records, code=code, store=stores and stores / "cleaned.sqlite", **where)
    counts: Counter[str] = Counter()
    names = [*(name for name, _ in rules_for(None, None)), "lost letters"]
    rules: Rules = {name: {"changed": 0, "examples": []} for name in names}
    with open_workspace(folder) as workspace:
        for poem in repair_corpus(cleaned, rules, **where):
            parts = parts_of(poem, params.max_words) if params.long_poems == "cut" else [poem]
            for part in parts:
                workspace.add(part, fault(part, params))
            counts.update(cut=len(parts) > 1, parts=len(parts) if len(parts) > 1 else 0)
        best_first = workspace.best_first()
        code = code_version(duplicates, "datasketch", "xxhash")
        store = stores and stores / "sketches.sqlite"
        sketches = map_new(sketch_texts, workspace.texts(best_first["row"]), code=code, store=store, **where)
        similarities = params.duplicate_similarity, params.cluster_similarity
        workspace.judge(verdicts(best_first, find_duplicates(best_first["id"], sketches, *similarities, folder)))
        with table_writer(folder / "poems.parquet", POEM_SCHEMA) as add:
            for batch in in_batches(workspace.kept(), _BATCH):
                add(pd.DataFrame(batch))
        with table_writer(folder / "rejects.parquet", REJECT_SCHEMA) as add:
            for batch in in_batches(workspace.rejected(), _BATCH):
                add(pd.DataFrame(batch))
        return {
            "poems_in": len(cleaned),
            "cut": counts["cut"],
            "parts": counts["parts"],
            **workspace.report(),
            "rules": rules,
        }


def verdicts(poems: np.ndarray, found: Duplicates) -> Iterator[Verdict]:
    """What `Workspace.judge` takes for each of the poems, best copies first, once their duplicates are found."""
    for place, row in enumerate(poems["row"].tolist()):
        best, alike = found.exact[place], found.near[place]
        if best != place:
            yield "exact duplicate", f"of {poems['id'][best].decode()}", None, row
        elif alike >= 0:
            detail = f"{found.similarity[place]:.2f} like {poems['id'][alike].decode()}"
            yield "near duplicate", detail, None, row
        else:
            yield None, None, poems["id"][found.cluster[place]].decode(), row


def note_changes(changes: Changes, rules: Rules) -> None:
    """Add what the rules changed in a poem to their report, the first few changes as examples."""
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
