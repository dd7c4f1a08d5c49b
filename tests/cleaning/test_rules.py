"""What the cleaning rules promise, each and all together."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.cleaning.characters import literal_line_breaks
from pipeline.cleaning.lost_letters import build_lexicon, restore_letters
from pipeline.cleaning.rules import clean_field, clean_text, rules_for
from pipeline.cleaning.typography import plain_words

QUATRAIN = """The kettle sings upon the stove,
the window fills with rain,
and all the spoons my mother drove
come marching home again."""
VERSES = [
    "the lamp was low",
    "Sé que el río volverá",
    "5",
    "and 10 of us went home 10",
    "12 swans upon the lake",
    "[1]",
    "a mark[2] within",
    "word*",
    "word.12",
    "* * *",
    "Notes",
    "[1] a note on swans",
    "Back to top",
    "caf&eacute; <i>noir</i>",
    "corazÃ³n",
    "“curly” — ﬁne",
    "\u200bsoft\u00adhyphen\u00a0here",
    "  indented   line ",
    "",
    "",
    "© 1999 Somebody",
    "THE TITLE",
    "by Ana Poe",
    "�quoted� o�er",
    "HE.",
    "SHE.",
    "Baltimore, 1879.",
    "[Exit.]",
    r"spelled\nout\nhere",
    "one verse / and another / and a third",
]
BREAKS = ["\n", "\r\n", "\r", "\r\r\n", "\u2028", "\x85", "\v", "\f", "\n\n", "\n\n\n"]
dirty = st.lists(st.tuples(st.sampled_from(VERSES), st.sampled_from(BREAKS)), max_size=14).map(
    lambda parts: "".join(verse + line_break for verse, line_break in parts)
)
texts = st.one_of(dirty, st.text(max_size=200))
made_up_words = st.text(alphabet="abcdefghijklmnñopqrstuvwxyzáéíóú", min_size=2, max_size=8).filter(
    lambda word: word not in {"notes", "note", "nota", "notas"}
)
plain_lines = st.lists(made_up_words, min_size=2, max_size=6).map(" ".join)
RULES = dict(rules_for("The Title", "Ana Poe"))


def test_line_breaks_spelled_out_become_breaks_and_are_counted():
    lines = QUATRAIN.split("\n")
    for written in (
        r"\n".join(lines),
        r"\r\n".join(lines),
        r"\\n".join(lines),
        " / ".join(lines),
        r"\n".join(lines) + "\n",
    ):
        text, changes = clean_text(written)
        assert text == QUATRAIN
        assert "literal line breaks" in changes
    stanzas = f"{QUATRAIN}\n\n{QUATRAIN}"
    assert clean_text(stanzas.replace("\n", r"\n"))[0] == stanzas
    assert clean_text(stanzas.replace("\n\n", " // ").replace("\n", " / "))[0] == stanzas


@pytest.mark.parametrize(
    "verse", [QUATRAIN + r"\n", "he / she", "and / or / not", "either/or, this/that", "a / b\nc / d / e", "1 / 2 / 3"]
)
def test_slashes_and_backslashes_of_other_kinds_stay(verse):
    assert "literal line breaks" not in clean_text(verse)[1]


@pytest.mark.parametrize("name", RULES)
@settings(max_examples=60)
@given(text=texts)
def test_every_rule_is_idempotent(name, text):
    once = RULES[name](text)
    assert RULES[name](once) == once


@settings(max_examples=150)
@given(text=texts)
def test_the_chain_is_idempotent(text):
    once, _ = clean_text(text, "The Title", "Ana Poe")
    assert clean_text(once, "The Title", "Ana Poe") == (once, {})


@settings(max_examples=100)
@given(stanzas=st.lists(st.lists(plain_lines, min_size=2, max_size=5), min_size=1, max_size=4))
def test_clean_verse_passes_untouched(stanzas):
    text = "\n\n".join("\n".join(stanza) for stanza in stanzas)
    assert clean_text(text) == (text, {})


@settings(max_examples=100)
@given(lines=st.lists(plain_lines, min_size=1, max_size=12), gaps=st.lists(st.sampled_from(BREAKS), min_size=12))
def test_no_rule_joins_two_lines_or_splits_one_that_stood(lines, gaps):
    text = "".join(f"  {line}\t{gap}" for line, gap in zip(lines, gaps, strict=False))
    cleaned, _ = clean_text(text)
    assert [line for line in cleaned.split("\n") if line] == lines


@settings(max_examples=100)
@given(lines=st.lists(st.sampled_from([*VERSES[:2], *VERSES[15:17], "<b>bold</b> [3] light", "swan* †"]), max_size=10))
def test_every_word_that_is_not_boilerplate_is_kept(lines):
    expected = [
        word
        for line in lines
        for word in plain_words(re.sub(r"\[\d\]|</?b>", " ", line).replace("\u00ad", "").replace("\u200b", ""))
    ]
    assert plain_words(clean_text("\n".join(lines))[0]) == expected


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r", "\r\r\n", "\u2028", "\u2029", "\x85", "\v", "\f"])
def test_every_kind_of_line_break_is_one_line_break(line_break):
    assert clean_text(QUATRAIN.replace("\n", line_break))[0] == QUATRAIN


def test_a_stanza_break_stays_one_blank_line():
    assert clean_text(f"{QUATRAIN}\n \n\n\n{QUATRAIN}\n\n")[0] == f"{QUATRAIN}\n\n{QUATRAIN}"


def test_double_spaced_verse_is_single_spaced_and_keeps_its_stanzas():
    doubled = QUATRAIN.replace("\n", "\n\n")
    assert clean_text(f"{doubled}\n\n\n\n{doubled}")[0] == f"{QUATRAIN}\n\n{QUATRAIN}"


@pytest.mark.parametrize(
    ("dirt", "expected"),
    [
        ("El corazÃ³n del niÃ±o", "El corazón del niño"),
        ("sheâ€™s gone", "she’s gone"),
        ("salt &amp; sea&mdash;wind", "salt & sea—wind"),
        ("one<br/>two<br>three", "one\ntwo\nthree"),
        ("<p>one <i>two</i></p>three", "one two\nthree"),
        ("cafe\u0301", "café"),
        ("\ufeffno\u200b space\u00a0here", "no space here"),
        ("a line[1] with marks* and daggers† and small² ones[A]", "a line with marks and daggers and small ones"),
        ("a line that ends,1\nin a number;20\nat No.7", "a line that ends,\nin a number;\nat No.7"),
        ("the year 1914 ended,\nthe year 1918", "the year 1914 ended,\nthe year 1918"),
        ("I gave [her] the [old] key", "I gave [her] the [old] key"),
        ("«¿Él?» «É» »Él", "«¿Él?» «É» »Él"),
        ("“ﬁne” ‘art’ ｆｕｌｌ", "“ﬁne” ‘art’ ｆｕｌｌ"),
        ("first\n* * *\nsecond", "first\n\nsecond"),
    ],
)
def test_dirt_is_repaired_and_typography_left_alone(dirt, expected):
    assert clean_text(dirt)[0] == expected


@pytest.mark.parametrize(
    "line",
    [
        "← Previous poem", "Next: The Orchard", "Back to the index", "Volver al índice", "Compartir en Facebook",
        "© 2009 The Anthology", "All rights reserved", "https://example.org/poems", "Fuente: antología", "[edit]",
        "This work is in the public domain.", "[Illustration: a kettle]", "Licencia: CC BY 4.0", "Categoría: Sonetos",
        "Este poema se modificó en mayo bajo licencia libre", "Retrieved from: an archive", "« anterior | siguiente »",
    ],
)  # fmt: skip
def test_lines_of_the_page_go(line):
    assert clean_text(f"{QUATRAIN}\n\n{line}")[0] == QUATRAIN


@pytest.mark.parametrize("line", ["Next came the boy", "Volver a verte", "Comparte tu dolor", "Home", "Share my bread"])
def test_verses_that_hold_such_words_stay(line):
    assert line in clean_text(f"{QUATRAIN}\n{line}")[0]


def test_verse_numbers_go_where_they_keep_pace_with_the_lines():
    lines = [f"a line about the {thing}" for thing in ("sea", "sky", "sun", "wind", "rain", "snow", "hail") * 2]
    at_end = [f"{line}  {number}" if number % 5 == 0 else line for number, line in enumerate(lines, 1)]
    at_start = [f"{number} {line}" if number % 5 == 0 else line for number, line in enumerate(lines, 1)]
    alone = [
        part for number, line in enumerate(lines, 1) for part in ((line, str(number)) if number in (5, 10) else (line,))
    ]
    for numbered in (at_end, at_start, alone):
        assert clean_text("\n".join(numbered))[0].split("\n") == lines


def test_stanza_numbers_in_front_of_stanzas_go():
    assert clean_text(f"41 {QUATRAIN}\n\n42 {QUATRAIN}")[0] == f"{QUATRAIN}\n\n{QUATRAIN}"


def test_a_title_that_is_the_first_line_stays_and_a_heading_goes():
    assert clean_text(QUATRAIN, "The kettle sings upon the stove")[0] == QUATRAIN
    assert clean_text(f"The Kettle.\n\n{QUATRAIN}", "The Kettle")[0] == QUATRAIN
    assert clean_text(f"The Kettle\nby Ana Poe\n{QUATRAIN}", "The Kettle", "Poe, Ana")[0] == QUATRAIN
    assert clean_text(f"THE KETTLE\n{QUATRAIN}", "The Kettle")[0] == QUATRAIN


def test_notes_go_only_where_the_text_has_their_mark():
    marked = QUATRAIN.replace("stove", "stove[1]")
    assert clean_text(f"{marked}\n\n[1] A stove of iron.")[0] == QUATRAIN
    assert "stove of iron" in clean_text(f"{QUATRAIN}\n\n[1] A stove of iron.")[0]
    assert clean_text(f"{QUATRAIN}\n\nNotes\n\nWritten at home.")[0] == QUATRAIN
    assert RULES["notes"](f"{QUATRAIN}\n\nNotes\nNotes") == QUATRAIN


def test_a_field_is_one_repaired_line_or_nothing():
    assert clean_field(" La\n canciÃ³n&nbsp; ") == "La canción"
    assert clean_field(" \u200b ") is None


def test_lost_letters_come_back_where_the_corpus_leaves_one_answer():
    english = build_lexicon(["it's o'er, the man's tale, beloved and winged, caesar and tho' we go in rain"] * 5)
    assert restore_letters("It�s o�er, the man�s tale", english) == "It’s o’er, the man’s tale"
    assert restore_letters("�Tis late,� he said", english) == "’Tis late,” he said"
    assert restore_letters("�The man,� he said", english) == "“The man,” he said"
    assert restore_letters("it's belov�d C�sar", english) == "it's belovèd Cæsar"
    spanish = build_lexicon(["mi corazón está aquí y el mar está allí"] * 3)
    assert restore_letters("coraz�n, est� aqu�", spanish) == "corazón, está aquí"


def test_a_lost_letter_that_may_be_several_stays_lost():
    lexicon = build_lexicon(["papá papa mamá"])
    assert restore_letters("x�z", lexicon) == "x�z"


@settings(max_examples=100)
@given(text=dirty)
def test_bringing_letters_back_changes_nothing_else(text):
    repaired = restore_letters(text, build_lexicon([QUATRAIN]))
    pattern = re.escape(text).replace("�", "(?s:.)")
    assert re.fullmatch(pattern, repaired)
    assert restore_letters(repaired, build_lexicon([QUATRAIN])) == repaired


STANZAS = """The kettle sings upon the hob,
the cat has found the sun.

The milk is in, the step is swept,
the day has been begun."""


@pytest.mark.parametrize(
    "dirty",
    [
        f"<p>{STANZAS.replace(chr(10) * 2, '</p><p>').replace(chr(10), '<br>')}</p>",
        STANZAS.replace("sun.", "sun.<ref>A star.</ref>").replace("step", 'step<ref name="a" />'),
        "{{di|T}}" + STANZAS[1:],
        "{{Letra capital|T|3em}}" + STANZAS[1:],
        "{{poem|\n" + STANZAS + "\n}}",
        ":" + STANZAS.replace("\n", "\n:").replace("\n:\n", "\n\n"),
        STANZAS.replace("\n\n", " || ").replace("\n", " | "),
        STANZAS.replace("\n\n", "//").replace("\n", "/"),
    ],
)
def test_markup_of_wikis_and_breaks_on_one_line_leave_lines_and_stanzas(dirty):
    assert clean_text(dirty)[0] == STANZAS


@pytest.mark.parametrize("one_line", ["he/she and his/her own kettle", "see http://hob.example/a/b/c for more"])
def test_slashes_between_alternatives_and_in_addresses_break_no_line(one_line):
    assert literal_line_breaks(one_line) == one_line


@pytest.mark.parametrize(
    "line", ["Add to favorites", "Copiar enlace", "Permalink", "Última actualización: 3 de mayo de 2019", "Cargando..."]
)
def test_more_lines_of_the_page_go(line):
    assert clean_text(f"{STANZAS}\n\n{line}")[0] == STANZAS


@pytest.mark.parametrize(
    "verse",
    [
        "No comments\nfrom the sea today\nonly the long\ngrey sentence of the tide",
        "Print\nmy foot upon the sand\nand let the sea come in\nand understand",
        "Me gusta\nla lluvia sobre el patio,\nme gusta\ntu silencio",
    ],
)
def test_words_of_a_button_that_the_next_line_goes_on_from_are_verse(verse):
    assert clean_text(verse)[0] == verse
    assert clean_text(f"{STANZAS}\n\nShare\nfacebook\ntwitter")[0] == STANZAS
    assert clean_text(f"Home | Poems | Poets\n{verse}")[0] == verse


@pytest.mark.parametrize(
    "text",
    [
        f"The Hob - Ann Lee\n\n{STANZAS}",
        f"The Hob\nAuthor: Ann Lee\n\n{STANZAS}",
        f"The Hob, a poem by Ann Lee\n\n{STANZAS}",
        f"{STANZAS}\n\nAnn Lee",
        f"{STANZAS}\n— Ann Lee",
    ],
)
def test_title_and_author_go_on_one_line_and_as_a_signature(text):
    assert clean_text(text, "The Hob", "Ann Lee")[0] == STANZAS
