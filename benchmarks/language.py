"""How well `tag` keeps and rejects, on poems whose language is known and on mixtures made of them.

    python -m benchmarks.language TABLE [--poems 1000] [--write PAGE]

takes a table of clean poems (data/clean/poems.parquet) with declared languages. A mixture is a poem of one language in
which stretches of whole lines come from a poem of another, at a place drawn at random.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pandas as pd

from benchmarks.page import markdown, write_page
from pipeline.params import load_params
from pipeline.poems import read_table
from pipeline.tag import tag_poems

SHARES = (0.0, 0.1, 0.2, 0.25, 0.33, 0.5)


def mixture(own: str, other: str, share: float, random: Random) -> str | None:
    """Replace a stretch of `own` by lines of `other` that make up `share` of all lines; None where lines lack."""
    lines, foreign = own.split("\n"), [line for line in other.split("\n") if line]
    verses = [place for place, line in enumerate(lines) if line]
    count = -int(-share * len(verses) // 1)  # rounded up, so that the share is reached
    if count > len(foreign) or len(verses) < 4:
        return None
    start = random.randrange(len(verses) - count + 1)
    for place, line in zip(verses[start : start + count], foreign, strict=False):
        lines[place] = line
    return "\n".join(lines)


def mixtures(poems: pd.DataFrame, count: int, seed: int = 0) -> Iterator[dict[str, object]]:
    """`count` poems of each language for each share of foreign lines, drawn with a seed."""
    random = Random(seed)
    texts = {code: group["text"].tolist() for code, group in poems.groupby("declared_language")}
    for own in sorted(texts):
        for share in SHARES:
            made = 0
            while made < count:
                other = random.choice([code for code in sorted(texts) if code != own])
                text = mixture(random.choice(texts[own]), random.choice(texts[other]), share, random)
                if text is not None:
                    made += 1
                    yield {"declared_language": own, "share": share, "text": text}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path, nargs="?", default=Path("data/clean/poems.parquet"))
    parser.add_argument("--poems", type=int, default=1000, help="for each language and share")
    parser.add_argument("--write", type=Path, metavar="PAGE")
    arguments = parser.parse_args()
    params = load_params()
    made = pd.DataFrame(mixtures(read_table(arguments.table), arguments.poems))
    made = made.assign(title=None, author=None, poem_id=made.index.astype(str))
    kept, rejects, _ = tag_poems(made, set(params.languages), params.tag)
    rows = []
    for (declared, share), group in made.groupby(["declared_language", "share"]):
        passed = kept.index.isin(group.index).sum()
        reasons = rejects[rejects.index.isin(group.index)]["reason"].value_counts()
        listed = ", ".join(f"{count} {reason}" for reason, count in reasons.items())
        rows.append((declared, f"{share:.0%}", len(group), passed, f"{1 - passed / len(group):.1%}", listed))
    header = ("declared", "foreign lines", "poems", "kept", "rejected", "reasons")
    table = markdown(header, rows)
    print(table)
    if arguments.write:
        write_page(arguments.write, "Mixed languages", "benchmarks.language", table)


if __name__ == "__main__":
    main()
