"""The command line: `estrofa write` writes poems in the terminal, `estrofa export` takes a model elsewhere.

Slow imports are inside the commands that need them, so that `--help` answers at once.
"""

import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("DO_NOT_TRACK", "1")

import click

from pipeline.common.stage import BadInput

if TYPE_CHECKING:
    from app.terminal import TerminalSession

MODEL_HELP = "A folder, a version number or an alias. Default: the champion, or the challenger if there is none."


class OneSentenceErrors(click.Group):
    """Commands that report bad input in one sentence instead of a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BadInput as error:
            reported = click.ClickException(str(error))
            reported.exit_code = 2
            raise reported from error


@click.group(cls=OneSentenceErrors)
def main() -> None:
    """Write poems with the models of this repository, and export them."""


@main.command()
@click.argument("first_line", default="")
@click.option("--language", help="ISO 639-1 code of the language. Default: detected from the first line.")
@click.option("--author", help="Write in the manner of this author.")
@click.option("--style", help="Write in this form or style.")
@click.option("--title", help="Write under this title.")
@click.option(
    "--blend",
    metavar="NAME:WEIGHT",
    multiple=True,
    help="Blend several authors or styles: AUTHOR:WEIGHT or style=STYLE:WEIGHT. Repeat it for each.",
)
@click.option("--model", help=MODEL_HELP)
@click.option("--temperature", type=float, help="0 always takes the likeliest token; higher values take more chances.")
@click.option("--max-words", type=int, help="The most words, counting the first line.")
@click.option("--stanzas", type=int, help="The most stanzas.")
@click.option("--seed", type=int, help="The same request and seed write the same poem. Default: random.")
@click.option("--best-of", type=click.IntRange(1, 64), default=1, help="Write this many poems and show the best.")
@click.option("-i", "--interactive", is_flag=True, help="Keep writing: another poem, a new first line, save, quit.")
@click.option(
    "--save-to",
    type=click.Path(dir_okay=False, path_type=Path),
    default="poems.txt",
    help="The file that `s` saves to.",
)
def write(
    first_line: str, interactive: bool, save_to: Path, seed: int | None, model: str | None, **options: Any
) -> None:
    """Write a poem that starts with FIRST_LINE. Without it, write as many poems as you like.

    \b
    estrofa write "La llave de la casa que vendimos"
    estrofa write "At noon the river" --blend "Ann Gray:0.7" --blend style=ballad:0.3
    """
    from app.terminal import TerminalSession

    session = TerminalSession(model, **options)
    seeds = _seeds(seed)
    if first_line:
        poem = session.write(first_line, next(seeds))
        if interactive:
            _interact(session, first_line, poem, seeds, save_to)
    elif interactive or sys.stdin.isatty():
        _interact(session, "", "", seeds, save_to)
    else:
        session.write("", next(seeds))


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--model", help=MODEL_HELP)
@click.option("--gguf", is_flag=True, help="Also write a GGUF file, for llama.cpp.")
@click.option("--push", "repository", metavar="OWNER/NAME", help="Upload it to the Hugging Face hub, with HF_TOKEN.")
def export(folder: Path, model: str | None, gguf: bool, repository: str | None) -> None:
    """Write a model with its tokenizer, card, licences and metrics to a new FOLDER."""
    from app.terminal import find_model
    from pipeline.common.params import load_params
    from pipeline.release.export import export_folder, push

    source, version = find_model(model, load_params())
    export_folder(source, folder, version and version.description, gguf)
    click.echo(f"Wrote the model to {folder}; transformers can load it from there")
    if repository:
        click.echo(f"Uploaded it to {push(folder, repository)}. It is private until you make it public.")


@main.command()
@click.argument("source")
def check(source: str) -> None:
    """Show what SOURCE would give: a file, a folder, a glob, or the name of a source in params.yaml.

    \b
    estrofa check ~/Downloads/PoetryFoundationData.csv

    It reads the first poems, says how they are read, which would be rejected and why, and prints the entry for
    params.yaml. Nothing is written.
    """
    from app.check import check

    for line in check(source):
        click.echo(line)


def _interact(session: "TerminalSession", first_line: str, poem: str, seeds: Iterator[int], save_to: Path) -> None:
    """Ask what to do next until the answer is q or the end of input."""
    click.echo("Enter: write another. s: save this one. q: quit. Anything else: a new first line.", err=True)
    while True:
        try:
            answer = input("> ").strip()
        except (EOFError, KeyboardInterrupt):
            return
        if answer == "q":
            return
        if answer == "s":
            with save_to.open("a", encoding="utf-8") as file:
                file.write(f"{poem}\n\n\n")
            click.echo(f"Saved to {save_to}", err=True)
            continue
        first_line = answer or first_line
        try:
            poem = session.write(first_line, next(seeds))
        except BadInput as error:
            click.echo(str(error), err=True)


def _seeds(first: int | None) -> Iterator[int]:
    """Consecutive seeds, from the first one or a random one."""
    seed = random.SystemRandom().getrandbits(32) if first is None else first
    while True:
        yield seed
        seed += 1


if __name__ == "__main__":
    main(prog_name="estrofa")
