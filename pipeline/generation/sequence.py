"""A poem being written: the tokens it is asked for with, those that came, and when it is done."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from string import whitespace

from transformers import PreTrainedTokenizerBase

from pipeline.common.params import Generation
from pipeline.common.stage import BadInput
from pipeline.generation.loops import Loops
from pipeline.modeling.prompt import Request, encode_header, encode_text

TOKENS_PER_WORD = 4  # the most a poem may spend on average, so that one that never breaks into words ends too
HALF_CHARACTER = "\N{REPLACEMENT CHARACTER}"  # what the first bytes of a character decode to

Fusion = Sequence[tuple[Request, float]]  # requests to follow at once, and how much of each


@dataclass(frozen=True)
class Poem:
    """What was written, and whether it came to its end there or a limit in words or tokens cut it off."""

    text: str
    ended: bool


class Draft:
    """A poem being written.

    Args:
        tokenizer: of the model that writes.
        asked: a request, or several to follow at once, each with its weight.
        sampling: how tokens are drawn and where the poem stops.
        seed: of the draft's own random numbers, of which it spends one a token.
        spoken_languages: names of languages by code, for a base model, which lacks the language tokens.
        context: tokens the model reads.

    Raises:
        BadInput: the first line leaves no room for a poem, or the requests cannot be followed at once.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        asked: Request | Fusion,
        sampling: Generation,
        seed: int,
        spoken_languages: dict[str, str] | None,
        context: int,
    ) -> None:
        requests, self.weights = _parts(asked)
        self.tokenizer, self.sampling, self.random = tokenizer, sampling, random.Random(seed)
        self.first_line = requests[0].first_line.strip()
        self.opening = encode_text(tokenizer, self.first_line)
        spoken = spoken_languages and spoken_languages[requests[0].language]
        self.prompts = [encode_header(tokenizer, request, spoken) + self.opening for request in requests]
        room = context - max(map(len, self.prompts))
        self.room = min(TOKENS_PER_WORD * sampling.max_words, room)  # tokens that may be written
        if self.room <= 0 or len(self.first_line.split()) >= sampling.max_words:
            problem = f"its {len(self.first_line.split())} words leave no room for a poem"
            remedy = f"Shorten it, or raise max_words ({sampling.max_words}); the model reads {context} tokens at most"
            raise BadInput(f"first line {self.first_line[:40]!r}", problem, remedy)
        *self.lines, self.begun = self.first_line.split("\n")  # complete lines, and the start of the one being written
        self.rest = self.begun  # what of that line is there by now
        self.line: list[int] = []  # its tokens
        self.before = self.opening  # tokens ahead of them, without which some tokenizers drop a space
        self.written = 0  # tokens
        self.stanzas = 0  # complete, and written at least in part
        self.words = sum(len(line.split()) for line in self.lines)  # in complete lines
        self.done = self.ended = self._in_stanza = False
        self.loops: Loops | None = None  # what blocks them, where the sampling asks for it
        if sampling.block_loops:
            self.loops = Loops(tokenizer)
            for line in self.lines:
                self.loops.add(encode_text(tokenizer, line + "\n"), [line])
            self.loops.add(encode_text(tokenizer, self.begun), [])

    def forbidden(self) -> set[int]:
        """Tokens that may not come next."""
        return self.loops.forbidden() if self.loops else set()

    def add(self, token: int) -> None:
        """Take in a token, closing the line, the stanza or the poem that it ends."""
        if token == self.tokenizer.eos_token_id:
            self.done = self.ended = True
            return
        self.written += 1
        self.line.append(token)
        start = len(self._decode(self.before))
        *complete, self.rest = (self.begun + self._decode(self.before + self.line)[start:]).split("\n")
        if self.loops is not None:
            self.loops.add([token], complete)
        for line in complete:
            self._close(line)
        if complete:
            self.begun, self.before, self.line = self.rest, self.line[-1:], []
        self.ended = self.stanzas == self.sampling.stanzas
        words = self.words + len(self.rest.split())
        self.done = self.ended or self.written >= self.room or words > self.sampling.max_words

    def text(self) -> str:
        """What is there so far. Each text starts with the one before it; none ends in half a character."""
        return "\n".join([*self.lines, self.rest]).lstrip().rstrip(whitespace + HALF_CHARACTER)

    def poem(self) -> Poem:
        """The poem as it stands; without the line, or in one endless line the word, in which a limit cut it off."""
        text = self.text()
        if not self.ended:
            begun, text = self.first_line, text[len(self.first_line) :]
            whole = text.rpartition("\n")[0]
            text = begun + (whole if whole.strip() else text.rpartition(" ")[0])
        return Poem(text.strip(), self.ended)

    def _close(self, line: str) -> None:
        self.words += len(line.split())
        if line.strip():
            self._in_stanza |= "\n".join([*self.lines, line]) != self.first_line
        elif self._in_stanza:
            self.stanzas += 1
            self._in_stanza = False
        self.lines.append(line)

    def _decode(self, tokens: list[int]) -> str:
        return self.tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)


def _parts(asked: Request | Fusion) -> tuple[list[Request], list[float]]:
    """The requests that have weight, and their weights.

    Raises:
        BadInput: none has, a weight is no number from 0 up, or they differ in what one poem can have but once.
    """
    if isinstance(asked, Request):
        return [asked], [1.0]
    weights = [weight for _, weight in asked]
    if not all(math.isfinite(weight) and weight >= 0 for weight in weights) or not sum(weights):
        raise BadInput(f"weights {weights}", "not numbers from 0 up, one of them above", "Give each request its share")
    for name in ("language", "first_line"):
        found = {getattr(request, name) for request, _ in asked}
        if len(found) > 1:
            raise BadInput(f"fusion: {name}", f"{sorted(found)} cannot all be followed", "Give all requests the same")
    requests, weights = zip(*((request, weight) for request, weight in asked if weight), strict=True)
    return list(requests), list(weights)
