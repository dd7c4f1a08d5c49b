"""The prompt format: how a poem becomes training text, and how a request becomes a prompt.

A header, then the lines, then the tokenizer's end-of-text token:

    <|es|>Style: soneto
    Author: Inés Barrientos
    Title: La grúa

    first line …

The language token is always there; each field may be missing, and with none the header is `<|es|>` and a newline.
A base model has never seen the language tokens, so for it the header names the language in words instead.
"""

import re
from dataclasses import dataclass, replace
from random import Random

from transformers import PreTrainedTokenizerBase

FIELDS = ("style", "author", "title")


@dataclass(frozen=True)
class Request:
    """What a poem is asked for with: a language, what is known of it, and the lines it must start with."""

    language: str
    style: str | None = None
    author: str | None = None
    title: str | None = None
    first_line: str = ""


def poem_request(poem: dict[str, str | None]) -> Request:
    """What a row of the table of poems says of a poem."""
    return Request(poem["language"], style=poem["style"], author=poem["author"], title=poem["title"])


def language_token(language: str) -> str:
    """The control token of an ISO 639-1 code: `<|es|>` for `es`."""
    return f"<|{language}|>"


def header(request: Request, spoken_language: str | None = None) -> str:
    """The text before the first line.

    Args:
        request: whose language and fields are named.
        spoken_language: the language's name in words ("Spanish"), for a base model that lacks the tokens.
    """
    fields = [(name, _one_line(getattr(request, name))) for name in FIELDS]
    start = language_token(request.language) if spoken_language is None else f"Language: {spoken_language}\n"
    return start + "".join(f"{name.capitalize()}: {value}\n" for name, value in fields if value) + "\n"


def languages_of(tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """The languages whose control tokens a tokenizer has; none for a base model's."""
    controls = (re.fullmatch(r"<\|([a-z]{2})\|>", token) for token in tokenizer.get_added_vocab())
    return sorted(control[1] for control in controls if control)


def drop_fields(request: Request, probability: float, random: Random) -> Request:
    """Leave each field out with `probability`, so that the model learns to write from any subset of them."""
    return replace(request, **{name: None for name in FIELDS if random.random() < probability})


def _one_line(value: str | None) -> str:
    return " ".join((value or "").split())
