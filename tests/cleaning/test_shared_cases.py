"""The small inputs of the shared folder, where there is one: each is cleaned as its README says is right."""

import json
from pathlib import Path

import pytest

from pipeline.cleaning.paratext import is_wrapped_prose
from pipeline.cleaning.rules import clean_text

CASES = Path(__file__).parents[3] / "shared" / "cases"
QUATRAIN_ENDS = ("The lamp is low, the ledger shut,", "and takes the evening away.")

pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="the shared cases are not on this machine")


@pytest.mark.parametrize(
    "name",
    ["c03_markdown_emphasis", "c05_closing_br", "c07_edition_note_attached", "c08_page_mark", "c11_site_furniture"],
)
def test_of_a_quatrain_in_rubbish_the_quatrain_is_left(name):
    lines = clean_text((CASES / f"{name}.txt").read_text(encoding="utf-8"))[0].split("\n")
    assert (lines[0], lines[3], len(lines)) == (*QUATRAIN_ENDS, 4)


def test_a_superscript_after_a_capital_goes():
    text = (CASES / "c04_superscript_after_capital.txt").read_text(encoding="utf-8")
    assert clean_text(text)[0] == text.replace("²", "").strip()


def test_a_first_line_like_the_title_stays():
    poem = json.loads((CASES / "c01_title_first_line_apart.json").read_text(encoding="utf-8"))
    assert clean_text(poem["text"], poem["title"])[0] == poem["text"]


def test_a_wrapped_preface_is_prose():
    preface = json.loads((CASES / "c10_wrapped_preface.json").read_text(encoding="utf-8"))
    assert is_wrapped_prose(clean_text(preface["text"], preface["title"])[0])
