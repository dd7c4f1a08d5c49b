"""The labelled set that taggers are compared on."""

from random import Random

import pytest

from benchmarks.language import (
    HALVES,
    SHARES,
    UNCERTAIN,
    halve,
    labelled_poems,
    mixture,
    precision_in_a_corpus,
    share,
)
from tests.conftest import made_up_poem, made_up_poems


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


def test_precision_hangs_on_how_many_poems_do_not_belong():
    assert precision_in_a_corpus(0.9, 0.1, 0.5) == pytest.approx(0.9)
    assert precision_in_a_corpus(1.0, 0.1, 0.01) == pytest.approx(990 / 991)
    assert precision_in_a_corpus(0.9, 0.0, 0.5) == 1.0
