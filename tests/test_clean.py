"""What the cleaning rules promise, and what the stage does with a folder of raw poems."""

import json
import re
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import clean
from pipeline.broken import build_lexicon, repair_broken
from pipeline.clean import clean_corpus, poem_id, read_raw, year_in
from pipeline.cleaning_rules import clean_field, clean_text, rules_for, words_of
from pipeline.params import Clean
from pipeline.poems import RAW_FIELDS, read_report, read_table
from pipeline.stage import BadInput

PARAMS = Clean(
    min_lines=3,
    min_words=12,
    max_words=60,
    long_poems="drop",
    prose_line=200,
    max_prose_share=0.2,
    max_broken_share=0.0,
    duplicate_similarity=0.55,
    cluster_similarity=0.3,
)
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
]
BREAKS = ["\n", "\r\n", "\r", "\r\r\n", "\u2028", "\x85", "\v", "\f", "\n\n", "\n\n\n"]
dirty = st.lists(st.tuples(st.sampled_from(VERSES), st.sampled_from(BREAKS)), max_size=14).map(
    lambda parts: "".join(verse + line_break for verse, line_break in parts)
)
texts = st.one_of(dirty, st.text(max_size=200))
plain_words = st.text(alphabet="abcdefghijklmnñopqrstuvwxyzáéíóú", min_size=2, max_size=8).filter(
    lambda word: word not in {"notes", "note", "nota", "notas"}
)
plain_lines = st.lists(plain_words, min_size=2, max_size=6).map(" ".join)
RULES = dict(rules_for("The Title", "Ana Poe"))


def raw(text, **fields):
    return {
        **dict.fromkeys(RAW_FIELDS),
        "source": "attic",
        "url": "poems.csv: row 1",
        "title": "The Title",
        "author": "Ana Poe",
        "declared_language": "en",
        "text": text,
        **fields,
    }


def cleaned(records, params, **options):
    """The poems kept, the rejects, and the report."""
    with TemporaryDirectory() as folder:
        report = clean_corpus(records, params, Path(folder), **options)
        return *(read_table(Path(folder, f"{name}.parquet")) for name in ("poems", "rejects")), report


def numbered_poem(number):
    names = ["harbour", "orchard", "lantern", "furnace", "meadow", "chimney", "ladder", "kitchen"]
    return "\n".join(
        f"{names[(number + k) % 8]} {number * 7 + k} stood {names[(number * 3 + k * 5) % 8]} beside water{number}{k}"
        for k in range(5)
    )


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
        for word in words_of(re.sub(r"\[\d\]|</?b>", " ", line).replace("\u00ad", "").replace("\u200b", ""))
    ]
    assert words_of(clean_text("\n".join(lines))[0]) == expected


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


@pytest.mark.parametrize(
    ("given_as", "author"),
    [
        ("Vega, Lope de", "Lope de Vega"),
        ("Darío, Rubén", "Rubén Darío"),
        ("Horatio Alger, Jr.", "Horatio Alger, Jr."),
        ("Isabella Augusta, Lady Gregory", "Isabella Augusta, Lady Gregory"),
        ("Murillo, Diego (Padre)", "Murillo, Diego (Padre)"),
        ("Ana Poe", "Ana Poe"),
        (None, None),
    ],
)
def test_an_author_is_named_as_people_say_the_name(given_as, author):
    [(poem, _)] = clean.clean_poems([raw(QUATRAIN, author=given_as)])
    assert poem["author"] == author


def test_lost_letters_come_back_where_the_corpus_leaves_one_answer():
    english = build_lexicon(["it's o'er, the man's tale, beloved and winged, caesar and tho' we go in rain"] * 5)
    assert repair_broken("It�s o�er, the man�s tale", english) == "It’s o’er, the man’s tale"
    assert repair_broken("�Tis late,� he said", english) == "’Tis late,” he said"
    assert repair_broken("�The man,� he said", english) == "“The man,” he said"
    assert repair_broken("it's belov�d C�sar", english) == "it's belovèd Cæsar"
    spanish = build_lexicon(["mi corazón está aquí y el mar está allí"] * 3)
    assert repair_broken("coraz�n, est� aqu�", spanish) == "corazón, está aquí"


def test_a_lost_letter_that_may_be_several_stays_lost():
    lexicon = build_lexicon(["papá papa mamá"])
    assert repair_broken("x�z", lexicon) == "x�z"


@settings(max_examples=100)
@given(text=dirty)
def test_bringing_letters_back_changes_nothing_else(text):
    repaired = repair_broken(text, build_lexicon([QUATRAIN]))
    pattern = re.escape(text).replace("�", "(?s:.)")
    assert re.fullmatch(pattern, repaired)
    assert repair_broken(repaired, build_lexicon([QUATRAIN])) == repaired


def test_counts_in_are_counts_out_and_rejects_by_reason():
    good = [raw(numbered_poem(number), url=str(number)) for number in range(6)]
    bad = [
        raw("one line\nand another with quite enough words to be a poem but lines", url="a"),
        raw("a\nb\nc", url="b"),
        raw("\n".join(numbered_poem(number) for number in range(20, 30)), url="c"),
        raw("strange b�x\nand h�z of things that stand here\nfor more than a dozen words in it", url="d"),
        raw(" \n<p></p>", url="e"),
        raw(None, url="f"),
        raw(numbered_poem(1).upper() + "\n\n", url="g", author=None),
        raw(numbered_poem(2).replace("furnace", "furnaces", 1), url="h", author=None),
    ]
    poems, rejects, report = cleaned(good + bad, PARAMS)
    assert sorted(poems["url"]) == [str(number) for number in range(6)]
    assert dict(zip(rejects["url"], rejects["reason"], strict=True)) == {
        "a": "too short",
        "b": "too short",
        "c": "too long",
        "d": "broken characters",
        "e": "empty",
        "f": "empty",
        "g": "exact duplicate",
        "h": "near duplicate",
    }
    assert report["poems_in"] == len(good + bad) == len(poems) + len(rejects)
    assert report["rejected"]["too short"] == 2
    assert report["rules"]["HTML remnants"]["changed"] == 1


def test_a_share_of_broken_characters_may_be_allowed():
    poem = raw("strange b�x\nand h�z of things that stand here\nfor more than a dozen words in it")
    poems, _, _ = cleaned([poem], PARAMS.model_copy(update={"max_broken_share": 0.1}))
    assert len(poems) == 1


def test_a_long_poem_is_cut_into_numbered_parts_of_one_cluster():
    stanzas = [numbered_poem(number) for number in range(30, 42)]
    twin = raw("\n\n".join([*stanzas[:2], *(numbered_poem(number) for number in range(50, 60))]), source="cellar")
    long_ones = [raw("\n\n".join(stanzas)), twin]
    poems, rejects, report = cleaned([*long_ones, raw(QUATRAIN)], PARAMS.model_copy(update={"long_poems": "cut"}))
    for record in long_ones:
        whole = poem_id(record["source"], record["text"])
        parts = pd.concat([poems, rejects])
        parts = parts[parts["poem_id"].str.startswith(whole)].sort_values("poem_id")
        assert parts["part"].tolist() == list(range(1, len(parts) + 1))
        assert "\n\n".join(parts["text"]) == record["text"]
        assert (parts["words"] <= PARAMS.max_words).all()
    assert rejects["reason"].tolist() == ["exact duplicate"]
    clusters = poems.groupby(poems["part"].isna())["cluster"].nunique()
    assert clusters.to_dict() == {True: 1, False: 1}  # the twin's too, through the part that the two have in common
    assert (report["cut"], report["parts"]) == (2, len(poems) + len(rejects) - 1)


def test_a_stanza_longer_than_a_poem_may_be_is_dropped_alone():
    stanzas = [numbered_poem(1), numbered_poem(2).replace(" stood ", " stood and stood again" * 4 + " ")]
    poems, rejects, _ = cleaned([raw("\n\n".join(stanzas))], PARAMS.model_copy(update={"long_poems": "cut"}))
    assert poems["text"].tolist() == stanzas[:1]
    assert rejects[["text", "reason", "part"]].to_numpy().tolist() == [[stanzas[1], "too long", 2]]


INTRODUCTION = "This song was heard in the hills by a collector, who wrote it down as an old woman sang it. " * 3


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (QUATRAIN.replace("\n", " ") * 3 + "\nand so it ends\nas all things do", "prose"),
        (f"{QUATRAIN}\n\n{INTRODUCTION}\n\n{QUATRAIN}", "prose"),
        ((INTRODUCTION[:190] + "\n") * 4, "too long"),  # long lines, such as Whitman's, are verse
        (f"{INTRODUCTION[:230]}\n" + f"{QUATRAIN}\n" * 12, "too long"),  # and so is verse with a stage direction
    ],
)
def test_paragraphs_are_prose_and_long_lines_are_not(text, reason):
    _, rejects, _ = cleaned([raw(text)], PARAMS)
    assert rejects["reason"].tolist() == [reason]
    assert reason != "prose" or rejects["detail"][0].endswith("in lines of more than 200 characters")


def test_verse_and_prose_of_one_long_text_part_where_it_is_cut():
    stanzas = [numbered_poem(number) for number in range(3)]
    poems, rejects, _ = cleaned(
        [raw("\n\n".join([stanzas[0], INTRODUCTION.strip(), *stanzas[1:]]))],
        PARAMS.model_copy(update={"long_poems": "cut"}),
    )
    assert "\n\n".join(poems["text"]) == "\n\n".join(stanzas)
    assert rejects["reason"].tolist() == ["prose"]


@pytest.mark.parametrize(
    ("said", "year"), [("c. 1612–13", 1612), ("1899", 1899), ("n.d.", None), (None, None), ("12345", None)]
)
def test_the_year_is_the_first_that_the_source_names(said, year):
    assert year_in(said) == year


def test_the_table_is_the_same_for_any_number_of_workers_and_any_order():
    records = [raw(numbered_poem(number % 1400), url=str(number)) for number in range(1600)]
    one = cleaned(records, PARAMS, workers=1)
    two = cleaned(records[::-1], PARAMS, workers=2)
    assert one[0].equals(two[0])
    assert one[1].equals(two[1])


def test_the_report_shows_what_each_rule_did():
    _, _, report = cleaned([raw(QUATRAIN.replace("rain", "r&aacute;in"))], PARAMS)
    assert report["rules"]["HTML remnants"]["examples"][0]["before"].startswith("the window fills with r&aacute;in,")
    assert report["rules"]["HTML remnants"]["examples"][0]["after"].startswith("the window fills with ráin,")


def test_the_report_shows_letters_that_came_back():
    tales = [raw(f"{QUATRAIN}\nit was the man's tale number {number}", url=str(number)) for number in range(5)]
    broken = raw("The window fills with rain\nand it is the man�s tale\nof spoons my mother drove again and again")
    _, _, report = cleaned([*tales, broken], PARAMS)
    assert report["rules"]["lost letters"] == {
        "changed": 1,
        "examples": [
            {
                "before": "and it is the man�s tale\nof spoons my mother drove again and again",
                "after": "and it is the man’s tale\nof spoons my mother drove again and again",
            }
        ],
    }


def write_raw(folder, records):
    folder.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps(record, ensure_ascii=False) for record in records)
    (folder / "attic.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_the_stage_writes_tables_and_report(tmp_path, monkeypatch):
    (tmp_path / "params.yaml").write_text(Path("params.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    write_raw(Path("data/raw"), [raw(QUATRAIN.replace("\n", "\u2028")), raw("short")])
    clean.main()
    poems, rejects = (read_table(Path(f"data/clean/{name}.parquet")) for name in ("poems", "rejects"))
    assert poems["text"].tolist() == [QUATRAIN]
    assert poems[["lines", "stanzas", "words"]].to_numpy().tolist() == [[4, 1, 22]]
    assert rejects["reason"].tolist() == ["too short"]
    assert rejects["text"].tolist() == ["short"]
    assert read_report(Path("metrics/clean.json"))["poems_kept"] == 1


def test_a_folder_without_poems_is_named(tmp_path):
    with pytest.raises(BadInput, match="there is no poem"):
        list(read_raw(tmp_path))


@pytest.mark.parametrize("line", ["{broken", "[]", '{"text": "no other field"}', "\udcff"])
def test_a_line_that_is_no_poem_is_named(tmp_path, line):
    write_raw(tmp_path, [raw(QUATRAIN)])
    with (tmp_path / "attic.jsonl").open("ab") as file:
        file.write(line.encode("utf-8", "surrogateescape") + b"\n")
    with pytest.raises(BadInput, match=r"attic\.jsonl: line 2"):
        list(read_raw(tmp_path))
