"""What the stage *clean* does with a folder of raw poems."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pytest

from pipeline import clean
from pipeline.clean import clean_corpus, poem_id, read_raw, year_in
from pipeline.common.params import Clean
from pipeline.common.stage import BadInput
from pipeline.common.tables import RAW_FIELDS, read_report, read_table

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
    ("said", "year"),
    [
        *[("c. 1612–13", 1612), ("1899", 1899), ("n.d.", None), (None, None), ("12345", None)],
        *[("1901.0", 1901), ("0", None), ("0.0", None), ("-", None)],
    ],
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
