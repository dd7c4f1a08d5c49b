"""Enlarge a corpus with copies of its poems that are not duplicates of each other."""

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from random import Random


def shuffled(text: str, copy: int) -> str:
    """A poem with its words in another order; lines keep their numbers of words, stanzas their numbers of lines."""
    lines = [line.split() for line in text.split("\n")]
    words = [word for line in lines for word in line]
    Random(f"{copy}:{text}").shuffle(words)
    rest = iter(words)
    return "\n".join(" ".join(next(rest) for _ in line) for line in lines)


def write_copies(records: Callable[[], Iterable[dict]], size: int, folder: Path) -> None:
    """Write a corpus `size` times as large, one JSON Lines file per copy; the first is the corpus itself.

    Args:
        records: iterates over the raw records anew at each call, so that they need not fit in memory.
        size: number of copies, counting the first.
        folder: where to write; it must be empty.
    """

    def lines(copy: int) -> Iterator[str]:
        for record in records():
            text = shuffled(record["text"], copy) if copy else record["text"]
            yield json.dumps({**record, "text": text}, ensure_ascii=False) + "\n"

    for copy in range(size):
        with (folder / f"copy-{copy:03}.jsonl").open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(lines(copy))
