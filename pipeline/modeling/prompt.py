"""The prompt format, in which poems become training text and requests become prompts.

A header, the lines of the poem, and the tokenizer's end-of-text token:

    <|es|>Style: soneto
    Author: Inés Barrientos
    Title: La grúa

    first line …

The language token is always there. Each field may be missing; without any, the header is `<|es|>` and a newline. A base
model does not know the language tokens, so for it the header names the language in words instead.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from random import Random
from typing import TYPE_CHECKING

from transformers import PreTrainedTokenizerBase

from pipeline.common.text import LANGUAGE_CODE

if TYPE_CHECKING:  # transformers 5 renamed it, and benchmarks.gpu runs with the version that a machine has
    from transformers import PreTrainedConfig

FIELDS = ("style", "author", "title")


@dataclass(frozen=True)
class Request:
    """What a poem is requested with: a language, optional fields, and the line or lines it must start with."""

    language: str
    style: str | None = None
    author: str | None = None
    title: str | None = None
    first_line: str = ""


def poem_request(poem: dict[str, str | None]) -> Request:
    """The request that a row of the table of poems answers."""
    return Request(poem["language"], style=poem["style"], author=poem["author"], title=poem["title"])


def language_token(language: str) -> str:
    """The control token of a language's code: `<|es|>` for `es`."""
    return f"<|{language}|>"


def header(request: Request, spoken_language: str | None = None) -> str:
    """The text before the first line.

    Args:
        request: names the language and the fields.
        spoken_language: the language's name in words ("Spanish"), for a base model that lacks the tokens.
    """
    fields = [(name, _one_line(getattr(request, name))) for name in FIELDS]
    start = language_token(request.language) if spoken_language is None else f"Language: {spoken_language}\n"
    return start + "".join(f"{name.capitalize()}: {value}\n" for name, value in fields if value) + "\n"


def languages_of(tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """The languages whose control tokens a tokenizer has; empty for a base model's.

    *tokenize* adds them last, so a base's own `<|end|>` or `<|pad|>` is not taken for a language.
    """
    added = tokenizer.get_added_vocab()
    last_first = sorted(added, key=added.__getitem__, reverse=True)
    controls = (re.fullmatch(rf"<\|({LANGUAGE_CODE})\|>", token) for token in last_first)
    return sorted(control[1] for control in takewhile(bool, controls))


def drop_fields(request: Request, probability: float, random: Random) -> Request:
    """Drop each field with `probability`, so that the model learns to write from any subset of them."""
    return replace(request, **{name: None for name in FIELDS if random.random() < probability})


def context_length(config: "PreTrainedConfig") -> int:
    """The most tokens that a model reads at once; practically unlimited where its config names no limit."""
    return getattr(config, "max_position_embeddings", None) or 1 << 30


def encode_header(
    tokenizer: PreTrainedTokenizerBase, request: Request, spoken_language: str | None = None
) -> list[int]:
    """The token ids of a header, after the begin-of-text token where the tokenizer has one.

    Header and text are encoded separately, in training and in generation, so that no token straddles the two.
    """
    start, text = _control_tokens(tokenizer, request, spoken_language)
    return start + encode_text(tokenizer, text)


def encode_headers(tokenizer: PreTrainedTokenizerBase, requests: Sequence[Request]) -> list[list[int]]:
    """`encode_header` for each request, on all cores."""
    headers = [_control_tokens(tokenizer, request) for request in requests]
    texts = tokenizer([text for _, text in headers], add_special_tokens=False, split_special_tokens=True)
    return [start + ids for (start, _), ids in zip(headers, texts["input_ids"], strict=True)]


def _control_tokens(
    tokenizer: PreTrainedTokenizerBase, request: Request, spoken_language: str | None = None
) -> tuple[list[int], str]:
    """The control tokens at the start of a header, which no text can spell, and the text that follows them."""
    ids = [tokenizer.bos_token_id] if tokenizer.bos_token_id is not None else []
    text = header(request, spoken_language)
    control = tokenizer.convert_tokens_to_ids(language_token(request.language))
    if spoken_language is None and control not in (None, tokenizer.unk_token_id):
        return [*ids, control], text.removeprefix(language_token(request.language))
    return ids, text


def encode_text(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """The token ids of a poem's text: a `<|es|>` or an end-of-text token in it is spelled out and controls nothing."""
    return tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)


def _one_line(value: str | None) -> str:
    return " ".join((value or "").split())
