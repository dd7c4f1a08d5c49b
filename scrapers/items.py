"""What a spider yields for each poem; the pipeline stores it as one JSON object a line."""

from typing import TypedDict


class RawPoem(TypedDict):
    """A poem as on its page, before any cleaning; a field that the page lacks is None."""

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
