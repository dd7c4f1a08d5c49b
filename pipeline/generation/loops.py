"""Blocking loops while a poem is written, without blocking refrains.

Small models loop: a line, or a phrase at the end of every line, comes again and again. Human poems hardly ever repeat
four words except by repeating a whole line. So n-grams are blocked as by Paulus et al. ("A Deep Reinforced Model for
Abstractive Summarization", 2018, §2.5): the word that once followed three words may not follow them again. The
exception is a refrain, a whole earlier line, which may return if few lines do, rarely, and not too soon. Words are
compared without case and punctuation.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple
from weakref import WeakKeyDictionary

from transformers import PreTrainedTokenizerBase

from pipeline.common.text import bare

PREFIX_WORDS = 3  # when these come again, another word must follow
REFRAIN_SHARE = 0.28  # of all lines, plus one, may be repeats: triolets and villanelles stay below
MAX_REFRAINS = 2  # different lines that may return, as in a triolet and a villanelle
LINES_BETWEEN = 2  # other lines between a line and its return, as in a triolet and a villanelle
REPEATS_IN_A_ROW = 2  # as at the end of a villanelle


class LoopGuard:
    """The lines and n-grams of one poem so far, and the tokens that would start or close a loop.

    It works on the spellings of tokens; tokens without letters or digits do not count.

    Args:
        tokenizer: of the model that writes.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.spellings = spellings(tokenizer)
        self.written: list[str] = []  # spellings
        self.word_starts: list[int] = []  # indices into `written`
        self.in_word = False
        self.open_line: list[str] = []
        self.lines: list[list[str]] = []  # complete
        self.followers: dict[tuple[str, ...], set[str]] = defaultdict(set)  # by prefix: how the next word began
        self.repeats: list[list[str]] = []  # lines that returned, once for each return
        self.repeats_in_a_row = 0

    def forbidden(self) -> set[int]:
        """Tokens that may not come next."""
        repeating = self.followers.get(self._prefix(), set())
        line_repeats = self.open_line in self.lines
        if not repeating and not line_repeats:
            return set()
        refrains, length = self._allowed_refrains(), len(self.open_line)
        repeating = repeating - {
            line[length] for line in refrains if len(line) > length and line[:length] == self.open_line
        }
        line_ends = self.spellings.line_ends if line_repeats and self.open_line not in refrains else set()
        repeated = set().union(*(self.spellings.tokens[spelling] for spelling in repeating))
        if self.in_word:
            repeated &= self.spellings.spaced  # a word that has begun may be finished
        return line_ends | repeated

    def add(self, tokens: Sequence[int], completed: Sequence[str]) -> None:
        """Take in new tokens, and the text of the lines they completed."""
        for token in tokens:
            if spelling := self.spellings.of[token]:
                if token in self.spellings.spaced or not self.in_word:
                    if len(self.word_starts) >= PREFIX_WORDS:
                        self.followers[self._prefix()].add(spelling)
                    self.word_starts.append(len(self.written))
                self.written.append(spelling)
                self.open_line.append(spelling)
            self.in_word = bool(spelling)
        if completed and self.open_line:
            if self.open_line in self.lines:
                self.repeats.append(self.open_line)
                self.repeats_in_a_row += 1
            else:
                self.repeats_in_a_row = 0
            self.lines.append(self.open_line)
            self.open_line = []

    def _prefix(self) -> tuple[str, ...]:
        """The spellings of the last words; the very last word may be unfinished."""
        return tuple(self.written[self.word_starts[-PREFIX_WORDS:][0] :]) if self.word_starts else ()

    def _allowed_refrains(self) -> list[list[str]]:
        """The earlier lines that may come again now."""
        if self.repeats_in_a_row >= REPEATS_IN_A_ROW or len(self.repeats) > REFRAIN_SHARE * (len(self.lines) + 1):
            return []
        known = {tuple(line) for line in self.repeats}
        recent = self.lines[-LINES_BETWEEN:]
        return [
            line for line in self.lines if line not in recent and (len(known) < MAX_REFRAINS or tuple(line) in known)
        ]


class Spellings(NamedTuple):
    """How a tokenizer's tokens are spelled, without case and punctuation; `#id` for a part of a character."""

    of: list[str]  # by token
    tokens: dict[str, set[int]]  # by spelling
    spaced: set[int]  # tokens that start with a space
    line_ends: set[int]  # tokens that contain a newline


# A decoder lives as long as one call of `write_poems`, a table as long as its tokenizer, which is that of the model.
_tables: WeakKeyDictionary[PreTrainedTokenizerBase, Spellings] = WeakKeyDictionary()


def spellings(tokenizer: PreTrainedTokenizerBase) -> Spellings:
    """The spellings of a tokenizer's tokens, built once per tokenizer and freed with it."""
    if tokenizer not in _tables:
        pieces = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
        decoder = tokenizer.backend_tokenizer.decoder  # takes a quarter of the time of tokenizer.decode
        texts = [decoder.decode([piece]) for piece in pieces] if decoder else pieces
        of = [f"#{token}" if "\N{REPLACEMENT CHARACTER}" in text else bare(text) for token, text in enumerate(texts)]
        tokens: dict[str, set[int]] = defaultdict(set)
        for token, spelling in enumerate(of):
            tokens[spelling].add(token)
        spaced = {token for token, text in enumerate(texts) if text.startswith(" ")}
        line_ends = {token for token, text in enumerate(texts) if "\n" in text}
        _tables[tokenizer] = Spellings(of, tokens, spaced, line_ends)
    return _tables[tokenizer]
