"""A repeated title goes, and a first line of verse that is like the title stays."""

import pytest

from pipeline.cleaning.headings import natural_order
from pipeline.cleaning.rules import clean_text

QUATRAIN = """The kettle sings upon the stove,
the window fills with rain,
and all the spoons my mother drove
come marching home again."""


@pytest.mark.parametrize(
    ("title", "text"),
    [
        (
            "I, Also, Count the Rain",
            "I, also, count the rain.\n\nI am the younger sister.\nThey send me to the pantry.",
        ),
        (
            "Yo también cuento la lluvia",
            "Yo también cuento la lluvia.\n\nSoy la hermana menor.\nMe mandan a la despensa.",
        ),
        ("If You Will Come", f"If you will come\n\n{QUATRAIN}"),
        ("You'll Say", f"You'll say,\n\n{QUATRAIN}"),
        ("La lluvia", f"La lluvia,\n\n{QUATRAIN}"),
        ("The Rain", f"The rain —\n\n{QUATRAIN}"),
        ("Who Counts the Rain", f"Who counts the rain?\n\n{QUATRAIN}"),
        ("Once More", f"ONCE MORE\nthe lamp is low.\n{QUATRAIN}"),
        ("Listen", f"LISTEN\nto the rain,\n{QUATRAIN}"),
        ("The Lamp", f"THE LAMP,\nand then the dark.\n{QUATRAIN}"),
        ("Rain", f"Rain\n\nupon the stove,\nand then:\n{QUATRAIN}"),
        ("The lamp", "The lamp.\n\nThe stove.\n\nThe rain.\n\nThe dark."),
        ("The kettle sings upon the stove", QUATRAIN),
        ("The Kettle Sings Upon the Stove", f"THE kettle sings upon the stove,\n\n{QUATRAIN}"),
    ],
)
def test_a_first_line_stays_where_punctuation_or_stanza_says_that_it_is_verse(title, text):
    assert clean_text(text, title)[0] == text


@pytest.mark.parametrize("first", ["THE kettle", "HARK, the kettle", "O KETTLE of the morning", "I"])
def test_a_first_word_in_capitals_is_verse(first):
    text = f"{first} that sings upon the stove,\nand then again\n{QUATRAIN}"
    assert clean_text(text, "The Kettle", "Ana Poe")[0] == text


@pytest.mark.parametrize(
    ("title", "heading"),
    [
        ("The Kettle", "The Kettle"),
        ("The Kettle", "The Kettle."),
        ("The Kettle", "THE KETTLE"),
        ("La canción de la tetera", "La canción de la tetera"),
        ("La Canción De La Tetera", "La canción de la tetera"),
        ("All Things Will Sing", "All Things will Sing"),
        ("Aleluya", "¡Aleluya!"),
        ("Cosas de la lluvia", "Cosas de la lluvia…"),
        ("The Kettle Sings", "The kettle sings"),  # and the poem begins with the same words
    ],
)
def test_a_heading_goes(title, heading):
    assert clean_text(f"{heading}\n\n{QUATRAIN}", title)[0] == QUATRAIN
    assert clean_text(f"{heading}\nby Ana Poe\n\n{QUATRAIN}", title, "Ana Poe")[0] == QUATRAIN


def test_capitals_apart_from_a_sentence_that_goes_on_stay():
    text = f"LISTEN\n\nto the rain,\n{QUATRAIN}"
    assert clean_text(text)[0] == text


def test_a_surname_first_is_put_in_its_natural_order():
    assert natural_order("Vega, Lope de") == "Lope de Vega"
    assert natural_order("Tennyson, Lord") == "Tennyson, Lord"
    assert natural_order(None) is None
