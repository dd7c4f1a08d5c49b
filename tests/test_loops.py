"""A poem may not go round in circles, and a refrain may still come back."""

import pytest

from pipeline.loops import STRETCH, Loops
from tests.conftest import tiny_tokenizer

NEWLINE = 0


def written(lines: list[list[int]]) -> tuple[Loops, list[tuple[int, int]]]:
    """A poem of lines of tokens taken in, and each place, by line and position, that was forbidden on the way."""
    loops, forbidden = Loops(tiny_tokenizer(begin=True)), []
    for number, line in enumerate(lines):
        for position, token in enumerate([*line, NEWLINE]):
            if token in loops.forbidden():
                forbidden.append((number, position))
            loops.add([token], [" ".join(map(str, line))] if token == NEWLINE else [])
    return loops, forbidden


def new_line(number: int, length: int = 8) -> list[int]:
    return list(range(100 * number + 100, 100 * number + 100 + length))


def test_a_stretch_of_tokens_comes_once():
    phrase = list(range(1, STRETCH + 1))
    _, forbidden = written([[50, *phrase], [60, *phrase], [70, *phrase]])
    assert [line for line, _ in forbidden] == [1, 1, 2, 2]  # the last token of the phrase, and the end of the line


def test_less_than_a_stretch_comes_as_often_as_it_likes():
    phrase = list(range(1, STRETCH - 1))
    _, forbidden = written([[50 + number, *phrase, 80 + number] for number in range(9)])
    assert forbidden == []


@pytest.mark.parametrize(
    "form",
    [
        [1, 2, 3, 1, 4, 5, 1, 2],  # a triolet: lines 1, 4 and 7 are one, lines 2 and 8 another
        [1, 20, 2, 3, 21, 1, 4, 22, 2, 5, 23, 1, 6, 24, 2, 7, 25, 1, 2],  # a villanelle
        [1, 2, 3, 99, 4, 5, 6, 99, 7, 8, 9, 99, 10, 11, 12, 99],  # a song with a refrain
    ],
)
def test_the_refrains_of_fixed_forms_come_back_whole(form):
    _, forbidden = written([new_line(line) for line in form])
    assert forbidden == []


def test_a_circle_of_lines_is_stopped_in_its_second_round():
    circle = [new_line(line) for line in (1, 2, 3)]
    _, forbidden = written([*circle, *circle, *circle])
    assert min(line for line, _ in forbidden) == 5


def test_a_variation_on_the_end_of_a_line_is_stopped_where_it_falls_back_into_the_line():
    first = new_line(1, 12)
    varied = [7, *first[1:]]
    _, forbidden = written([first, varied])
    assert forbidden[0] == (1, STRETCH)
