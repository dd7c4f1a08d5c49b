"""Where a long poem is cut, and that nothing of it is lost."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.cleaning.splitting import cut_poem, starts_section
from pipeline.cleaning.typography import plain_words

words = st.sampled_from(["rain", "o'er", "well-worn", "río", "1914", "—", "II.", "Canto"])
lines = st.lists(words, min_size=1, max_size=5).map(" ".join)
poems = st.lists(st.lists(lines, min_size=1, max_size=6).map("\n".join), min_size=1, max_size=25).map("\n\n".join)


def stanza(word: str, count: int = 10) -> str:
    return "\n".join([f"{word} {word}"] * (count // 2))


@settings(max_examples=200)
@given(text=poems, max_words=st.integers(1, 60))
def test_every_word_line_and_stanza_is_kept(text, max_words):
    assert "\n\n".join(cut_poem(text, max_words)) == text


@settings(max_examples=200)
@given(text=poems, max_words=st.integers(1, 60))
def test_a_part_is_short_enough_or_a_single_stanza(text, max_words):
    for part in cut_poem(text, max_words):
        assert len(plain_words(part)) <= max_words or "\n\n" not in part


@settings(max_examples=100)
@given(text=poems)
def test_a_poem_that_is_short_enough_stays_whole(text):
    assert cut_poem(text, max(1, len(plain_words(text)))) == [text]


def test_parts_are_of_like_length_rather_than_one_full_and_one_nearly_empty():
    assert [part.count("\n\n") + 1 for part in cut_poem("\n\n".join([stanza("sea")] * 6), 50)] == [3, 3]


def test_a_cut_falls_where_a_section_begins_and_never_behind_its_heading():
    sections = [stanza("sea"), stanza("sea"), "II.", stanza("sky"), stanza("sky"), stanza("sky"), "III", stanza("sun")]
    parts = cut_poem("\n\n".join(sections), 45)
    assert [part.split("\n\n")[0] for part in parts] == [sections[0], "II."]


@pytest.mark.parametrize("line", ["II", "IV. The Return", "Canto Tercero", "[12]", "3.", "Book II", "ACT FIRST"])
def test_headings_begin_a_section(line):
    assert starts_section(f"{line}\nthe verse goes on")


@pytest.mark.parametrize("line", ["I am the river", "Part of me stayed behind", "Mix the wine", "12 swans", "scene"])
def test_verses_do_not(line):
    assert not starts_section(line)
