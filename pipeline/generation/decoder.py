"""The one generator: requests in, poems out; many at once on one key-value cache, the same for a seed in any company.

Every poem has its own stream of random numbers and spends one a token, and its padding is masked, so neither its
neighbours nor the step at which it joined them change what is written.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad
from tqdm import tqdm
from transformers import DynamicCache, PreTrainedModel, PreTrainedTokenizerBase

from pipeline.common.params import Generation
from pipeline.generation.sampling import mix, sample
from pipeline.generation.sequence import Draft, Fusion, Poem
from pipeline.modeling.prompt import Request, context_length

REFILL = 0.75  # of a batch that is open yet, from which down others join: joining copies the cache


@dataclass(frozen=True)
class Progress:
    """Where a poem stands after a step.

    Args:
        ticket: what `Decoder.add` gave for it.
        text: what is written so far, without a character of which only some bytes are there.
        poem: once it is done. Its text is the last one, or where a limit cut it off the start of it.
    """

    ticket: int
    text: str
    poem: Poem | None = None

    @property
    def done(self) -> bool:
        return self.poem is not None


class Decoder:
    """Poems being written together; each may join and leave at any step.

    It belongs to one thread: calls must not overlap.

    Args:
        model, tokenizer: as `load_base` gives them.
        spoken_languages: names of languages by code, for a base model, which lacks the language tokens.
        batch_size: poems written at once; others wait for their turn. By default as many as are added.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        spoken_languages: dict[str, str] | None = None,
        batch_size: int | None = None,
    ) -> None:
        self.model, self.tokenizer, self.spoken_languages = model, tokenizer, spoken_languages
        self.batch_size = batch_size
        self.waiting: dict[int, Draft] = {}  # by ticket
        self.drafts: dict[int, Draft] = {}  # those that are open, in the order of their rows
        self.rows: list[int] = []  # the ticket of each row of the cache; one row a prompt
        self.tickets = 0
        self._forget()

    def __len__(self) -> int:
        """How many poems are open or wait."""
        return len(self.waiting) + len(self.drafts)

    def add(self, asked: Request | Fusion, sampling: Generation, seed: int) -> int:
        """Have a poem join at the next step.

        Args:
            asked: a request, or several of one language and first line with weights, to follow at once: the next
                token is drawn from the weighted mean of the distributions under each header.
            sampling: its limits and how its tokens are drawn.
            seed: with the two above, it fixes the poem.

        Returns:
            The poem's ticket.

        Raises:
            BadInput: the first line leaves no room for a poem, or the requests cannot be followed at once.
        """
        context = context_length(self.model.config)
        draft = Draft(self.tokenizer, asked, sampling, seed, self.spoken_languages, context)
        self.tickets += 1
        self.waiting[self.tickets] = draft
        return self.tickets

    def drop(self, ticket: int) -> None:
        """Have a poem leave unfinished; nothing happens where it is done."""
        self.waiting.pop(ticket, None)
        self.drafts.pop(ticket, None)
        self._keep_rows()

    @torch.inference_mode()
    def step(self) -> list[Progress]:
        """Write one token of every open poem; those that it finishes leave."""
        logits = [self._decode()] if self.rows else []
        newcomers = self._newcomers()
        if newcomers:
            logits.append(self._join(newcomers))
        if not logits:
            return []
        self._choose(torch.cat(logits).float())
        progress = [
            Progress(ticket, draft.text(), draft.poem() if draft.done else None)
            for ticket, draft in self.drafts.items()
        ]
        self.drafts = {ticket: draft for ticket, draft in self.drafts.items() if not draft.done}
        self._keep_rows()
        return progress

    def _newcomers(self) -> dict[int, Draft]:
        """Those whose turn it is."""
        turn = list(self.waiting)
        if self.batch_size is not None:
            open_yet = len(self.drafts)
            turn = turn[: self.batch_size - open_yet] if open_yet <= REFILL * self.batch_size else []
        return {ticket: self.waiting.pop(ticket) for ticket in turn}

    def _decode(self) -> Tensor:
        """The logits, `(rows, vocabulary)`, that follow the last token of each row."""
        self.positions += 1
        self.mask = pad(self.mask, (0, 1), value=1)
        return self._forward(self.last, self.mask, self.positions, self.cache)

    def _join(self, newcomers: dict[int, Draft]) -> Tensor:
        """Read the prompts of newcomers, as rows below those that are there; the logits that follow them."""
        prompts = [(ticket, prompt) for ticket, draft in newcomers.items() for prompt in draft.prompts]
        width = max(len(prompt) for _, prompt in prompts)
        ids = torch.tensor([[0] * (width - len(prompt)) + prompt for _, prompt in prompts])
        mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for _, prompt in prompts])
        ids, mask = ids.to(self.model.device), mask.to(self.model.device)
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
        cache = DynamicCache()
        logits = self._forward(ids, mask, positions, cache)
        if self.rows:
            cache = _stacked(self.cache, cache)
            mask = _below(self.mask, mask, dim=1)
            positions = torch.cat([self.positions, positions[:, -1:]])
        self.drafts |= newcomers
        self.rows += [ticket for ticket, _ in prompts]
        self.cache, self.mask, self.positions = cache, mask, positions[:, -1:]
        return logits

    def _forward(self, ids: Tensor, mask: Tensor, positions: Tensor, cache: DynamicCache) -> Tensor:
        inputs = {"input_ids": ids, "attention_mask": mask, "position_ids": positions, "past_key_values": cache}
        return self.model(**inputs, logits_to_keep=1).logits[:, -1]

    def _choose(self, logits: Tensor) -> None:
        """Give every draft its next token, drawn from the logits of its rows."""
        drafts = list(self.drafts.values())
        if len(self.rows) > len(drafts):
            parts = logits.split([len(draft.weights) for draft in drafts])
            logits = torch.cat([mix(part, draft.weights)[None] for part, draft in zip(parts, drafts, strict=True)])
        blocked = [(row, token) for row, draft in enumerate(drafts) for token in draft.forbidden()]
        if blocked:
            logits[tuple(torch.tensor(blocked, device=logits.device).T)] = -torch.inf
        tokens = sample(logits, [draft.sampling for draft in drafts], [draft.random.random() for draft in drafts])
        for draft, token in zip(drafts, tokens, strict=True):
            draft.add(token)
        chosen = dict(zip(self.drafts, tokens, strict=True))
        self.last = torch.tensor([[chosen[ticket]] for ticket in self.rows], device=logits.device)

    def _keep_rows(self) -> None:
        """Drop the rows of poems that left, and the columns that only they filled."""
        kept = [row for row, ticket in enumerate(self.rows) if ticket in self.drafts]
        if len(kept) == len(self.rows):
            return
        if not kept:
            return self._forget()
        self.rows = [self.rows[row] for row in kept]
        index = torch.tensor(kept, device=self.mask.device)
        mask = self.mask[index]
        start = int(mask.any(dim=0).int().argmax())
        self.last, self.positions, self.mask = self.last[index], self.positions[index], mask[:, start:]
        for layer in self.cache.layers:
            layer.keys, layer.values = layer.keys[index, :, start:], layer.values[index, :, start:]

    def _forget(self) -> None:
        self.rows = []
        self.cache = self.mask = self.positions = self.last = None


def write_poems(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    requests: Sequence[Request | Fusion],
    samplings: Sequence[Generation],
    seeds: Sequence[int],
    spoken_languages: dict[str, str] | None = None,
    batch_size: int = 16,
    progress: str | None = None,
) -> list[Poem]:
    """Write one poem for each request.

    Args:
        requests, samplings, seeds: one of each a poem, as `Decoder.add` takes them.
        spoken_languages: names of languages by code, for a base model, which lacks the language tokens.
        batch_size: poems written at once.
        progress: the label of a progress bar; none is shown without one.

    Returns:
        The poems in the order asked for. Each starts with the request's first line, stops at the model's end-of-text
        token or at the limits of its sampling and of the model's context, and ends at the end of a line.

    Raises:
        BadInput: a first line leaves no room for a poem, or requests cannot be followed at once.
    """
    decoder = Decoder(model, tokenizer, spoken_languages, batch_size)
    tickets = [decoder.add(*asked) for asked in zip(requests, samplings, seeds, strict=True)]
    poems: dict[int, Poem] = {}
    with tqdm(total=len(tickets), desc=progress, unit=" poems", disable=progress is None) as bar:
        while len(decoder):
            done = {each.ticket: each.poem for each in decoder.step() if each.poem is not None}
            poems |= done
            bar.update(len(done))
    return [poems[ticket] for ticket in tickets]


def _stacked(above: DynamicCache, below: DynamicCache) -> DynamicCache:
    """The rows of one cache under those of the other, their last columns in line."""
    for upper, lower in zip(above.layers, below.layers, strict=True):
        upper.keys = _below(upper.keys, lower.keys, dim=2)
        upper.values = _below(upper.values, lower.values, dim=2)
    return above


def _below(above: Tensor, below: Tensor, dim: int) -> Tensor:
    """Rows under rows; the shorter of the two gets zeros at the front of a dimension, on which all masks are 0."""
    width = max(above.shape[dim], below.shape[dim])
    fill = (0, 0) * (above.dim() - 1 - dim)
    parts = [pad(part, (*fill, width - part.shape[dim], 0)) for part in (above, below)]
    return torch.cat(parts)
