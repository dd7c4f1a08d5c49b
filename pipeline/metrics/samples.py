"""Samples: what the base and the tuned model wrote for the same request and seed, as they are shown."""

import html
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pipeline.common.tables import read_table


@dataclass(frozen=True)
class Sample:
    """Two poems for one request and one seed."""

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
    """What the base and the tuned model wrote, of a table of `EVALUATED_SCHEMA`, side by side."""
    written = {writer: rows.set_index("seed")["text"] for writer, rows in poems.groupby("writer")}
    asked = poems[poems["writer"] == "tuned"].to_dict("records")
    return [
        Sample(
            **{name: row[name] for name in ("language", "style", "author", "title")},
            first_line=row["first_line"] or "",
            seed=int(row["seed"]),
            base=written["base"][row["seed"]],
            tuned=row["text"],
        )
        for row in asked
    ]


def shown(samples: list[Sample], language: str, count: int) -> list[Sample]:
    """The first samples of a language: those of the prompts in params.yaml come first, not those that came out best."""
    return [sample for sample in samples if sample.language == language][:count]


def samples_markdown(samples: list[Sample], languages: dict[str, str], count: int = 4) -> str:
    """Markdown with `count` samples of each language, the base model's poem beside the tuned model's.

    The poems stand in HTML inside Markdown tables, since Markdown alone neither breaks lines in a cell nor leaves an
    asterisk or an underscore in a poem alone.
    """
    parts = ["# Samples\n\nThe same request and the same seed for both models; the first ones, not the best ones.\n"]
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
