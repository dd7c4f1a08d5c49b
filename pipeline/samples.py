"""Samples: what the base and the tuned model wrote for the same request and seed, as they are stored and shown."""

import html
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.prompt import Request


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


def pair(requests: list[Request], seeds: list[int], base: list[str], tuned: list[str]) -> list[Sample]:
    """Samples from what two models wrote for the same requests."""
    rows = zip(requests, seeds, base, tuned, strict=True)
    return [Sample(**asdict(request), seed=seed, base=before, tuned=after) for request, seed, before, after in rows]


def write_samples(samples: list[Sample], path: Path) -> None:
    """One JSON object a line."""
    lines = [json.dumps(asdict(sample), ensure_ascii=False) for sample in samples]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_samples(path: Path) -> list[Sample]:
    """Read what `write_samples` wrote."""
    return [Sample(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


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
