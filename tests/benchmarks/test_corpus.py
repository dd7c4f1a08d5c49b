"""A corpus made larger: copies that look like their poems and are none of their duplicates."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.copies import shuffled, write_copies
from benchmarks.corpus import report, run_stages
from pipeline.cleaning.duplicates import similarity, sketch_texts
from tests.support.made_up import SENTENCES

verses = st.lists(st.text("abcñ í", max_size=20), max_size=12).map("\n".join)


@given(text=verses, copy=st.integers(1, 40))
def test_a_copy_has_the_same_words_and_as_many_in_each_line(text, copy):
    made = shuffled(text, copy)
    assert sorted(made.split()) == sorted(text.split())
    words, made_words = ([len(line.split()) for line in each.split("\n")] for each in (text, made))
    assert made_words == words
    assert made == shuffled(text, copy)


def test_copies_are_no_duplicates_of_one_another():
    text = "\n".join(SENTENCES.values()).replace(" ", "\n", 5)
    sketches = sketch_texts([text, *(shuffled(text, copy) for copy in range(1, 8))])
    alike = [similarity(one.shingles, two.shingles) for one in sketches for two in sketches if one is not two]
    assert max(alike) < 0.3


def test_a_corpus_three_times_as_large_begins_with_itself(tmp_path):
    records = [{"text": "one two\nthree", "title": "T"}, {"text": "", "title": None}]
    write_copies(lambda: iter(records), 3, tmp_path)
    files = [[json.loads(line) for line in path.read_text().splitlines()] for path in sorted(tmp_path.iterdir())]
    assert files[0] == records
    assert [[record["title"] for record in file] for file in files] == [["T", None]] * 3


@pytest.mark.slow
@pytest.mark.parametrize(("last", "titles"), [("scrape", ["Cost"]), ("clean", ["Poems", "Poems changed, by rule"])])
def test_stages_up_to_any_of_them_are_reported(tmp_path, last, titles):
    corpus, stages = tmp_path / "corpus", tmp_path / "stages"
    for folder in (corpus, stages):
        folder.mkdir()
    text = "\n".join(SENTENCES.values())
    write_copies(
        lambda: iter([{"text": text, "title": "T", "author": "A", "language": "en", "licence": None}]), 3, corpus
    )
    costs = run_stages(corpus, {"title": "title", "author": "author", "language": "language"}, stages, last)
    tables = report(stages, costs)
    assert last in costs
    assert all(f"## {title}\n" in tables for title in titles)
    assert "## Kept" not in tables  # which `tag` decides
