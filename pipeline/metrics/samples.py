"""Samples: what the base and the tuned model wrote for the same request and seed, side by side."""

import html
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pipeline.common.tables import read_table
from pipeline.metrics.registry import BASE, TUNED


@dataclass(frozen=True)
class Sample:
    """The poems of both models for one request and seed."""

    language: str
    style: str | None
    author: str | None
    title: str | None
    first_line: str
    seed: int
    base: str
    tuned: str

    def asked_for(self) -> str:
        """The request in a few words: the first line, or the title, style and author."""
        if self.first_line:
            return f"“{self.first_line}”"
        fields = [self.title and f"“{self.title}”", self.style, self.author and f"after {self.author}"]
        return ", ".join(field for field in fields if field) or "anything"


def read_samples(path: Path) -> list[Sample]:
    """Samples from the table of evaluated poems, in its order."""
    return samples_of(read_table(path))


def samples_of(poems: pd.DataFrame) -> list[Sample]:
    """Samples from a table of `EVALUATED_SCHEMA`."""
    written = {writer: rows.set_index("seed")["text"] for writer, rows in poems.groupby("writer")}
    tuned = poems[poems["writer"] == TUNED].to_dict("records")
    return [
        Sample(
            **{name: row[name] for name in ("language", "style", "author", "title")},
            first_line=row["first_line"] or "",
            seed=int(row["seed"]),
            base=written[BASE][row["seed"]],
            tuned=row["text"],
        )
        for row in tuned
    ]


def shown(samples: list[Sample], language: str, count: int) -> list[Sample]:
    """The first samples of a language, not the best: prompts of params.yaml come before headers of test poems."""
    return [sample for sample in samples if sample.language == language][:count]


def samples_markdown(samples: list[Sample], languages: dict[str, str], count: int = 4) -> str:
    """Markdown with `count` samples of each language, the base model's poem beside the tuned model's.

    The poems are HTML inside Markdown tables, since Markdown alone cannot break lines in a cell and would read an
    asterisk or an underscore in a poem as markup.
    """
    parts = ["# Samples\n\nBoth models, for the same requests and seeds. The first samples, not the best.\n"]
    for language, name in languages.items():
        parts.append(f"## {name}\n")
        for sample in shown(samples, language, count):
            parts.append(f"### {sample.asked_for()}\n\n| base | tuned |\n| :--- | :--- |")
            parts.append(f"| {_cell(sample.base)} | {_cell(sample.tuned)} |\n")
    return "\n".join(parts)


def _cell(poem: str) -> str:
    text = html.escape(poem, quote=False)
    for character in r"\|*_`[]~$":
        text = text.replace(character, f"&#{ord(character)};")
    return text.replace("\n", "<br>")
