"""What keeps a poem from going round in circles, and still lets a refrain come back.

Small models loop: a line, or a phrase at the end of every line, comes again and again. People hardly repeat four words
in a poem unless they repeat the line. So a stretch of tokens comes once, except inside a whole line that comes again;
and whole lines come again only so often, and few of them in a row.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

STRETCH = 7  # tokens, four or five words
REFRAINS = 0.28  # of the lines, and one more, may be earlier lines come again: triolets and villanelles stay below
IN_A_ROW = 2  # earlier lines may follow each other, as a villanelle's last two do


class Loops:
    """The lines and stretches of one poem so far, and the tokens that would start or close a circle.

    Args:
        tokenizer: of the model that writes.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.tokenizer = tokenizer
        self.tokens: list[int] = []
        self.line: list[int] = []  # tokens of the line being written
        self.lines: list[list[int]] = []  # tokens of those before it
        self.followers: dict[tuple[int, ...], set[int]] = defaultdict(set)  # what came after a stretch less one
        self.coming: Counter[str] = Counter()
        self.looping: set[str] = set()  # lines that came again since the last new one
        self.refrains = 0  # lines that had come before
        self.returning = 0  # of them since the last new one

    def forbidden(self) -> set[int]:
        """The tokens that may not come next."""
        if self.looping and not self.line:
            return self._beginnings()
        repeating = self.followers.get(tuple(self.tokens[1 - STRETCH :]), set())
        if self.returning < IN_A_ROW and self.refrains <= REFRAINS * (len(self.lines) + 1):
            length = len(self.line)
            repeating = repeating - {
                line[length] for line in self.lines if len(line) > length and line[:length] == self.line
            }
        return repeating

    def add(self, tokens: Sequence[int], completed: Sequence[str]) -> None:
        """Take in tokens that were written, and as text the lines that they completed."""
        for token in tokens:
            if len(self.tokens) >= STRETCH - 1:
                self.followers[tuple(self.tokens[1 - STRETCH :])].add(token)
            self.tokens.append(token)
            self.line.append(token)
        for line in filter(None, map(str.strip, completed)):
            self.coming[line] += 1
            if self.coming[line] == 1:
                self.looping.clear()
                self.returning = 0
            else:
                self.looping.add(line)
                self.refrains += 1
                self.returning += 1
        if completed:
            self.lines.append(self.line)
            self.line = []

    def _beginnings(self) -> set[int]:
        """The first tokens of the lines that loop."""
        texts = [space + line for line in self.looping for space in ("", " ")]
        return {self.tokenizer.encode(text, add_special_tokens=False)[0] for text in texts}
