"""Markup of every kind goes, its words stay, and brackets of the verse are none."""

import pytest

from pipeline.cleaning.rules import clean_text

QUATRAIN = """The kettle sings upon the stove,
the window fills with rain,
and all the spoons my mother drove
come marching home again."""


@pytest.mark.parametrize(
    "line_break",
    ["</br>", "<br>\n", "<BR/>", '<br clear="all">', "< br />", "</ br>", "<br></br>", "&lt;br&gt;", "<lb/>", "</l>"],
)
def test_every_break_of_a_line_is_one(line_break):
    assert clean_text(QUATRAIN.replace("\n", line_break))[0] == QUATRAIN


@pytest.mark.parametrize(
    "text",
    [
        f"<p class='poem'>{QUATRAIN}</p>",
        QUATRAIN.replace("kettle", '<font color="red">kettle</font>').replace("rain", "<o:p>rain</o:p>"),
        f"<script>if (a < b) {{ go(); }}</script><style>\np {{ x: y }}\n</style>{QUATRAIN}<!-- a\nnote -->",
        f"[b]{QUATRAIN}[/b]",
        QUATRAIN.replace("kettle", "[i]kettle[/i]").replace("window", "[url=https://example.org]window[/url]"),
        QUATRAIN.replace("kettle", "[[kettle]]")
        .replace("window", "[[Glass|window]]")
        .replace("spoons", "'''spoons'''"),
        f"[[File:kettle.png|thumb]]\n{QUATRAIN}\n{{{{gap}}}}",
        QUATRAIN.replace("kettle", "[kettle](https://example.org/kettle)") + "\n![a kettle](kettle.png)",
        "> " + QUATRAIN.replace("\n", "\n> "),
        QUATRAIN.replace("\n", " \\\n"),
        QUATRAIN.replace(" ", "&nbsp "),
    ],
)
def test_markup_goes_and_its_words_stay(text):
    assert clean_text(text)[0] == QUATRAIN


def test_a_heading_in_markdown_is_a_heading():
    assert clean_text(f"## The Kettle\n\n{QUATRAIN}", "The Kettle")[0] == QUATRAIN


@pytest.mark.parametrize(
    "line",
    [
        "I gave [her] the [old] key",
        "a < b and b > a",
        "<3 and #1 of it",
        "{so it was}",
        "he said [i] and [s]",
        "x == y",
    ],
)
def test_signs_of_the_verse_stay(line):
    assert clean_text(f"{QUATRAIN}\n{line}")[0] == f"{QUATRAIN}\n{line}"
