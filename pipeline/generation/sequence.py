"""One poem while it is being written: its prompts, its tokens so far, and when it is finished."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from string import whitespace

from transformers import PreTrainedTokenizerBase

from pipeline.common.params import Generation
from pipeline.common.stage import BadInput
from pipeline.generation.loops import LoopGuard
from pipeline.modeling.prompt import Request, encode_header, encode_text

TOKENS_PER_WORD = 4  # at most, on average, so that a poem that never forms words ends too
PARTIAL_CHARACTER = "\N{REPLACEMENT CHARACTER}"  # what the first bytes of a character decode to

Blend = Sequence[tuple[Request, float]]  # requests to follow at once, each with its weight


@dataclass(frozen=True)
class Poem:
    """A finished poem.

    Args:
        text: its lines.
        ended: whether the model ended it; False where a limit in words or tokens cut it off.
    """

    text: str
    ended: bool


class PoemSequence:
    """A poem being written.

    Args:
        tokenizer: of the model that writes.
        asked: a request, or a blend of several.
        sampling: how tokens are sampled, and the poem's limits.
        seed: of the sequence's own random numbers; it uses one per token.
        spoken_languages: names of languages by code, for a base model, which lacks the language tokens.
        context: the most tokens the model can read.

    Raises:
        BadInput: the first line leaves no room for a poem, or the requests cannot be blended.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        asked: Request | Blend,
        sampling: Generation,
        seed: int,
        spoken_languages: dict[str, str] | None,
        context: int,
    ) -> None:
        requests, self.weights = _requests_and_weights(asked)
        self.tokenizer, self.sampling, self.random = tokenizer, sampling, random.Random(seed)
        self.first_line = requests[0].first_line.strip()
        opening = encode_text(tokenizer, self.first_line)
        spoken = spoken_languages and spoken_languages[requests[0].language]
        self.prompts = [encode_header(tokenizer, request, spoken) + opening for request in requests]
        self.max_tokens = min(TOKENS_PER_WORD * sampling.max_words, context - max(map(len, self.prompts)))
        if self.max_tokens <= 0 or len(self.first_line.split()) >= sampling.max_words:
            problem = f"its {len(self.first_line.split())} words leave no room for a poem"
            remedy = f"Shorten it, or raise max_words ({sampling.max_words}); the model reads {context} tokens at most"
            raise BadInput(f"first line {self.first_line[:40]!r}", problem, remedy)
        *self.lines, self.line_start = self.first_line.split("\n")  # complete lines, and what the open line begins with
        self.open_line = self.line_start
        self.line_tokens: list[int] = []  # written on the open line
        self.tokens_before = opening  # decoded with them, since some tokenizers drop a leading space
        self.token_count = 0
        self.stanza_count = 0  # complete, and written at least in part
        self.word_count = sum(len(line.split()) for line in self.lines)  # in complete lines
        self.done = self.ended = self._in_stanza = False
        self.loop_guard: LoopGuard | None = None
        if sampling.block_loops:
            self.loop_guard = LoopGuard(tokenizer)
            for line in self.lines:
                self.loop_guard.add(encode_text(tokenizer, line + "\n"), [line])
            self.loop_guard.add(encode_text(tokenizer, self.line_start), [])

    def forbidden(self) -> set[int]:
        """Tokens that may not come next."""
        return self.loop_guard.forbidden() if self.loop_guard else set()

    def add(self, token: int) -> None:
        """Append a token; it may end the line, the stanza or the poem."""
        if token == self.tokenizer.eos_token_id:
            self.done = self.ended = True
            return
        self.token_count += 1
        self.line_tokens.append(token)
        start = len(self._decode(self.tokens_before))
        written = self._decode(self.tokens_before + self.line_tokens)[start:]
        *completed, self.open_line = (self.line_start + written).split("\n")
        if self.loop_guard is not None:
            self.loop_guard.add([token], completed)
        for line in completed:
            self._complete(line)
        if completed:
            self.line_start, self.tokens_before, self.line_tokens = self.open_line, self.line_tokens[-1:], []
        self.ended = self.stanza_count == self.sampling.stanzas
        words = self.word_count + len(self.open_line.split())
        self.done = self.ended or self.token_count >= self.max_tokens or words > self.sampling.max_words

    def text(self) -> str:
        """The text so far. It only grows from token to token, and never ends in part of a character."""
        return "\n".join([*self.lines, self.open_line]).lstrip().rstrip(whitespace + PARTIAL_CHARACTER)

    def poem(self) -> Poem:
        """The poem as it stands. Where a limit cut it off, its unfinished last line (or, if it has only one, its last
        word) is left out.
        """
        text = self.text()
        if not self.ended:
            written = text[len(self.first_line) :]
            whole_lines = written.rpartition("\n")[0]
            text = self.first_line + (whole_lines if whole_lines.strip() else written.rpartition(" ")[0])
        return Poem(text.strip(), self.ended)

    def _complete(self, line: str) -> None:
        """Count a line that has ended, and the stanza that ends with it."""
        self.word_count += len(line.split())
        if line.strip():
            self._in_stanza |= "\n".join([*self.lines, line]) != self.first_line
        elif self._in_stanza:
            self.stanza_count += 1
            self._in_stanza = False
        self.lines.append(line)

    def _decode(self, tokens: list[int]) -> str:
        return self.tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)


def whole_words(text: str) -> str:
    """A text so far, without its last word, which may still grow."""
    return text[: 1 + max(text.rfind(" "), text.rfind("\n"))]


def _requests_and_weights(asked: Request | Blend) -> tuple[list[Request], list[float]]:
    """The requests with a weight above 0, and those weights.

    Raises:
        BadInput: a weight is negative or not finite, all are 0, or the requests differ in language or first line.
    """
    if isinstance(asked, Request):
        return [asked], [1.0]
    weights = [weight for _, weight in asked]
    if not all(math.isfinite(weight) and weight >= 0 for weight in weights) or not sum(weights):
        raise BadInput(f"blend: weights {weights}", "not all at least 0 with one above 0", "Give each request a weight")
    for name in ("language", "first_line"):
        found = {getattr(request, name) for request, _ in asked}
        if len(found) > 1:
            raise BadInput(f"blend: {name}", f"{sorted(found)} cannot be blended", "Give all requests the same one")
    requests, weights = zip(*((request, weight) for request, weight in asked if weight), strict=True)
    return list(requests), list(weights)
