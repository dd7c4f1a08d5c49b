"""Poems in a terminal: a model at hand, requests as the command line words them, words shown as they come."""

import sys
from dataclasses import replace
from pathlib import Path

from mlflow.entities.model_registry import ModelVersion
from transformers.utils import logging

from pipeline.common.params import Params, changed, load_params
from pipeline.common.stage import BadInput
from pipeline.generation.best_of import write_best
from pipeline.generation.decoder import Decoder
from pipeline.generation.sequence import Fusion
from pipeline.metrics.text import language_of
from pipeline.modeling.base import best_device, load_base
from pipeline.modeling.prompt import Request
from pipeline.release.registry import alias_version, fetch_version, leading_version, model_version

CLEAR_LINE = "\r\x1b[2K"


def find_model(model: str | None, params: Params) -> tuple[Path, ModelVersion | None]:
    """The folder of the model that is asked for, and its version where it is one of the registry.

    Args:
        model: a folder, a version's number or an alias; None for the champion, or the challenger where there is none.

    Raises:
        BadInput: there is no such model.
    """
    name, aliases = params.register_.model_name, (params.promote.alias, params.register_.alias)
    if model is not None and Path(model).is_dir():
        return Path(model), None
    if model is not None and model.isdigit():
        return fetch_version(name, model), model_version(name, model)
    version = alias_version(name, model) if model is not None else leading_version(params)
    if version is not None:
        return fetch_version(name, version.version), version
    if model is None:
        problem = f"no version of {name} is {' or '.join(aliases)} yet"
        raise BadInput("--model", problem, "Make one with `make run`, or name a model's folder")
    remedy = "Name a folder, or a version or an alias that `make mlflow` shows under Models"
    raise BadInput(f"--model {model}", f"neither a folder nor an alias of {name}", remedy)


class Desk:
    """A loaded model, and what every poem written with it is asked for.

    Args:
        model: as for `find_model`.
        language: of all poems; None to detect it from each first line.
        author, style, title: of all poems.
        fuse: `AUTHOR:WEIGHT`, `author=NAME:WEIGHT` or `style=NAME:WEIGHT`, to be followed at once.
        best_of: poems written for each one that is shown.
        changes: of the sampling in params.yaml; None leaves it.

    Raises:
        BadInput: one of them cannot be had.
    """

    def __init__(
        self,
        model: str | None,
        language: str | None = None,
        author: str | None = None,
        style: str | None = None,
        title: str | None = None,
        fuse: tuple[str, ...] = (),
        best_of: int = 1,
        **changes: float | None,
    ) -> None:
        params = load_params()
        self.languages, self.best_of = list(params.languages), best_of
        if language not in (None, *self.languages):
            raise BadInput("--language", f"{language!r} is not one of params.yaml", f"Choose from {self.languages}")
        self.language, self.fields = language, {"author": author, "style": style, "title": title}
        self.fused = [_fused(each) for each in fuse]
        given = {name: value for name, value in changes.items() if value is not None}
        self.sampling = changed(params.generation, given, lambda name: f"--{name}".replace("_", "-"))
        logging.disable_progress_bar()
        folder, _ = find_model(model, params)
        self.model, self.tokenizer = load_base(folder, best_device())

    def request(self, first_line: str) -> Request | Fusion:
        """What is asked for with a first line, in its own language where none was named."""
        language = self.language or language_of(first_line, self.languages) or self.languages[0]
        request = Request(language, first_line=first_line, **self.fields)
        return [(replace(request, **field), weight) for field, weight in self.fused] or request

    def write(self, first_line: str, seed: int) -> str:
        """Write a poem to standard output, word by word where a person looks on, and return it.

        Raises:
            BadInput: the first line leaves no room for a poem.
        """
        request = self.request(first_line)
        if self.best_of > 1:
            arguments = ([request], [self.sampling], [seed], self.best_of)
            [poem] = write_best(self.model, self.tokenizer, *arguments, progress="writing")
            print(poem.text, flush=True)
            return poem.text
        decoder = Decoder(self.model, self.tokenizer)
        decoder.add(request, self.sampling, seed)
        shown = ""
        while True:
            [progress] = decoder.step()
            if progress.poem is not None:
                break
            if sys.stdout.isatty():
                whole = _whole_words(progress.text)
                print(whole[len(shown) :], end="", flush=True)
                shown = whole
        text = progress.poem.text
        if not text.startswith(shown.rstrip()):  # a limit cut the last line off
            shown = shown[: shown.rindex("\n") + 1] if "\n" in shown else ""
            print(CLEAR_LINE, end="")
        print(text[len(shown) :], flush=True)
        return text


def _whole_words(text: str) -> str:
    """A text without the word that may go on."""
    cut = max(text.rfind(" "), text.rfind("\n"))
    return text[: cut + 1]


def _fused(part: str) -> tuple[dict[str, str], float]:
    """A field and a weight from `style=soneto:0.5`."""
    named, _, weight = part.rpartition(":")
    field, equals, value = named.partition("=")
    if not equals:
        field, value = "author", named
    try:
        if field not in ("author", "style") or not value.strip():
            raise ValueError
        return {field: value.strip()}, float(weight)
    except ValueError as error:
        problem = "not a name and a weight"
        raise BadInput(f"--fuse {part!r}", problem, "Write it as 'AUTHOR:0.5' or 'style=STYLE:0.5'") from error
