"""Authors and styles that the models were trained on, which the page suggests as you type."""

from pathlib import Path

from pipeline.common.tables import read_table

POEMS = Path("data/tagged/poems.parquet")
MAX_SUGGESTIONS = 200  # of authors, and of styles


def known_authors_and_styles() -> dict[str, list[str]]:
    """The `authors` and `styles` with the most poems, most frequent first; empty where there is no table of poems."""
    if not POEMS.exists():
        return {"authors": [], "styles": []}
    poems = read_table(POEMS)
    return {f"{field}s": poems[field].value_counts().index[:MAX_SUGGESTIONS].tolist() for field in ("author", "style")}
