"""What the cleaning rules take away from a corpus of your own: counts by rule, and changes at random to read.

    python -m benchmarks.cleaning FOLDER_OR_GLOB [--poems 4000] [--changes 100] [--seed 1]

reads files with the columns text, title, author, language and licence through the source `files`, cleans poems drawn
at random, and prints a table in Markdown, then changes drawn at random among all that took or changed a word. Read
them, and say in docs/results/cleaning.md how many are right.
"""

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import unified_diff
from itertools import islice
from random import Random
from typing import Any

from benchmarks.page import markdown
from pipeline.cleaning.headings import natural_order
from pipeline.cleaning.paratext import is_wrapped_prose
from pipeline.cleaning.rules import clean_field, clean_text
from pipeline.cleaning.typography import plain_words
from pipeline.common.params import Columns, FilesSource
from pipeline.sources.files import read_files

COLUMNS = {"title": "title", "author": "author", "language": "language", "licence": "licence"}
WRAPPED = "wrapped prose (rejected)"  # the one verdict that is drawn with the rules
LINES = 24  # of a change that are shown


@dataclass(frozen=True)
class Change:
    """What a rule changed in a poem: the text before and after it."""

    rule: str
    title: str | None
    author: str | None
    before: str
    after: str


def changes_in(records: Iterable[dict[str, Any]]) -> Iterator[Change]:
    """Every change that the rules make in raw poems, in their order."""
    for record in records:
        title, author = clean_field(record["title"]), clean_field(record["author"])
        text, changed = clean_text(record["text"] or "", title, author)
        for rule, (before, after) in changed.items():
            yield Change(rule, title, natural_order(author), before, after)
        if text and is_wrapped_prose(text):
            yield Change(WRAPPED, title, natural_order(author), text, "")


def show(change: Change) -> str:
    """A change as a diff, with a line of context around what goes (`-`) and what comes (`+`)."""
    lines = unified_diff(change.before.split("\n"), change.after.split("\n"), n=1, lineterm="")
    shown = list(islice(lines, 2, LINES + 3))
    more = ["..."] if len(shown) > LINES else []
    return "\n".join([f"## {change.rule}: {change.title} ({change.author})", *shown[:LINES], *more])


def report(changes: Iterable[Change]) -> str:
    """How many poems each rule changed, and how many lines it took from them."""
    poems: Counter[str] = Counter()
    lines: Counter[str] = Counter()
    for change in changes:
        poems[change.rule] += 1
        before, after = (Counter(filter(str.strip, text.split("\n"))) for text in (change.before, change.after))
        lines[change.rule] += max(0, before.total() - after.total())
    return markdown(
        ("rule", "poems changed", "lines fewer"),
        [(rule, f"{count:,}", f"{lines[rule]:,}") for rule, count in poems.most_common()],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="a file, a folder or a glob")
    parser.add_argument("--poems", type=int, default=4000, help="drawn from the corpus")
    parser.add_argument("--changes", type=int, default=100, help="to read, drawn from all changes")
    parser.add_argument("--seed", type=int, default=1, help="of both draws")
    arguments = parser.parse_args()
    random = Random(arguments.seed)
    records = list(read_files(FilesSource(kind="files", path=arguments.source, columns=Columns(**COLUMNS)), "corpus"))
    records = random.sample(records, min(arguments.poems, len(records)))
    changes = list(changes_in(records))
    print(f"{len(records):,} of the corpus's poems.\n\n{report(changes)}")
    readable = [change for change in changes if plain_words(change.before) != plain_words(change.after)]
    for change in random.sample(readable, min(arguments.changes, len(readable))):
        print(f"\n{show(change)}")


if __name__ == "__main__":
    main()
