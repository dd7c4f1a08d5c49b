"""Poems in a terminal: find a model, turn options into a request, and show the words as they come."""

import sys
from dataclasses import replace
from pathlib import Path

from mlflow.entities.model_registry import ModelVersion
from transformers.utils import logging

from app.language import language_after
from pipeline.common.params import Params, changed, load_params
from pipeline.common.stage import BadInput
from pipeline.generation.best_of import write_best
from pipeline.generation.decoder import Decoder
from pipeline.generation.sequence import Blend, whole_words
from pipeline.modeling.base import best_device, load_base
from pipeline.modeling.prompt import Request
from pipeline.release.registry import alias_version, fetch_version, leading_version, model_version

CLEAR_LINE = "\r\x1b[2K"


def find_model(model: str | None, params: Params) -> tuple[Path, ModelVersion | None]:
    """The folder of a model, and its version if it is in the registry.

    Args:
        model: a folder, a version number or an alias; None for the champion, or the challenger if there is none.

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


class TerminalSession:
    """A loaded model, and the options that all poems of a session share.

    Args:
        model: as for `find_model`.
        language: of all poems; None to detect it from each first line.
        author, style, title: of all poems.
        blend: `AUTHOR:WEIGHT`, `author=NAME:WEIGHT` or `style=NAME:WEIGHT` for each part.
        best_of: how many poems to write for each one shown.
        changes: to the sampling in params.yaml; None leaves a value as it is.

    Raises:
        BadInput: an option is not allowed, or there is no such model.
    """

    def __init__(
        self,
        model: str | None,
        language: str | None = None,
        author: str | None = None,
        style: str | None = None,
        title: str | None = None,
        blend: tuple[str, ...] = (),
        best_of: int = 1,
        **changes: float | None,
    ) -> None:
        params = load_params()
        self.params, self.best_of = params, best_of
        if language not in (None, *params.languages):
            known = ", ".join(params.languages)
            raise BadInput("--language", f"{language!r} is not one of params.yaml", f"Choose from {known}")
        self.language, self.fields = language, {"author": author, "style": style, "title": title}
        self.blend = [_blend_part(part) for part in blend]
        given = {name: value for name, value in changes.items() if value is not None}
        self.sampling = changed(params.generation, given, lambda name: f"--{name}".replace("_", "-"))
        logging.disable_progress_bar()
        folder, _ = find_model(model, params)
        self.model, self.tokenizer = load_base(folder, best_device())

    def request(self, first_line: str) -> Request | Blend:
        """The request for a first line, in its own language if the session has none.

        Raises:
            BadInput: the line is in a language that the model does not write.
        """
        language = self.language or language_after(first_line, self.params)
        if language is None:
            problem = "not in a language that the model writes"
            remedy = f"Choose one with --language: {', '.join(self.params.languages)}"
            raise BadInput(f"first line {first_line[:40]!r}", problem, remedy)
        request = Request(language, first_line=first_line, **self.fields)
        return [(replace(request, **field), weight) for field, weight in self.blend] or request

    def write(self, first_line: str, seed: int) -> str:
        """Write a poem to standard output, word by word if that is a terminal, and return it.

        Raises:
            BadInput: the first line leaves no room for a poem, or is in a language that the model does not write.
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
                text = whole_words(progress.text)
                print(text[len(shown) :], end="", flush=True)
                shown = text
        text = progress.poem.text
        if not text.startswith(shown.rstrip()):  # a limit cut off the last line, which is shown already
            shown = shown[: shown.rindex("\n") + 1] if "\n" in shown else ""
            print(CLEAR_LINE, end="")
        print(text[len(shown) :], flush=True)
        return text


def _blend_part(part: str) -> tuple[dict[str, str], float]:
    """A field and its weight, from `style=soneto:0.5`."""
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
        raise BadInput(f"--blend {part!r}", problem, "Write it as 'AUTHOR:0.5' or 'style=STYLE:0.5'") from error
