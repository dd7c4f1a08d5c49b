"""What an editor set around a poem goes; what only resembles it stays."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.cleaning.paratext import drop_margin_notes, drop_prose_margins, is_wrapped_prose
from pipeline.cleaning.rules import clean_text
from scrapers.anthology.poems import LANGUAGES, read_poems

POEM = """The kettle sings upon the stove,
the window fills with rain,
and all the spoons my mother drove
come marching home again.

The clock has nothing new to say."""
PROSE = "This song was heard in the hills by a collector, who wrote it down as an old woman sang it. " * 3
NOTES = [
    "1867.",
    "(April, 1862.)",
    "Baltimore, 1879-80.",
    "Ravenna, June 21, 1819.",
    "Madrid, 3 de mayo de 1908",
    "[From an autograph in the possession of a friend.]",
    "From the Greek of Moschus.",
    "Translated by a neighbour",
    "Traducción de una vecina",
    'Tune - "The Kettle."',
    "Written during a severe winter.",
    "Read by the author",
    "FIN",
]
VERSES = ["In 1914 we sailed away", "[XII]", "II.", "The end of it is bread", "May", "From the window", "Tuneful hours"]
HEADINGS = [
    "– XVII –",
    "A FIDDLER'S STORY",
    "Passer mai solitario.\n\nFAR FROM HER, LIFE IS MISERABLE.",
    "4.",
    "(To a neighbour.)",
    "(\"L'aurore s'allume.\")",
    "(After Horace, book I (the first))",
]
SIGNATURES = ["MACGREGOR.", "W. E. H.", "CAROLINE BOWLES (MRS. SOUTHEY)", "NEAR CHARD."]
lines = st.one_of(st.sampled_from([*NOTES, *VERSES, *HEADINGS, *SIGNATURES, PROSE.strip(), ""]), st.text(max_size=30))


@pytest.mark.parametrize("note", NOTES)
def test_a_note_that_stands_apart_goes_before_and_after_the_poem(note):
    assert clean_text(f"{note}\n\n{POEM}")[0] == POEM
    assert clean_text(f"{POEM}\n\n{note}")[0] == POEM


@pytest.mark.parametrize("note", NOTES)
def test_the_same_words_within_the_verse_stay(note):
    text = f"the rain began\n{note}\nand then it stopped"
    assert drop_margin_notes(text) == text
    assert drop_margin_notes(f"{POEM}\n\n{note}\n\n{POEM}") == f"{POEM}\n\n{note}\n\n{POEM}"


@pytest.mark.parametrize("verse", VERSES)
def test_a_verse_that_stands_apart_stays(verse):
    text = f"{verse}\n\n{POEM}\n\n{verse}"
    assert drop_margin_notes(text) == text


@pytest.mark.parametrize("heading", HEADINGS)
def test_a_number_a_dedication_or_a_subtitle_goes_where_it_heads_the_poem_alone(heading):
    assert clean_text(f"{heading}\n\n[May, 1828.]\n\n{POEM}")[0] == POEM
    assert drop_margin_notes(f"{POEM}\n\n{heading}\n\n{POEM}") == f"{POEM}\n\n{heading}\n\n{POEM}"


@pytest.mark.parametrize("signature", SIGNATURES)
def test_a_signature_in_capitals_goes_from_the_end_of_the_poem_alone(signature):
    assert clean_text(f"{POEM}\n\n{signature}")[0] == POEM
    assert drop_margin_notes(f"{POEM}\n\n{signature}\n\n{POEM}") == f"{POEM}\n\n{signature}\n\n{POEM}"


@pytest.mark.parametrize(
    "text",
    [
        f"I.\n\n{POEM}\n\nII.\n\n{POEM}",
        f"I.\n{POEM}",
        f"(She came to me\nand went again.)\n\n{POEM}",
        f"(She came) to me (and went)\n\n{POEM}",
        f"{POEM}\n\nRING OUT.\n\n{POEM}\n\nRING OUT.",
        f"{POEM.upper()}\n\nRING OUT.",
        f"{POEM}\n\nRING OUT!",
        f"{POEM}\n\nAMEN.",
        f"DAWN\n\n{POEM}\n\nDUSK\n\n{POEM}",
        f"RING OUT\n\n{POEM.upper()}",
        f"She came to me.\n\nRING OUT.\n\n{POEM}",
    ],
)
def test_numbers_of_sections_asides_and_refrains_stay(text):
    assert drop_margin_notes(text) == text


@pytest.mark.parametrize("heading", ["L'ENVOI", "L’ENVOI", "ENVOI", "ENVOY.", "ENVÍO", "Envío", "L'Envoi"])
def test_the_heading_of_an_envoi_stays(heading):
    for text in (f"{heading}\n\n{POEM}", f"{POEM}\n\n{heading}\n\nGo, little lamp,\nand wait.", f"{POEM}\n\n{heading}"):
        assert clean_text(text, "The Kettle", "Ida Marsh")[0] == text


def test_paragraphs_of_prose_around_the_verse_go_with_what_stands_before_them():
    assert clean_text(f"The text is an old one.\n\n{PROSE}\n\n{POEM}\n\n{PROSE}\n\nSo far.")[0] == POEM


@pytest.mark.parametrize(
    "text",
    [
        f"{POEM}\n\n{PROSE}\n\n{POEM}",  # inside the verse
        f"{PROSE}\n\n{PROSE}",  # no verse at all
        f"{PROSE * 6}\n\n{POEM}",  # a tale with a song at its end
        f"{PROSE}\n\nOnly a couplet\nfollows it",
    ],
)
def test_prose_that_is_no_margin_of_a_poem_stays_for_the_filter(text):
    assert drop_prose_margins(text) == text


WRAPPED = """This song was heard in the hills by a collector, who had it from the
miller of the valley and from two of his daughters; it was printed at
the end of a book on mills, and nobody has seen the lamp of which the
third stanza speaks. The text is that of the first edition, which was
lost in a flood, and is given here as one of the daughters wrote it."""
EN_CASTELLANO = """Esta canción se oyó en la sierra a una vecina, que la sabía de su
madre y de las mujeres del molino; se imprimió al final de un libro
de recetas, y nadie ha visto la lámpara de la que habla la tercera
estrofa. El texto es el de la primera edición, que se perdió en una
riada, y se da aquí como lo escribió una de las hijas del molinero."""
FREE_VERSE = """we had gone down to the river before anybody else was awake
carrying the two lamps
and a loaf wrapped in the newspaper my father had read to us
as if the news were weather
and what I remember is not the water, nor the cold of the oars
but how the light went ahead of us over the stones
looking for something that it had lost there the night before"""


@pytest.mark.parametrize(
    "prose", [WRAPPED, EN_CASTELLANO, f"{WRAPPED}\n\n{WRAPPED}", f"A NOTE\n\n{WRAPPED}\n\nSo far."]
)
def test_prose_that_was_broken_into_lines_of_one_width_is_no_verse(prose):
    assert is_wrapped_prose(prose)


@pytest.mark.parametrize(
    "verse", [FREE_VERSE, POEM, f"{POEM}\n\n{FREE_VERSE}", FREE_VERSE.replace("\nc", " c").replace("\na", " a"), ""]
)
def test_free_verse_of_the_same_shape_is_none(verse):
    assert not is_wrapped_prose(verse)


@pytest.mark.parametrize("prose", [WRAPPED, EN_CASTELLANO, f"{WRAPPED}\n\nSo much for that."])
def test_wrapped_prose_around_the_verse_goes(prose):
    assert POEM in clean_text(f"{prose}\n\n{POEM}")[0]
    assert WRAPPED not in clean_text(f"{prose}\n\n{POEM}")[0]
    assert clean_text(f"{POEM}\n\n{prose.split(chr(10) * 2)[0]}")[0] == POEM


@pytest.mark.parametrize(
    "line",
    [
        "[First published, Fugitive Rains, 1829.]",
        "[Publicado por primera vez en Lluvias, 1829.]",
        "[From the edition of 1829.]",
        "[The text of 1829, with the\nspelling of the manuscript.]",
        "(First printed in Fugitive Rains, 1829.)",
        "First published in Fugitive Rains, 1829.",
        "Publicado en La Prensa, 1912",
        "From Fugitive Rains, 1829.",
        "De Lluvias fugitivas, 1829",
        "Madrid, 3 de mayo de 1908",
        "January, 1901.",
        "— Ana Poe, 1829",
    ],
)
def test_a_note_of_the_edition_goes_from_the_last_stanza(line):
    assert clean_text(f"{POEM}\n{line}")[0] == POEM


@pytest.mark.parametrize(
    "line", ["[and so we slept]", "Remember 1914", "From the window", "(and then again)", "the year was 1914."]
)
def test_a_last_line_that_is_none_stays(line):
    assert clean_text(f"{POEM}\n{line}")[0] == f"{POEM}\n{line}"


@pytest.mark.parametrize("rule", [drop_margin_notes, drop_prose_margins])
@settings(max_examples=200)
@given(text=st.lists(lines, max_size=12).map("\n\n".join))
def test_what_is_left_stood_together_and_has_no_margin_any_more(rule, text):
    once = rule(text)
    assert once in text
    assert rule(once) == once


def test_the_anthology_has_no_margins():
    for language in LANGUAGES:
        for poem in read_poems(language):
            assert drop_margin_notes(drop_prose_margins(poem.text)) == poem.text
