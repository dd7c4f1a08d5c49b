"""Marks of pages and numbers of verses go; numbers of the verse stay."""

import pytest

from pipeline.cleaning.rules import clean_text

QUATRAIN = """The kettle sings upon the stove,
the window fills with rain,
and all the spoons my mother drove
come marching home again."""


@pytest.mark.parametrize(
    "mark",
    [
        "{409}", "{ 12 }", "[Pg 12]", "[Page 12]", "[p. 33]", "[pág. 33]", "[fol. 12r]", "p. 33", "pp. 33-34",
        "Pág. 33", "pág.33", "- 12 -", "— 12 —", "Page 3 of 12",
    ],
)  # fmt: skip
def test_the_mark_of_a_page_goes_wherever_it_stands(mark):
    lines = QUATRAIN.split("\n")
    for place in range(5):
        assert clean_text("\n".join([*lines[:place], mark, *lines[place:]]))[0] == QUATRAIN


@pytest.mark.parametrize("mark", ["{409}", "[Pg 12]", "[p. 33]"])
def test_the_mark_of_a_page_goes_from_within_a_line(mark):
    assert clean_text(QUATRAIN.replace("sings", f"{mark} sings"))[0] == QUATRAIN
    assert clean_text(QUATRAIN.replace("The", f"{mark}The"))[0] == QUATRAIN


@pytest.mark.parametrize("number", ["5", "40", "[25]", "133"])
def test_a_lone_number_within_a_stanza_goes(number):
    lines = QUATRAIN.split("\n")
    assert clean_text("\n".join([*lines[:2], number, *lines[2:]]))[0] == QUATRAIN


def test_a_lone_number_below_the_poem_goes():
    assert clean_text(f"{QUATRAIN}\n33")[0] == QUATRAIN
    assert clean_text(f"{QUATRAIN}\n\n33")[0] == QUATRAIN


@pytest.mark.parametrize("gap", ["     ", "\t", " \t  "])
def test_a_number_set_far_from_its_verse_goes(gap):
    assert clean_text(QUATRAIN.replace("rain,", f"rain,{gap}45"))[0] == QUATRAIN


@pytest.mark.parametrize(
    "line", ["3", "1914", "and 10 of us went home", "p. and q. and r.", "page after page", "in 5 or 10"]
)
def test_numbers_of_the_verse_stay(line):
    assert line in clean_text(f"{QUATRAIN}\n{line}\n{QUATRAIN}")[0]


@pytest.mark.parametrize("number", ["99", "40", "144"])
def test_a_number_through_which_a_sentence_runs_stays(number):
    text = f"And every night my mother counts\n{number}\nbottles standing on the wall,\nthe last one full of rain."
    assert clean_text(text)[0] == text


def test_numbers_that_keep_pace_with_such_lines_go():
    verse = [f"line after line the kettle says\nand word by word of verse {chr(97 + number)}" for number in range(10)]
    lines = "\n".join(verse).split("\n")
    numbered = [*lines[:5], "5", *lines[5:10], "10", *lines[10:15], "15", *lines[15:]]
    assert clean_text("\n".join(numbered))[0] == "\n".join(lines)
