"""Marks of emphasis and spaces around punctuation: what is mended, what stays, and that no word or line is lost."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.cleaning.rules import clean_text
from pipeline.cleaning.typography import plain_words, remove_emphasis, space_punctuation
from scrapers.anthology.poems import LANGUAGES, read_poems

pieces = st.sampled_from(
    [*"*_~=,;:!?.¿¡()«»\"' \n", "\n\n", "...", ". . .", "word", "Word", "río", "I", "d", "ll", "3", "—"]
)
texts = st.one_of(st.lists(pieces, max_size=40).map("".join), st.text(max_size=100))


@pytest.mark.parametrize(
    ("dirt", "expected"),
    [
        ("I thought _I_ mumbled", "I thought I mumbled"),
        ("the ~Gloria~ of =to-morrow=,", "the Gloria of to-morrow,"),
        ("*then* the **lamp** and ***all***,", "then the lamp and all,"),
        ("__then__ the _*lamp*_ and **_all_**", "then the lamp and all"),
        ("¡*Ay*! «_la mar_»", "¡Ay! «la mar»"),
        ("*the river\nis low*", "the river\nis low"),
        ("*the river\n\nis low*", "the river\n\nis low"),
        ("_the river\nis_ low", "the river\nis low"),
        ("sin ventura !", "sin ventura!"),
        ("la pasión , la vida ; y «todo »", "la pasión, la vida; y «todo »"),
        ("la carga ,bruta", "la carga, bruta"),
        ("no comía .\nNi bebía", "no comía.\nNi bebía"),
        ("¿ Te enternece ?\n¡ Ay! ¡Ay!", "¿Te enternece?\n¡Ay! ¡Ay!"),
        ("Dead!Dead!The storm", "Dead! Dead! The storm"),
        ("Then,ah, the end.Yet when", "Then, ah, the end. Yet when"),
    ],
)
def test_emphasis_goes_and_punctuation_is_spaced(dirt, expected):
    assert clean_text(dirt)[0] == expected


@pytest.mark.parametrize(
    "text",
    [
        "Avant le jour ; elle allume\nun grand four : le pain !",
        "my friend ____, who left",
        "snake_case and _ alone _",
        "_one\n\ntwo_",
        "a star * above and * below",
        "* one\n* two",
        "Lord *** and Lady ***, who left",
        "2*3*4",
        "A don Ramón . . . En fin",
        "he turn?d and we?ll go",
        "oh Dios¡ me irrita",
        "at 3:45 or 1,000",
        "!ay, Carmela",
        "it 's a dose 't of blues",
        "A.B.C. and Ph.D",
    ],
)
def test_what_is_no_such_dirt_stays(text):
    assert space_punctuation(remove_emphasis(text)) == text


@pytest.mark.parametrize("rule", [remove_emphasis, space_punctuation])
@settings(max_examples=300)
@given(text=texts)
def test_each_is_idempotent_and_keeps_every_word_and_every_line(rule, text):
    once = rule(text)
    assert rule(once) == once
    assert once.count("\n") == text.count("\n")
    bare = str.maketrans("_~=*", "    ")
    assert plain_words(once.translate(bare)) == plain_words(text.translate(bare))


def test_the_anthology_has_no_such_dirt():
    for language in LANGUAGES:
        for poem in read_poems(language):
            assert space_punctuation(remove_emphasis(poem.text)) == poem.text
