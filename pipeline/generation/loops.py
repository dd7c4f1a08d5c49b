"""What keeps a poem from going round in circles, and still lets a refrain come back.

Small models loop: a line, or a phrase at the end of every line, comes again and again. People hardly repeat four words
in a poem unless they repeat the line. So the word that followed three does not follow them again, except in a whole
line that comes again; and few lines come again, only so often, and not soon. Case and punctuation hide no
repetition.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple
from weakref import WeakKeyDictionary

from transformers import PreTrainedTokenizerBase

from pipeline.common.text import bare

STRETCH = 3  # words that once stood together; when they do again, another word follows
REFRAINS = 0.28  # of the lines, and one more, may be earlier lines come again: triolets and villanelles stay below
DIFFERENT = 2  # lines may come again, as in both of these
BETWEEN = 2  # other lines stand between a line and its return, as in both of these
IN_A_ROW = 2  # earlier lines may follow each other, as a villanelle's last two do


class Loops:
    """The lines and stretches of one poem so far, and the tokens that would start or close a circle.

    A poem is looked at as the spellings of its tokens, and a token without letters or digits is none of it.

    Args:
        tokenizer: of the model that writes.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.spellings = spellings(tokenizer)
        self.written: list[str] = []
        self.words: list[int] = []  # where in `written` each begins
        self.in_word = False
        self.line: list[str] = []  # the one being written
        self.lines: list[list[str]] = []  # those before it
        self.followers: dict[tuple[str, ...], set[str]] = defaultdict(set)  # how the word after a stretch began
        self.refrains: list[list[str]] = []  # lines that came again, each time
        self.returning = 0  # of them since the last new one

    def forbidden(self) -> set[int]:
        """The tokens that may not come next."""
        repeating = self.followers.get(self._stretch(), set())
        again = self.line in self.lines
        if not repeating and not again:
            return set()
        refrains, length = self._refrains(), len(self.line)
        repeating = repeating - {line[length] for line in refrains if len(line) > length and line[:length] == self.line}
        closing = self.spellings.line_ends if again and self.line not in refrains else set()
        repeated = set().union(*(self.spellings.tokens[spelling] for spelling in repeating))
        if self.in_word:
            repeated &= self.spellings.spaced  # a word that has begun may end
        return closing | repeated

    def add(self, tokens: Sequence[int], completed: Sequence[str]) -> None:
        """Take in tokens that were written, and as text the lines that they completed."""
        for token in tokens:
            if spelling := self.spellings.of[token]:
                if token in self.spellings.spaced or not self.in_word:
                    if len(self.words) >= STRETCH:
                        self.followers[self._stretch()].add(spelling)
                    self.words.append(len(self.written))
                self.written.append(spelling)
                self.line.append(spelling)
            self.in_word = bool(spelling)
        if completed and self.line:
            if self.line in self.lines:
                self.refrains.append(self.line)
                self.returning += 1
            else:
                self.returning = 0
            self.lines.append(self.line)
            self.line = []

    def _stretch(self) -> tuple[str, ...]:
        """The last words, of which the very last may go on."""
        return tuple(self.written[self.words[-STRETCH:][0] :]) if self.words else ()

    def _refrains(self) -> list[list[str]]:
        """The lines that may come now."""
        if self.returning >= IN_A_ROW or len(self.refrains) > REFRAINS * (len(self.lines) + 1):
            return []
        known = {tuple(line) for line in self.refrains}
        recent = self.lines[-BETWEEN:]
        return [line for line in self.lines if line not in recent and (len(known) < DIFFERENT or tuple(line) in known)]


class Spellings(NamedTuple):
    """How a tokenizer's tokens are spelled, bare of case and punctuation; a part of a character by its number alone."""

    of: list[str]  # by token
    tokens: dict[str, set[int]]  # of each spelling
    spaced: set[int]  # tokens that begin with a space
    line_ends: set[int]  # tokens that end a line


spelled: WeakKeyDictionary[PreTrainedTokenizerBase, Spellings] = WeakKeyDictionary()  # which go with their tokenizers


def spellings(tokenizer: PreTrainedTokenizerBase) -> Spellings:
    """The spellings of a tokenizer's tokens, worked out once for each tokenizer."""
    if tokenizer not in spelled:
        pieces = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
        decoder = tokenizer.backend_tokenizer.decoder  # a quarter of the time that tokenizer.decode takes
        texts = [decoder.decode([piece]) for piece in pieces] if decoder else pieces
        of = [f"#{token}" if "\N{REPLACEMENT CHARACTER}" in text else bare(text) for token, text in enumerate(texts)]
        tokens: dict[str, set[int]] = defaultdict(set)
        for token, spelling in enumerate(of):
            tokens[spelling].add(token)
        spaced = {token for token, text in enumerate(texts) if text.startswith(" ")}
        spelled[tokenizer] = Spellings(of, tokens, spaced, {token for token, text in enumerate(texts) if "\n" in text})
    return spelled[tokenizer]
