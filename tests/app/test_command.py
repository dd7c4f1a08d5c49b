"""`estrofa write`, as people use it: once, from a pipe, and in a terminal that goes on."""

import io
import os
import pty
import subprocess
import sys

import pytest
import torch
from click.testing import CliRunner

from app.command import main
from app.terminal import TerminalSession
from pipeline.generation.best_of import candidate_seeds
from tests.support.made_up import ROOT, tiny_poet

FIRST_LINE = "el río guarda su plata"


@pytest.fixture(scope="module")
def poet(tmp_path_factory):
    """The folder of a model that knows the languages."""
    return tiny_poet(tmp_path_factory.mktemp("poet"), torch.float32)


@pytest.fixture
def estrofa(poet, monkeypatch):
    """Run `estrofa write` with the model."""
    monkeypatch.chdir(ROOT)

    def run(*arguments, **options):
        return CliRunner().invoke(main, ["write", "--model", str(poet), "--max-words", "20", *arguments], **options)

    return run


def test_a_poem_starts_with_the_first_line_and_follows_its_seed(estrofa):
    once, again, other = (estrofa(FIRST_LINE, "--seed", seed) for seed in ("1", "1", "2"))
    assert once.exit_code == 0, once.output
    assert once.output.startswith(FIRST_LINE)
    assert once.output == again.output != other.output


def test_without_a_seed_each_poem_is_another(estrofa):
    assert len({estrofa(FIRST_LINE).output for _ in range(3)}) == 3


def test_what_is_asked_for_reaches_the_model(estrofa):
    plain = estrofa(FIRST_LINE, "--seed", "1").output
    for option in (
        ["--author", "Inés"],
        ["--style", "soneto"],
        ["--title", "Grúa"],
        ["--language", "en"],
        ["--temperature", "0"],
        ["--blend", "Inés:0.5", "--blend", "style=soneto:0.5"],
    ):
        assert estrofa(FIRST_LINE, "--seed", "1", *option).output != plain, option
    assert len(estrofa(FIRST_LINE, "--max-words", "8").output.split()) <= 8
    assert estrofa(FIRST_LINE, "--seed", "1", "--language", "es").output == plain


def test_the_best_of_several_is_shown(estrofa):
    written = {estrofa(FIRST_LINE, "--seed", str(seed)).stdout for seed in candidate_seeds(1, 3)}
    assert len(written) == 3
    assert estrofa(FIRST_LINE, "--seed", "1", "--best-of", "3").stdout in written


def test_a_blend_is_read_from_names_and_weights(poet, monkeypatch):
    monkeypatch.chdir(ROOT)
    session = TerminalSession(str(poet), language="es", title="Grúa", blend=("Inés Barrientos:0.7", "style=soneto:0.3"))
    [(first, most), (second, least)] = session.request("La llave")
    assert (most, least) == (0.7, 0.3)
    assert (first.author, first.style, first.title) == ("Inés Barrientos", None, "Grúa")
    assert (second.author, second.style, second.first_line) == (None, "soneto", "La llave")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--language", "fr"], "--language: 'fr' is not one of params.yaml"),
        (["--temperature", "9"], "--temperature: 9.0 is not allowed"),
        (["--blend", "Inés"], "--blend 'Inés': not a name and a weight"),
        (["--blend", "title=Grúa:1"], "--blend 'title=Grúa:1': not a name and a weight"),
        (["--model", "no-such-model"], "--model no-such-model: neither a folder nor an alias"),
        (["Demain, dès l'aube, à l'heure où blanchit la campagne"], "Choose one with --language: en, es"),
        (["rain " * 40], "40 words leave no room for a poem"),
    ],
)
def test_what_cannot_be_done_is_one_clear_error(estrofa, arguments, message, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/none.db")
    ended = estrofa(*arguments)
    assert ended.exit_code == 2
    assert message in ended.output
    assert "Traceback" not in ended.output


def test_without_any_model_it_says_how_to_make_one(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/none.db")
    ended = CliRunner().invoke(main, ["write", "rain"])
    assert ended.exit_code == 2
    assert "no version of estrofa is champion or challenger yet. Make one with `make run`" in ended.output


def test_the_loop_writes_again_takes_another_line_and_saves_what_is_liked(estrofa, tmp_path):
    saved = tmp_path / "saved.txt"
    ended = estrofa(
        "-i", "--seed", "1", "--save-to", str(saved), input=f"{FIRST_LINE}\n\ns\n{'rain ' * 40}\nwinter rain\ns\nq\n"
    )
    assert ended.exit_code == 0, ended.output
    assert "leave no room" in ended.output
    # As bytes: a model of random weights writes carriage returns, which reading as text would turn into line breaks.
    first, second = [poem.strip() for poem in saved.read_bytes().decode().split("\n\n\n") if poem.strip()]
    assert first == estrofa(FIRST_LINE, "--seed", "2").stdout_bytes.decode().strip()  # again, with the next seed
    assert second.startswith("winter rain")


def test_in_a_terminal_words_come_one_by_one(poet, monkeypatch):
    pieces = []

    class Terminal(io.StringIO):
        def isatty(self):
            return True

        def write(self, text):
            pieces.append(text)
            return super().write(text)

    monkeypatch.chdir(ROOT)
    session = TerminalSession(str(poet), max_words=20)
    monkeypatch.setattr(sys, "stdout", Terminal())
    session.write(FIRST_LINE, 1)
    words = [piece for piece in pieces if piece.strip()]
    assert len(words) > 3
    assert all(piece[-1] in " \n" for piece in words[:-1])


@pytest.mark.slow
def test_a_terminal_shows_the_whole_poem(poet, estrofa):
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "app.command", "write", FIRST_LINE, "--model", str(poet), "--seed", "1"]
    with subprocess.Popen([*command, "--max-words", "20"], cwd=ROOT, stdout=theirs, stderr=subprocess.PIPE) as process:
        os.close(theirs)
        pieces = []
        while True:
            try:
                piece = os.read(ours, 4096)
            except OSError:  # how Linux says that the other side is closed
                break
            if not piece:
                break
            pieces.append(piece)
    os.close(ours)
    assert process.returncode == 0
    shown = b"".join(pieces).decode().replace("\r\n", "\n")
    *_, last = shown.split("\r\x1b[2K")
    assert estrofa(FIRST_LINE, "--seed", "1").stdout.rstrip().endswith(last.rstrip())  # the last word's space is shown
    assert shown.startswith(FIRST_LINE)
