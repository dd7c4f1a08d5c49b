"""Which poems count as one, which copy stays, and which may not cross the test split."""

from itertools import combinations
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.clean import verdicts
from pipeline.cleaning.duplicates import (
    SketchFiles,
    components,
    exact_key,
    find_duplicates,
    normalise,
    sharing_pairs,
    shingles,
    similarity,
    sketch_texts,
)
from pipeline.cleaning.workspace import open_workspace

VOCABULARY = [f"{start}{middle}{end}" for start in "bcdfglmnprst" for middle in "aeiou" for end in ("ra", "lo", "n")]


def verse(random, lines=14, words=7):
    return [" ".join(random.choices(VOCABULARY, k=words)) for _ in range(lines)]


def poem(text, poem_id, **fields):
    known = {
        "author": "Ana Poe",
        "title": "T",
        "declared_language": "en",
        "licence": "CC0",
        "style": None,
        "collection": None,
        "url": poem_id,
    }
    return {**known, "poem_id": poem_id, "text": text, "words": len(text.split()), **fields}


def edition_of(lines, random, share=0.05):
    """The same poem in another print: other spelling here and there, other capitals, marks and stanzas."""
    changed = [
        " ".join(word + "e" if random.random() < share else word for word in line.split()).capitalize()
        + random.choice(",;")
        for line in lines
    ]
    return "\n".join([*changed[:8], "", *changed[8:]])


def kept_ids(poems, duplicate=0.55, cluster=0.3):
    """The clusters of the poems kept, by id, and the verdicts on those dropped, as *clean* has them."""
    with TemporaryDirectory() as folder, open_workspace(Path(folder)) as workspace:
        for each in poems:
            workspace.add(each, None)
        best_first = workspace.best_first()
        sketches = sketch_texts(list(workspace.texts(best_first["row"])))
        found = find_duplicates(best_first["id"], sketches, duplicate, cluster, Path(folder))
        workspace.judge(verdicts(best_first, found))
        kept, dropped = list(workspace.kept()), list(workspace.rejected())
    return {each["poem_id"]: each["cluster"] for each in kept}, {each["poem_id"]: each for each in dropped}


@pytest.fixture
def files(tmp_path):
    """Puts sketches of texts on disk."""
    return lambda texts: SketchFiles(tmp_path, sketch_texts(texts), rows=3)


def test_case_accents_and_punctuation_do_not_tell_poems_apart():
    assert exact_key(normalise("¡Canción, señora!\n\nO'er")) == exact_key(normalise("cancion senora oer"))
    assert exact_key(normalise("one two")) != exact_key(normalise("two one"))


def test_an_exact_copy_is_dropped_and_names_the_one_kept():
    text = "\n".join(verse(Random(0)))
    kept, dropped = kept_ids([poem(text, "a"), poem(text.upper() + "\n", "b")])
    assert kept == {"a": "a"}
    assert (dropped["b"]["reason"], dropped["b"]["detail"]) == ("exact duplicate", "of a")


@pytest.mark.parametrize("seed", range(8))
def test_two_editions_of_a_poem_are_one(seed):
    random = Random(seed)
    lines = verse(random)
    kept, dropped = kept_ids([poem("\n".join(lines), "a"), poem(edition_of(lines, random), "b", author=None)])
    assert kept == {"a": "a"}
    assert dropped["b"]["reason"] == "near duplicate"
    assert dropped["b"]["detail"].endswith(" like a")


@pytest.mark.parametrize("seed", range(8))
def test_two_sonnets_that_share_a_line_are_two(seed):
    random = Random(seed)
    first, second = verse(random), verse(random)
    second[5] = first[0]
    kept, dropped = kept_ids([poem("\n".join(first), "a"), poem("\n".join(second), "b")])
    assert kept == {"a": "a", "b": "b"}
    assert not dropped


def test_the_best_copy_stays():
    text = "\n".join(verse(Random(1)))
    copies = [
        poem(text.replace("a", "�", 1), "a"),
        poem(text, "b", author=None),
        poem(text, "d"),
        poem(text, "c"),
    ]
    kept, dropped = kept_ids(copies)
    assert list(kept) == ["c"]
    assert sorted(dropped) == ["a", "b", "d"]


def test_poems_that_resemble_each_other_share_a_cluster_and_both_stay():
    random = Random(2)
    first, second = verse(random), verse(random)
    second[:9] = first[:9]
    other = verse(random)
    kept, dropped = kept_ids(
        [poem("\n".join(lines), name) for lines, name in ((first, "a"), (second, "b"), (other, "c"))]
    )
    assert kept["a"] == kept["b"] != kept["c"]
    assert not dropped


def test_old_and_new_spelling_are_one_poem():
    old = """Loue came vp the stayre with ioyes and a candell burninge,
    the moone was verie yonge and the nyght was neere its turninge.
    I neuer knewe a house so full of doores and so vnlocked,
    nor anie guest so late as hee, who neyther rang nor knocked."""
    new = """Love came up the stair with joys and a candle burning;
    the moon was very young and the night was near its turning.
    I never knew a house so full of doors and so unlocked,
    nor any guest so late as he, who neither rang nor knocked."""
    kept, dropped = kept_ids([poem(old, "a"), poem(new, "b")])
    assert (len(kept), len(dropped)) == (1, 1)


def test_an_excerpt_shares_the_cluster_of_its_poem(files):
    lines = verse(Random(3), lines=40)
    whole, part = "\n".join(lines), "\n".join(lines[10:16])
    kept, _ = kept_ids([poem(whole, "a"), poem(part, "b")])
    assert kept["a"] == kept["b"]
    assert files([whole, part]).overlapping_pairs(0.9).tolist() == [[0, 1]]


def test_a_poem_far_from_the_kept_one_is_not_dropped_through_a_middle_one():
    random = Random(4)
    lines = verse(random, lines=30)
    middle = lines[:24] + verse(random, lines=6)
    far = middle[:5] + verse(random, lines=6) + middle[11:]
    copies = [poem("\n".join(text), name) for text, name in ((lines, "a"), (middle, "b"), (far, "c"))]
    sets = [shingles(normalise(each["text"])) for each in copies]
    assert min(similarity(sets[0], sets[1]), similarity(sets[1], sets[2])) > 0.55 > similarity(sets[0], sets[2])
    assert sorted(kept_ids(copies, duplicate=0.55)[0]) == ["a", "c"]


def test_every_pair_proposed_is_really_that_alike_and_few_are_missed(files):
    random = Random(5)
    texts = []
    for _ in range(60):
        lines = verse(random)
        texts += ["\n".join(lines), edition_of(lines, random, share=random.choice([0.02, 0.1, 0.2]))]
    sketches = sketch_texts(texts)
    sets, words = zip(*((sketch.shingles, sketch.exact) for sketch in sketches), strict=True)
    pairs, alike = files(texts).similar_pairs(0.35)
    found = dict(zip(map(tuple, pairs.tolist()), alike.tolist(), strict=True))
    real = {
        (first, second): similarity(sets[first], sets[second])
        for second in range(len(sets))
        for first in range(second)
        if words[first] != words[second] and similarity(sets[first], sets[second]) >= 0.35
    }
    assert found.items() <= real.items()
    assert len(found) >= 0.95 * len(real) > 40


@settings(max_examples=30)
@given(order=st.permutations(range(9)))
def test_the_order_of_the_poems_does_not_matter(order):
    random = Random(6)
    poems = []
    for number in range(3):
        lines = verse(random)
        poems += [poem(edition_of(lines, random), f"{number}{copy}") for copy in range(3)]
    assert kept_ids([poems[place] for place in order]) == kept_ids(poems)


@settings(max_examples=50)
@given(owned=st.lists(st.frozensets(st.integers(0, 9)), max_size=8), most=st.none() | st.integers(2, 4))
def test_owners_of_a_key_are_paired_unless_it_has_too_many(owned, most):
    keys = np.array([key for own in owned for key in sorted(own)], dtype=np.uint64)
    owners = np.array([owner for owner, own in enumerate(owned) for _ in own], dtype=np.int64)
    holders = [[owner for owner, own in enumerate(owned) if key in own] for key in range(10)]
    expected = [pair for held in holders if len(held) <= (most or 99) for pair in combinations(held, 2)]
    assert sorted(map(tuple, sharing_pairs(keys, owners, most).tolist())) == sorted(expected)


@settings(max_examples=50)
@given(pairs=st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=15))
def test_components_are_what_walking_the_pairs_reaches(pairs):
    lowest = components(12, np.array(pairs, dtype=np.int64).reshape(-1, 2))
    reached = {place: {place} for place in range(12)}
    for _ in range(12):
        for first, second in pairs:
            union = reached[first] | reached[second]
            for place in union:
                reached[place] = reached[place] | union
    assert lowest.tolist() == [min(reached[place]) for place in range(12)]


def test_poems_of_one_word_and_of_none_do_no_harm():
    kept, dropped = kept_ids([poem("sun", "a"), poem("moon", "b"), poem("!", "c")])
    assert sorted(kept) == ["a", "b", "c"]
    assert not dropped


def test_lines_read_in_many_parts_give_the_same_pairs(files, monkeypatch):
    random = Random(7)
    texts = []
    for _ in range(20):
        lines = verse(random, lines=30)
        texts += ["\n".join(lines), "\n".join(lines[5:12])]
    expected = [[place, place + 1] for place in range(0, 40, 2)]
    assert files(texts).overlapping_pairs(0.9).tolist() == expected
    monkeypatch.setattr("pipeline.cleaning.duplicates._LINES_AT_ONCE", 50)
    assert files(texts).overlapping_pairs(0.9).tolist() == expected
