"""Rows of JSON: a line each, the items of an array, or the objects of an object, with keys that may be nested."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain
from typing import Any, TextIO

from pipeline.common.stage import BadInput
from pipeline.sources.records import Row, listed

_CHUNK = 1 << 16  # characters read at once of an array
_SPACE = re.compile(r"\s*")
_REMEDY = "Each poem must be a JSON object: one a line, or in an array"


def _object(pairs: list[tuple[str, Any]]) -> Row:
    """An object of JSON, of whose keys none stands twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        [(twice, _)] = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"the key {twice!r} stands twice in an object")
    return found


_decoder = json.JSONDecoder(object_pairs_hook=_object)


def json_rows(file: TextIO, text_key: str, place: str, key: str) -> Iterator[Row]:
    """The rows of a JSON file: its lines, the items of its array, or what its single object holds.

    Args:
        file: opened as text; lines and items are read one at a time, a single object at once.
        text_key: the key of the text, which each row must have.
        place: the file.
        key: where params.yaml names the source.

    Raises:
        BadInput: the file is no JSON, or an item is no object or has no text; the place names the line.
    """
    for line, row in json_objects(file, text_key, place):
        if text_key not in row and not _leads_to(row, text_key):
            problem = f"no column {text_key!r}; {listed(column_names([row]))}"
            raise BadInput(f"{place}: line {line}", problem, f"Name the right one in {key}.columns")
        yield row


def column_names(rows: Iterable[Row]) -> list[str]:
    """The keys of some rows in the order in which they come, nested ones as dotted paths."""
    names: dict[str, None] = {}

    def add(row: Row, above: str) -> None:
        for key, value in row.items():
            if isinstance(value, dict) and value and above.count(".") < 5:
                add(value, f"{above}{key}.")
            else:
                names[f"{above}{key}"] = None

    for row in rows:
        add(row, "")
    return list(names)


def _leads_to(row: Row, column: str) -> bool:
    """Whether a row has a column, given by its dotted path; null on the way is a poem without text."""
    value: Any = row
    for key in column.split("."):
        if not isinstance(value, dict) or key not in value:
            return False
        value = value[key]
        if value is None:
            return True
    return True


def json_objects(file: TextIO, text_key: str, place: str) -> Iterator[tuple[int, Row]]:
    """The objects of a JSON file, each with its line; what a single object holds, by the key of the text."""
    first, line = "", 0
    for line, text in enumerate(file, 1):  # noqa: B007
        if text.strip():
            first = text
            break
    if not first:
        return
    document = None
    if first.lstrip().startswith("{"):
        with suppress(ValueError, RecursionError):
            document = _decoder.decode(first)
    if not isinstance(document, dict):  # an array, an object over several lines, or a fault, which is named there
        values = _values(chain([first], iter(lambda: file.read(_CHUNK), "")), line, place)
    else:
        following = _lines(file, line, place)
        second = next(following, None)
        values = chain([(line, document)], [second] if second else [], following)
    values = iter(values)
    head = next(values, None)
    after = next(values, None)
    if head and after is None and isinstance(head[1], dict):
        yield from ((head[0], row) for row in _rows_of_object(head[1], text_key))
        return
    for line, value in chain(filter(None, (head, after)), values):
        if not isinstance(value, dict):
            shown = json.dumps(value, ensure_ascii=False)[:40]
            raise BadInput(f"{place}: line {line}", f"{shown!r} is no JSON object", _REMEDY)
        yield from ((line, row) for row in _poems_of(value, text_key))


def _lines(file: TextIO, above: int, place: str) -> Iterator[tuple[int, Any]]:
    """The values of JSON lines; a line that is an array gives its items."""
    for number, line in enumerate(file, above + 1):
        if not line.strip():
            continue
        try:
            value = _decoder.decode(line)
        except json.JSONDecodeError as error:
            problem = f"not JSON: {error.msg} at character {error.colno}"
            raise BadInput(f"{place}: line {number}", problem, _REMEDY) from error
        except (ValueError, RecursionError) as error:
            raise BadInput(f"{place}: line {number}", f"not JSON: {error}", _REMEDY) from error
        yield from ((number, item) for item in (value if isinstance(value, list) else [value]))


def _values(chunks: Iterable[str], line: int, place: str) -> Iterator[tuple[int, Any]]:
    """The values that stand one after the other in a text, and the items of arrays among them, each with its line."""
    chunks = iter(chunks)
    text, start, inside, want = "", 0, False, _CHUNK
    counted = 0  # up to where the text's lines are counted

    def fault(message: str, position: int) -> BadInput:
        number = line + text.count("\n", counted, position)
        column = position - text.rfind("\n", 0, position)
        return BadInput(f"{place}: line {number}", f"not JSON: {message} at character {column}", _REMEDY)

    ended = False
    while True:
        start = _SPACE.match(text, start).end()
        # A value that ends with the text may go on in the next chunk, as a number does.
        while not ended and len(text) - start < want:
            chunk = next(chunks, None)
            ended = chunk is None
            line += text.count("\n", counted, start)
            text, start, counted = text[start:] + (chunk or ""), 0, 0
            start = _SPACE.match(text, start).end()
        if start == len(text):
            if inside:
                raise fault("the array does not end", start)
            return
        if not inside and text[start] == "[":
            inside, start = True, start + 1
            continue
        if inside and text[start] == "]":
            inside, start = False, start + 1
            continue
        if text[start] == ",":
            start += 1
            continue
        try:
            value, end = _decoder.raw_decode(text, start)
        except json.JSONDecodeError as error:
            if not ended:
                want *= 2
                continue
            raise fault(error.msg, error.pos) from error
        except (ValueError, RecursionError) as error:
            raise fault(str(error), start) from error
        if end == len(text) and not ended:
            want *= 2
            continue
        line += text.count("\n", counted, start)
        counted = start
        yield line, value
        start, want = end, _CHUNK


def _rows_of_object(document: Row, text_key: str) -> Iterator[Row]:
    """The rows of a file that is one object: a poem, poems by key, a list of them, or columns as pandas writes them."""
    texts, values = document.get(text_key), list(document.values())
    if isinstance(texts, dict) and all(isinstance(value, dict) for value in values):  # {"text": {"0": …, "1": …}}
        yield from ({column: cells.get(index) for column, cells in document.items()} for index in texts)
    elif isinstance(texts, list) and _are_columns(texts, values):
        yield from (dict(zip(document, cells, strict=True)) for cells in zip(*values, strict=True))
    elif _leads_to(document, text_key):
        yield document
    elif isinstance(names := document.get("columns"), list) and isinstance(rows := document.get("data"), list):
        yield from (dict(zip(map(str, names), row, strict=False)) for row in rows if isinstance(row, list))
    elif len(values) == 1 and isinstance(values[0], dict) and not _leads_to(values[0], text_key):
        yield from _rows_of_object(values[0], text_key)
    elif values and all(isinstance(value, dict) for value in values):
        yield from (row for name, value in document.items() for row in _poems_of({"key": name, **value}, text_key))
    elif len(values) > 1 and all(map(_are_objects, values)):  # {"Ida": [{…}, {…}], "Ana": [{…}]}
        yield from ({"key": name, **poem} for name, poems in document.items() for poem in poems)
    elif values and all(map(_is_verse, values)):
        yield from ({"key": name, text_key: value} for name, value in document.items())
    else:
        yield from _poems_of(document, text_key)


def _poems_of(row: Row, text_key: str) -> list[Row]:
    """The objects of the one list that a row without a text has, such as an author's poems, with the row's fields."""
    lists = list(filter(_are_objects, row.values()))
    if len(lists) != 1 or _leads_to(row, text_key):
        return [row]
    fields = {key: value for key, value in row.items() if value is not lists[0]}
    return [found for poem in lists[0] for found in _poems_of({**fields, **poem}, text_key)]


def _are_objects(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _are_columns(texts: list[Any], columns: list[Any]) -> bool:
    """Whether an object's lists are columns: the texts of poems, not the lines of one."""
    if any(not isinstance(column, list) or len(column) != len(texts) for column in columns):
        return False
    return len(columns) > 1 or any(isinstance(text, str) and "\n" in text for text in texts)


def _is_verse(value: Any) -> bool:
    """Whether a value is lines, so that its key may be a title."""
    return (isinstance(value, str) and "\n" in value) or (
        isinstance(value, list) and bool(value) and all(isinstance(line, str) for line in value)
    )
