"""Loops are blocked, and refrains may return."""

import gc
import re
import weakref

import pytest
from tokenizers import Tokenizer, models
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from pipeline.common.text import bare
from pipeline.generation.loops import PREFIX_WORDS, LoopGuard, spellings
from tests.support.made_up import FAMILIES

WORDS = ["\n", ",", " Lluvia", " lluvia", *(f" w{number}" for number in range(4000)), *(f"-w{n}" for n in range(9))]
TOKENIZER = PreTrainedTokenizerFast(
    tokenizer_object=Tokenizer(models.WordLevel({word: token for token, word in enumerate(WORDS)}, unk_token="\n"))
)


def tokens(line: str) -> list[int]:
    """One for every word, comma and, from its hyphen on, second half of a word."""
    return [WORDS.index(part) for part in re.findall(r",|-\w+| \w+", f" {line}")]


def written(lines: list[str]) -> tuple[LoopGuard, list[tuple[int, int]]]:
    """A guard that has read these lines, and each place, as line and position, that it forbade on the way."""
    guard, forbidden = LoopGuard(TOKENIZER), []
    for number, line in enumerate(lines):
        for position, token in enumerate([*tokens(line), WORDS.index("\n")]):
            if token in guard.forbidden():
                forbidden.append((number, position))
            guard.add([token], [line] if token == WORDS.index("\n") else [])
    return guard, forbidden


def new_line(number: int, length: int = 8) -> str:
    return " ".join(f"w{20 * number + place}" for place in range(length))


PHRASE = " ".join(f"w{place}" for place in range(3900, 3900 + PREFIX_WORDS))


def test_the_same_words_may_not_be_followed_by_the_same_word_again():
    _, forbidden = written([f"w1 {PHRASE} w2", f"w3 {PHRASE} w4", f"w5 {PHRASE} w2"])
    assert forbidden == [(2, PREFIX_WORDS + 1)]


def test_a_word_of_many_tokens_is_one_word_and_is_never_broken_off():
    parts = "w10-w1-w2-w3 w11-w4 w12-w5-w6"
    _, forbidden = written([f"w1 {parts} w2", f"w3 {parts} w2"])
    assert forbidden == [(1, 10)]  # the word after it, and no part of a word that has begun
    _, forbidden = written([f"w1 {parts} w2", f"w3 {parts}-w7 w2"])
    assert forbidden == []


def test_case_and_commas_hide_no_repetition():
    guard, _ = written(["w1 w2 Lluvia w3 w4 w5", "w6, w7"])
    guard.add(tokens("w2, lluvia w3, w4"), [])
    assert guard.forbidden() == {WORDS.index(" w5")}
    guard, _ = written(["w1 w2 w3 w4 w5 Lluvia", "w6"])
    guard.add(tokens("w2 w3 w4 w5"), [])
    assert guard.forbidden() == {WORDS.index(" lluvia"), WORDS.index(" Lluvia")}


@pytest.mark.parametrize(
    "form",
    [
        [1, 2, 3, 1, 4, 5, 1, 2],  # a triolet: lines 1, 4 and 7 are one, lines 2 and 8 another
        [1, 20, 2, 3, 21, 1, 4, 22, 2, 5, 23, 1, 6, 24, 2, 7, 25, 1, 2],  # a villanelle
        [1, 2, 3, 99, 4, 5, 6, 99, 7, 8, 9, 99, 10, 11, 12, 99],  # a song with a refrain
    ],
)
@pytest.mark.parametrize("length", [2, 8])
def test_the_refrains_of_fixed_forms_may_return(form, length):
    _, forbidden = written([new_line(line, length) for line in form])
    assert forbidden == []


@pytest.mark.parametrize("length", [1, 2, 8])
def test_a_loop_of_lines_is_stopped_in_its_second_round(length):
    _, forbidden = written([new_line(line, length) for line in (1, 2, 3) * 3])
    assert min(line for line, _ in forbidden) in (4, 5)


@pytest.mark.parametrize("length", [1, 8])
def test_a_line_does_not_come_twice_in_a_row(length):
    _, forbidden = written([new_line(line, length) for line in (1, 2, 3, 4, 4)])
    assert {line for line, _ in forbidden} == {4}


def test_two_other_lines_stand_between_a_line_and_its_return():
    assert written([new_line(line) for line in (1, 2, 3, 4, 5, 3)])[1] == []
    _, forbidden = written([new_line(line) for line in (1, 2, 3, 4, 5, 4)])
    assert {line for line, _ in forbidden} == {5}


def test_no_third_line_becomes_a_refrain():
    lines = [*range(1, 9), 1, 9, 10, 11, 2, 12, 13, 14, 3]
    _, forbidden = written([new_line(line) for line in lines])
    assert {line for line, _ in forbidden} == {len(lines) - 1}


def test_a_variation_on_the_end_of_a_line_is_stopped_where_it_falls_back_into_the_line():
    first = new_line(1, 12)
    _, forbidden = written([first, first.replace("w20 ", "w7 ")])
    assert forbidden[0] == (1, PREFIX_WORDS + 1)


@pytest.mark.parametrize("family", FAMILIES)
def test_spellings_match_the_decoded_tokens_and_are_freed_with_their_tokenizer(tiny_bases, family):
    tokenizer = AutoTokenizer.from_pretrained(tiny_bases[family])
    texts = [tokenizer.decode([token]) for token in range(len(tokenizer))]
    whole = {token: text for token, text in enumerate(texts) if "\N{REPLACEMENT CHARACTER}" not in text}
    found = spellings(tokenizer)
    assert {token: found.of[token] for token in whole} == {token: bare(text) for token, text in whole.items()}
    assert len({found.of[token] for token in range(len(texts)) if token not in whole}) == len(texts) - len(whole)
    assert found.spaced == {token for token, text in enumerate(texts) if text.startswith(" ")} != set()
    assert found.line_ends == {token for token, text in enumerate(texts) if "\n" in text} != set()
    freed = weakref.ref(tokenizer)
    del tokenizer
    gc.collect()
    assert freed() is None  # the table, which is kept by its tokenizer, keeps no reference to it
