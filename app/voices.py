"""The authors and styles that the models were shown, to choose from on the page."""

from pathlib import Path

from pipeline.common.tables import read_table

POEMS = Path("data/tagged/poems.parquet")
MOST = 200  # of each in a language, the commonest


def known_voices() -> dict[str, list[str]]:
    """Authors and styles with the most poems first; none where this machine has no poems, and any may be typed."""
    if not POEMS.exists():
        return {"authors": [], "styles": []}
    poems = read_table(POEMS)
    return {f"{field}s": poems[field].value_counts().index[:MOST].tolist() for field in ("author", "style")}
