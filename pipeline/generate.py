"""The one generator: requests in, poems out; in batches, with a key-value cache, the same for a seed in any company.

Every poem has its own stream of random numbers and spends one a token, and its padding is masked, so neither its
neighbours in a batch nor their number change what is written.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from tqdm import tqdm
from transformers import DynamicCache, PreTrainedModel, PreTrainedTokenizerBase

from pipeline.likelihood import context_length, encode_header, encode_text
from pipeline.loops import Loops
from pipeline.params import Generation
from pipeline.prompt import Request
from pipeline.stage import BadInput

TOKENS_PER_WORD = 4  # the most a poem may spend on average, so that one that never breaks into words ends too


@dataclass(frozen=True)
class Poem:
    """What was written, and whether the model ended it itself or a limit cut it off."""

    text: str
    ended: bool


def write_poems(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    requests: Sequence[Request],
    samplings: Sequence[Generation],
    seeds: Sequence[int],
    spoken_languages: dict[str, str] | None = None,
    batch_size: int = 16,
    progress: str | None = None,
) -> list[Poem]:
    """Write one poem for each request.

    Args:
        requests, samplings, seeds: one of each a poem.
        spoken_languages: names of languages by code, for a base model, which lacks the language tokens.
        batch_size: poems written at once.
        progress: the label of a progress bar; none is shown without one.

    Returns:
        The poems in the order asked for. Each starts with the request's first line, stops at the model's end-of-text
        token or at the limits of its sampling and of the model's context, and ends at the end of a line.

    Raises:
        BadInput: a first line leaves no room for a poem.
    """
    drafts = [
        _Draft.of(tokenizer, request, sampling, seed, spoken_languages, context_length(model.config))
        for request, sampling, seed in zip(requests, samplings, seeds, strict=True)
    ]
    with tqdm(total=len(drafts), desc=progress, unit=" poems", disable=progress is None) as bar:
        for start in range(0, len(drafts), batch_size):
            for _ in _write_batch(model, drafts[start : start + batch_size]):
                bar.update()
    return [draft.poem() for draft in drafts]


@torch.inference_mode()
def _write_batch(model: PreTrainedModel, drafts: list["_Draft"]) -> Iterator["_Draft"]:
    """Write drafts to their ends, yielding each as it is done; those still open go on as a smaller batch."""
    width = max(len(draft.prompt) for draft in drafts)
    padding = [width - len(draft.prompt) for draft in drafts]
    ids = torch.tensor([[0] * pad + draft.prompt for pad, draft in zip(padding, drafts, strict=True)])
    mask = torch.tensor([[0] * pad + [1] * (width - pad) for pad in padding])
    ids, mask = ids.to(model.device), mask.to(model.device)
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
    cache = DynamicCache(config=model.config)
    while drafts:
        logits = model(
            input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache, logits_to_keep=1
        ).logits[:, -1]
        tokens = [draft.choose(row) for draft, row in zip(drafts, logits.float(), strict=True)]
        for draft, token in zip(drafts, tokens, strict=True):
            draft.add(token)
        open_rows = [row for row, draft in enumerate(drafts) if not draft.done]
        yield from (draft for draft in drafts if draft.done)
        ids, positions = torch.tensor(tokens, device=ids.device)[:, None], positions[:, -1:] + 1
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
        if len(open_rows) < len(drafts):
            kept = torch.tensor(open_rows, dtype=torch.long, device=ids.device)
            drafts = [drafts[row] for row in open_rows]
            ids, positions, mask = ids[kept], positions[kept], mask[kept]
            cache.batch_select_indices(kept)


def sample(logits: Tensor, sampling: Generation, draw: float) -> int:
    """Draw a token from the nucleus of mass `top_p` (Holtzman et al., 2020) of the likeliest `top_k`.

    Args:
        logits: `(vocabulary,)`.
        draw: a uniform number in [0, 1), at which the cumulative distribution is inverted; temperature 0 ignores it.
    """
    scores, tokens = logits.topk(min(sampling.top_k or len(logits), len(logits)))
    if sampling.temperature == 0:
        return int(tokens[0])
    likely = (scores / sampling.temperature).softmax(dim=0)
    last = min(int(torch.searchsorted(likely.cumsum(dim=0), sampling.top_p)), len(likely) - 1)
    # In the order of token ids, since two near-equal scores may change places with the size of a batch.
    nucleus, order = tokens[: last + 1].sort()
    reach = likely[: last + 1][order].cumsum(dim=0)
    return int(nucleus[min(int(torch.searchsorted(reach, draw * float(reach[-1]), right=True)), last)])


@dataclass
class _Draft:
    """A poem being written: its tokens, the line it is in, and what would loop."""

    tokenizer: PreTrainedTokenizerBase
    sampling: Generation
    random: random.Random
    prompt: list[int]
    opening: list[int]  # the part of the prompt that is the first line
    first_line: str
    room: int  # tokens that may be written
    written: list[int] = field(default_factory=list)
    line: list[int] = field(default_factory=list)  # tokens of the line being written
    begun: str = ""  # text of that line which stood in the prompt
    words: int = 0  # in complete lines
    loops: Loops | None = None  # what blocks them, where the sampling asks for it
    done: bool = False
    ended: bool = False

    @classmethod
    def of(
        cls,
        tokenizer: PreTrainedTokenizerBase,
        request: Request,
        sampling: Generation,
        seed: int,
        spoken_languages: dict[str, str] | None,
        context: int,
    ) -> "_Draft":
        first_line = request.first_line.strip()
        opening = encode_text(tokenizer, first_line)
        prompt = encode_header(tokenizer, request, spoken_languages and spoken_languages[request.language]) + opening
        room = min(TOKENS_PER_WORD * sampling.max_words, context - len(prompt))
        if room <= 0 or len(first_line.split()) >= sampling.max_words:
            problem = f"its {len(first_line.split())} words leave no room for a poem"
            remedy = f"Shorten it, or raise max_words ({sampling.max_words}); the model reads {context} tokens at most"
            raise BadInput(f"first line {first_line[:40]!r}", problem, remedy)
        draft = cls(tokenizer, sampling, random.Random(seed), prompt, opening, first_line, room)
        *complete, draft.begun = first_line.split("\n")
        draft.words = sum(len(line.split()) for line in complete)
        if sampling.block_loops:
            draft.loops = Loops(tokenizer)
            for line in complete:
                draft.loops.add(encode_text(tokenizer, line + "\n"), [line])
            draft.loops.add(encode_text(tokenizer, draft.begun), [])
        return draft

    def choose(self, logits: Tensor) -> int:
        """The next token, given the logits over the vocabulary."""
        if self.loops is not None:
            logits[list(self.loops.forbidden())] = -torch.inf
        return sample(logits, self.sampling, self.random.random())

    def add(self, token: int) -> None:
        """Take in a token, closing the line, or the poem, that it ends."""
        if token == self.tokenizer.eos_token_id:
            self.done = self.ended = True
            return
        self.written.append(token)
        self.line.append(token)
        text = self.begun + self.tokenizer.decode(self.line)
        *complete, rest = text.split("\n")
        if self.loops is not None:
            self.loops.add([token], complete)
        if complete:
            self.words += sum(len(line.split()) for line in complete)
            self.begun, self.line = rest, []
        words = self.words + len(rest.split())
        self.done = len(self.written) >= self.room or words > self.sampling.max_words

    def poem(self) -> Poem:
        """The poem as it stands; without the line, or in one endless line the word, in which a limit cut it off."""
        start = len(self.tokenizer.decode(self.opening))
        # Decoded together, since some tokenizers drop the space before the first token they are given.
        text = self.tokenizer.decode(self.opening + self.written, skip_special_tokens=True)[start:]
        if not self.ended:
            whole = text.rpartition("\n")[0]
            text = whole if whole.strip() else text.rpartition(" ")[0]
        return Poem((self.first_line + text).strip(), self.ended)
