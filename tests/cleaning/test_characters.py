"""Characters are repaired, and a repair brings in nothing that the text is not written in."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.cleaning.characters import remove_invisible, repair_mojibake
from pipeline.cleaning.lost_letters import build_lexicon, restore_letters
from pipeline.cleaning.rules import clean_text

capitals = st.text(alphabet="ABCDEFGHIJÁÉÍÓÚÑÜÇ", min_size=1, max_size=6)
marks = st.sampled_from("²³¹ª°»«¡¿§¶®·")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("LA RAZÓN ESTÁ AQUÍ²", "LA RAZÓN ESTÁ AQUÍ"),
        ("la CANCIÓN³ y el BAÚL¹", "la CANCIÓN y el BAÚL"),
        ("dijo «AQUÍ» y «PERÚ»", "dijo «AQUÍ» y «PERÚ»"),
        ("el corazÃ³n de AQUÍ² y el niÃ±o", "el corazón de AQUÍ y el niño"),
        ("the word λόγος, and sheâ€™s gone", "the word λόγος, and she’s gone"),
    ],
)
def test_a_superscript_or_a_quote_after_a_capital_is_no_letter_of_another_script(text, expected):
    assert clean_text(text)[0] == expected


@settings(max_examples=200)
@given(words=st.lists(st.tuples(capitals, marks), min_size=1, max_size=6))
def test_a_repair_never_brings_in_a_script_that_the_text_lacks(words):
    text = " ".join(word + mark for word, mark in words)
    repaired = repair_mojibake(text)
    assert all(ord(sign) < 0x180 or sign in text for sign in repaired if unicodedata.category(sign)[0] in "LMN")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("el coraz\x1an y el ni\x8do", "el coraz\ufffdn y el ni\ufffdo"),
        ("Erithe\x01s the firste", "Erithe\ufffds the firste"),
        ("est\x1a aqu\x1a la mar", "est\ufffd aqu\ufffd la mar"),
        ("el coraz\x1a\ufffdn", "el coraz\ufffdn"),
        ("la mar\x1a", "la mar"),  # the end of a DOS file
        ("h\x00o\x00l\x00a \x07adi\u00f3s\x07", "hola adi\u00f3s"),
        ("\x1b[1mla mar\x1b[0m", "la mar"),
    ],
)
def test_a_control_character_in_a_letters_place_is_a_lost_letter(text, expected):
    assert remove_invisible(text) == expected


def test_a_letter_lost_to_a_control_character_comes_back():
    lexicon = build_lexicon(["mi corazón está aquí"] * 3)
    assert restore_letters(clean_text("mi coraz\x1an est\x1a aqu\x1a y all\x1aá")[0], lexicon).startswith(
        "mi corazón está aquí"
    )
