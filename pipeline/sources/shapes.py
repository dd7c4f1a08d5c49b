"""A cell as text: lists of lines and stanzas, bytes, missing values, and what Excel leaves behind."""

import ast
import json
import math
import re
import warnings
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

_MISSING = {"nan", "none", "n/a", "#n/a", "null", "<na>", "nat", r"\n"}  # the last is MySQL's \N
_NO_FIELD = {"-", "–", "—", "?"}  # a line of verse may be so
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")  # JSON can name one, UTF-8 cannot hold it
_EXCEL_BREAK = re.compile("_x000[dD]_(?=\r?\n|$)|(_x000[dDaA]_)")
_STRING = r"""[bu]?(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
# A string as Python or JSON writes it, where a `\n` is in it.
_QUOTED = re.compile(r"""'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*\"""")
_CUT_SHORT = re.compile(r"""\s*\[+['"][^\0]*['"\]],?\s+\.\.\.,?\s+['"\[]""")
_BYTES = re.compile(r"""b(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")""", re.DOTALL)
# What a list's text is made of, as Python, numpy and R write it: ['a', 'b'], ['a' 'b'], [array(['a'], dtype=object)],
# c("a", NA).
_TOKEN = re.compile(
    rf"(?P<skip>\s+|,\s*dtype=[^()\[\]]*|,)|(?P<call>array\(|np\.str_\()|(?P<open>(?:c|list)\(|[\[(])|(?P<close>[\])])"
    rf"|(?P<blank>None|nan|NA(?:_character_)?\b)|(?P<string>{_STRING})",
    re.DOTALL,
)
# An array as Postgres writes it, with a quote around each item that is not a single word: {"a line,",word,NULL}.
_ARRAY_ITEM = r'"(?:[^"\\]|\\.)*"|[^\s"{},\\]+'
_ARRAY = re.compile(rf"\{{(?:{_ARRAY_ITEM})(?:,(?:{_ARRAY_ITEM}))*\}}", re.DOTALL)
_LIST_STARTS = ("[", "(", "array([", "c(", "list(")
_DEEPEST = 4  # sections of stanzas of lines, and one to spare


class UnknownShape(ValueError):
    """A value that is neither text nor a list of texts; the message says what it is."""


def text_of(value: Any) -> str | None:
    """A poem's text from a cell; None where it is missing or blank.

    A list holds lines, a list of lists holds stanzas; the same written as text, by Python, JSON, numpy, R or Postgres,
    counts too.

    Raises:
        UnknownShape: the value is something else.
    """
    if isinstance(value, str):
        start = value.lstrip()[:7]
        if start.startswith(_LIST_STARTS) and (lines := list_in_text(value.strip())) is not None:
            value = lines
        elif start.startswith("[") and _CUT_SHORT.match(value):
            raise UnknownShape("a list that was cut short with `...` when it was saved")
        elif start.startswith(("'", '"')) and "\\n" in value and _QUOTED.fullmatch(value.strip()):
            value = _string(value.strip())
        elif start.startswith(("{'", '{"')) and isinstance(_object(value), dict):
            raise UnknownShape(f"an object ({_shown(value)})")
        elif start.startswith("{") and '"' in value and _ARRAY.fullmatch(value.strip()):
            value = [_array_item(item) for item in re.findall(_ARRAY_ITEM, value.strip()[1:-1], re.DOTALL)]
        elif start.startswith(("b'", 'b"')) and _BYTES.fullmatch(value.strip()):
            value = _literal(value.strip()) or value
    if isinstance(value, list | tuple):
        value = _joined(value)
    return _clean(_scalar(value))


def field_of(value: Any) -> str | None:
    """A title, a name or a year from a cell; the items of a list are joined by commas.

    Raises:
        UnknownShape: the value is neither text nor a list of texts.
    """
    if isinstance(value, list | tuple):
        value = ", ".join(item for item in map(field_of, value) if item)
    field = _clean(_scalar(value))
    return None if field and field.strip() in _NO_FIELD else field


def list_in_text(text: str) -> list[Any] | None:
    """The list that a text writes out, where it is one of strings or of such lists; else None.

    Args:
        text: such as `['a', 'b']`, `["a", "b"]`, or numpy's `['a' 'b']`. A title in brackets (`[Untitled]`) is no list.
    """
    if not text.endswith(("]", ")")):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = _read_tokens(text)
    return found if isinstance(found, list) and _holds_strings(found) else None


def _read_tokens(text: str) -> list[Any] | None:
    """A list written by Python or numpy, whose strings may stand side by side without a comma."""
    stack: list[list[Any]] = [[]]
    calls: set[int] = set()  # depths at which `array(` or `np.str_(` stands for what is in it
    place = 0
    while place < len(text):
        token = _TOKEN.match(text, place)
        if token is None:
            return None
        place = token.end()
        match token.lastgroup:
            case "open" | "call":
                if token.lastgroup == "call":
                    calls.add(len(stack))
                stack.append([])
            case "close":
                closed = stack.pop()
                if not stack:
                    return None
                stack[-1].extend(closed if len(stack) in calls else [closed])
                calls.discard(len(stack))
            case "blank":
                stack[-1].append(None)
            case "string":
                string = _literal(token[0])
                if string is None:
                    return None
                stack[-1].append(string)
    return stack[0][0] if len(stack) == 1 and len(stack[0]) == 1 else None


def _literal(token: str) -> str | None:
    """The string that a token of Python writes; bytes are decoded; None where it is not well-formed."""
    try:
        with warnings.catch_warnings(action="ignore"):  # of escapes that Python does not know
            value = ast.literal_eval(token)
        return value.decode() if isinstance(value, bytes) else value
    except (ValueError, SyntaxError):
        return None


def _array_item(item: str) -> str | None:
    """The string of an array of Postgres."""
    if item.startswith('"'):
        return re.sub(r"\\(.)", r"\1", item[1:-1], flags=re.DOTALL)
    return None if item == "NULL" else item


def _string(token: str) -> str:
    """The string that JSON or Python writes."""
    try:
        found = json.loads(token)
    except ValueError:
        found = _literal(token)
    return found if isinstance(found, str) else token


def _object(text: str) -> Any:
    """What a text writes as JSON or Python; None where it is neither."""
    for parse in (json.loads, ast.literal_eval):
        with suppress(ValueError, SyntaxError, RecursionError, MemoryError):
            return parse(text)
    return None


def _holds_strings(items: list[Any], depth: int = 1) -> bool:
    return depth <= _DEEPEST and all(
        item is None or isinstance(item, str) or (isinstance(item, list) and _holds_strings(item, depth + 1))
        for item in items
    )


def _joined(items: Sequence[Any], depth: int = 1) -> str:
    """Lines with a break between them, stanzas with a blank line."""
    if depth > _DEEPEST:
        raise UnknownShape("lists inside of lists inside of lists")
    nested = any(isinstance(item, list | tuple) for item in items)
    parts = [
        _joined(item, depth + 1) if isinstance(item, list | tuple) else (_scalar(item) or "").rstrip("\r\n")
        for item in items
    ]
    stanzas = nested or 2 * sum("\n" in part for part in parts) > len(parts)
    return ("\n\n" if stanzas else "\n").join(parts)


def _scalar(value: Any) -> str | None:
    if isinstance(value, str) or value is None:
        return value
    if isinstance(value, float):
        if math.isnan(value):
            return None
        return str(int(value)) if value.is_integer() else str(value)
    if isinstance(value, bytes | bytearray | memoryview):
        try:
            return bytes(value).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise UnknownShape(f"bytes that are not UTF-8 ({_shown(bytes(value))})") from error
    if isinstance(value, dict | list | tuple | set):
        kind = "an object" if isinstance(value, dict) else "a list"
        raise UnknownShape(f"{kind} ({_shown(value)})")
    return str(value)


def _shown(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:59]}…"


def _clean(text: str | None) -> str | None:
    """Without Excel's `_x000D_` and halves of characters; None where it is blank or says that nothing is there."""
    if text is None:
        return None
    if "_x000" in text:
        text = _EXCEL_BREAK.sub(lambda found: "\n" if found[1] else "", text)
    if not text.isascii():
        text = _HALF_CHARACTER.sub("\N{REPLACEMENT CHARACTER}", text)
    bare = text.strip() if len(text) < 40 else text
    return None if not bare or bare.isspace() or bare == "NA" or bare.casefold() in _MISSING else text
