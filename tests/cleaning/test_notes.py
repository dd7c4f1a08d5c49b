"""Notes of editors go with their marks; brackets and asterisks of the verse stay."""

import pytest

from pipeline.cleaning.rules import clean_text

QUATRAIN = """The kettle sings upon the stove,
the window fills with rain,
and all the spoons my mother drove
come marching home again."""


@pytest.mark.parametrize(
    "mark", ["[1]", " [1]", "(1)", " (12)", "*", "**", "†", " †", "²", "¹²", "[*]", "(*)", "[a]", "[Nota 2]", "§"]
)
@pytest.mark.parametrize("word", ["stove,", "rain,", "again."])
def test_a_mark_goes_before_and_after_punctuation(mark, word):
    for marked in (word + mark, word[:-1] + mark + word[-1]):
        if not mark.endswith("a]") or marked.endswith("]"):
            assert clean_text(QUATRAIN.replace(word, marked))[0] == QUATRAIN


@pytest.mark.parametrize("mark", ["[1]", "(1)", "*", "†", "²", "{1}", "(*)"])
@pytest.mark.parametrize("gap", ["\n", "\n\n"])
def test_the_note_behind_a_mark_goes_with_all_of_its_lines(mark, gap):
    marked = QUATRAIN.replace("stove", f"stove{mark}")
    assert clean_text(f"{marked}{gap}{mark} A stove of iron, such as\nwas common in the valley.")[0] == QUATRAIN


def test_several_notes_go():
    marked = QUATRAIN.replace("stove", "stove*").replace("rain", "rain†").replace("spoons", "spoons (3)")
    assert clean_text(f"{marked}\n\n* Of iron.\n† Or snow.\n\n(3) Of tin.")[0] == QUATRAIN


@pytest.mark.parametrize(
    "note",
    [
        "[Footnote: a stove of iron]", "[Note: the stove is lost.]", "[Nota: la cocina se ha perdido.]", "[sic]",
        "[Editor's note: so in the manuscript]", "[Sidenote: The stove.]", "[First published in 1829.]",
        "[Publicado por primera vez en 1829.]", "[1: A stove of iron.]", "[* Historic.]",
        "[Nota del editor: falta un verso]",
    ],
)  # fmt: skip
@pytest.mark.parametrize("place", ["{} {}", "{}\n{}", "{}\n\n{}"])
def test_a_note_in_brackets_goes_wherever_it_stands(note, place):
    assert clean_text(place.format(QUATRAIN, note))[0] == QUATRAIN
    assert clean_text(place.format(QUATRAIN, note) + f"\n\n{QUATRAIN}")[0] == f"{QUATRAIN}\n\n{QUATRAIN}"


@pytest.mark.parametrize(
    "note", ["Note: The stove was of iron.", "Nota del editor: La cocina era de hierro.", "N. del T.: era de hierro"]
)
def test_a_note_that_says_what_it_is_goes_from_the_end(note):
    assert clean_text(f"{QUATRAIN}\n\n{note}")[0] == QUATRAIN
    assert clean_text(f"{QUATRAIN}\n{note}")[0] == QUATRAIN
    assert clean_text(f"{note}\n\n{QUATRAIN}")[0] == QUATRAIN


@pytest.mark.parametrize(
    "line",
    [
        "and I gave [her] the key (the old one)", "the year was (1914) and cold", "a star * above", "[and so we slept]",
        "* and then the rain", "note the kettle", "Notes of the kettle rise", "(the second of the two)",
    ],
)  # fmt: skip
def test_verse_that_looks_like_a_note_stays(line):
    assert line in clean_text(f"{QUATRAIN}\n{line}\n{QUATRAIN}")[0]
