"""The command line: `estrofa write` for poems in the terminal, `estrofa export` to take a model elsewhere.

What takes seconds to import is imported where it is used, so that `--help` answers at once.
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
    from app.terminal import Desk

MODEL_HELP = "A folder, a version's number or an alias; by default the champion, or else the challenger."


class Faults(click.Group):
    """Commands of which bad input ends in one sentence."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BadInput as error:
            refused = click.ClickException(str(error))
            refused.exit_code = 2
            raise refused from error


@click.group(cls=Faults)
def main() -> None:
    """Poems from the models that this repository makes."""


@main.command()
@click.argument("first_line", default="")
@click.option("--language", help="Its ISO 639-1 code; by default detected from the first line.")
@click.option("--author", help="Write after an author.")
@click.option("--style", help="Write in a style or form.")
@click.option("--title", help="Write under a title.")
@click.option(
    "--fuse",
    metavar="NAME:WEIGHT",
    multiple=True,
    help="Write after several authors at once, in proportion; for a style, style=NAME:WEIGHT. Say it for each.",
)
@click.option("--model", help=MODEL_HELP)
@click.option("--temperature", type=float, help="From 0, always the likeliest word, upwards.")
@click.option("--max-words", type=int, help="Words at most.")
@click.option("--stanzas", type=int, help="Stanzas at most.")
@click.option("--seed", type=int, help="The same seed writes the same poem; by default another each time.")
@click.option("--best-of", type=click.IntRange(1, 64), default=1, help="Write so many and show the best.")
@click.option("-i", "--interactive", is_flag=True, help="Go on: again, another first line, keep, quit.")
@click.option(
    "--keep", type=click.Path(dir_okay=False, path_type=Path), default="poems.txt", help="Where `k` puts poems."
)
def write(first_line: str, interactive: bool, keep: Path, seed: int | None, model: str | None, **asked: Any) -> None:
    """Write a poem that starts with FIRST_LINE, or, without one, as many as you like.

    \b
    estrofa write "La llave de la casa que vendimos"
    estrofa write "At noon the river" --fuse "Ann Gray:0.7" --fuse style=ballad:0.3
    """
    from app.terminal import Desk

    desk = Desk(model, **asked)
    seeds = _seeds(seed)
    if first_line:
        poem = desk.write(first_line, next(seeds))
        if interactive:
            _go_on(desk, first_line, poem, seeds, keep)
    elif interactive or sys.stdin.isatty():
        _go_on(desk, "", "", seeds, keep)
    else:
        desk.write("", next(seeds))


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--model", help=MODEL_HELP)
@click.option("--gguf", is_flag=True, help="Add the weights as a GGUF file, for llama.cpp.")
@click.option("--push", "repository", metavar="OWNER/NAME", help="Send it to the Hugging Face hub, with HF_TOKEN.")
def export(folder: Path, model: str | None, gguf: bool, repository: str | None) -> None:
    """Put a model, all that must travel with it, and its figures into a new FOLDER."""
    from app.terminal import find_model
    from pipeline.common.params import load_params
    from pipeline.release.export import export_folder, push

    source, version = find_model(model, load_params())
    export_folder(source, folder, version and version.description, gguf)
    click.echo(f"{folder} holds the model; transformers loads it as it is")
    if repository:
        click.echo(f"It is at {push(folder, repository)}, for its owner's eyes until they open it")


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


def _go_on(desk: "Desk", first_line: str, poem: str, seeds: Iterator[int], keep: Path) -> None:
    """Ask what next until there is nothing more."""
    click.echo("Enter: write another. k: keep it. q: quit. Anything else: a new first line.", err=True)
    while True:
        try:
            answer = input("> ").strip()
        except (EOFError, KeyboardInterrupt):
            return
        if answer == "q":
            return
        if answer == "k":
            with keep.open("a", encoding="utf-8") as file:
                file.write(f"{poem}\n\n\n")
            click.echo(f"Kept in {keep}", err=True)
            continue
        first_line = answer or first_line
        try:
            poem = desk.write(first_line, next(seeds))
        except BadInput as error:
            click.echo(str(error), err=True)


def _seeds(first: int | None) -> Iterator[int]:
    """Seeds from one on, or at random."""
    seed = random.SystemRandom().getrandbits(32) if first is None else first
    while True:
        yield seed
        seed += 1


if __name__ == "__main__":
    main(prog_name="estrofa")
