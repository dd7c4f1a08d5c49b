"""The labelled set that taggers are compared on."""

from random import Random

import pandas as pd
import pytest
from ruamel.yaml import YAML

from benchmarks.language import (
    DOUBTFUL,
    HALVES,
    SHARES,
    UNCERTAIN,
    halve,
    labelled_poems,
    mixture,
    precision_in_a_corpus,
    report,
    share,
)
from tests.support.made_up import made_up_poem, made_up_poems


@pytest.mark.parametrize("foreign", SHARES)
def test_a_mixture_has_its_share_of_foreign_lines_in_one_stretch_and_keeps_the_stanzas(foreign):
    own, other = made_up_poem("en", 12, 0), made_up_poem("es", 12, 0)
    mixed = mixture(own, other, foreign, Random(3))
    assert [not line for line in mixed.split("\n")] == [not line for line in own.split("\n")]
    lines = [line for line in mixed.split("\n") if line]
    from_other = [line in other.split("\n") for line in lines]
    assert foreign <= sum(from_other) / len(lines) < foreign + 1 / len(lines)
    assert "".join("x" if flag else " " for flag in from_other).strip() == "x" * sum(from_other)


def test_no_mixture_is_made_where_lines_lack():
    assert mixture("a\nb\nc", "d\ne\nf", 0.5, Random(0)) is None
    assert mixture(made_up_poem("en", 12, 0), "d\ne", 0.5, Random(0)) is None
    assert mixture(made_up_poem("en", 12, 0), "XIV\n" * 40, 0.5, Random(0)) is None


def test_every_poem_with_a_certain_label_is_in_one_half():
    poems = made_up_poems(40)
    halves = [halve(poems, half)["poem_id"].tolist() for half in HALVES]
    assert all(halves)
    assert sorted(halves[0] + halves[1]) == sorted(poems["poem_id"])
    assert halve(poems.assign(author=UNCERTAIN[0]), HALVES[0]).empty


@pytest.mark.parametrize("half", HALVES)
def test_the_set_is_the_same_for_the_same_seed_and_says_what_is_to_be_kept(half):
    poems = made_up_poems(6).assign(declared_language=lambda table: table["language"])
    rows = list(labelled_poems(poems, 8, half))
    assert rows == list(labelled_poems(poems, 8, half))
    kept_out = ["Portuguese", "Galician", "Catalan", "Latin"]
    assert {row["kind"]: row["keep"] for row in rows} == {
        **{f"{code}, {kind}": True for code in ("en", "es") for kind in ("whole", "four lines")},
        **{f"{code}, {part:.0%} foreign lines": False for code in ("en", "es") for part in SHARES},
        **dict.fromkeys(["old Spanish", "English of old or of the country"], True),
        **dict.fromkeys([*kept_out, "Scots", "en, 20% or more Scots lines"], False),
        **{f"es, 20% or more {kind} lines": False for kind in kept_out},
    }
    assert len({row["text"] for row in rows if row["declared_language"] == "es"}) > 40


def test_a_share_comes_with_its_interval():
    assert share(99, 100) == "99.0% (94.6%–99.8%)"
    assert share(0, 0) == "–"


def test_precision_depends_on_how_many_poems_do_not_belong():
    assert precision_in_a_corpus(0.9, 0.1, 0.5) == pytest.approx(0.9)
    assert precision_in_a_corpus(1.0, 0.1, 0.01) == pytest.approx(990 / 991)
    assert precision_in_a_corpus(0.9, 0.0, 0.5) == 1.0


def test_what_a_reader_found_comes_with_the_poem_and_changes_no_label():
    doubtful = next(entry for entry in YAML(typ="safe").load(DOUBTFUL) if not entry["belongs"])
    poems = made_up_poems(6).assign(declared_language=lambda table: table["language"], author="Another")
    poems.loc[0, ["author", "title"]] = doubtful["author"], doubtful["title"]
    rows = pd.DataFrame(labelled_poems(poems, 6, HALVES[0]))
    read = rows[rows["title"] == doubtful["title"]]
    assert (read["keep"].tolist(), read["belongs"].tolist()) == ([True, True], [False, False])
    assert set(read["found"]) == {doubtful["found"]}
    assert rows.drop(read.index)[["found", "belongs"]].isna().all(axis=None)


def test_the_second_recall_leaves_out_what_does_not_belong_whoever_kept_it():
    rows = [
        {"kind": "en, whole", "declared_language": "en", "text": text, "keep": keep, "author": "A", "title": text}
        for text, keep in [("fine", True), ("lost", True), ("latin", True), ("mixed", False)]
    ]
    poems = pd.DataFrame(rows).assign(found=None, belongs=None)
    poems.loc[2, ["found", "belongs"]] = "all Latin", False
    tables = report(
        poems,
        {"ours": [True, False, False, False], "another": [True, True, True, True]},
        dict.fromkeys(("ours", "another"), 1.0),
    )
    scores = {line.split(" | ")[0]: line.split(" | ")[2:4] for line in tables.split("\n") if "%)" in line}
    assert scores == {"| ours": [share(1, 3), share(1, 2)], "| another": [share(3, 3), share(2, 2)]}
    assert "without the 1 that a reader found" in tables
    assert "| en, whole | A | latin | latin | all Latin |" in tables
    assert "| en, whole | A | lost | lost | – |" in tables
