"""What a spider yields for each poem; the pipeline stores it as one JSON object a line."""

from typing import TypedDict


class RawPoem(TypedDict):
    """A poem as its page has it, before any cleaning; a field the page does not give is None."""

    source: str  # the source's name in params.yaml
    url: str
    title: str | None
    author: str | None
    collection: str | None
    year: str | None
    style: str | None
    licence: str | None
    declared_language: str | None  # ISO 639-1
    text: str  # lines end in \n, stanzas in a blank line
