"""The one generator of poems: many requests in a batch on one key-value cache, with continuous batching.

Requests join and leave the batch at any step (as in Yu et al., "Orca", 2022). Every poem has its own stream of random
numbers and uses one per token, and its padding is masked. So its text depends neither on the other poems in the batch
nor on the step at which it joined.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad
from tqdm import tqdm
from transformers import DynamicCache, PreTrainedModel, PreTrainedTokenizerBase

from pipeline.common.params import Generation
from pipeline.generation.sampling import blend, sample
from pipeline.generation.sequence import Blend, Poem, PoemSequence
from pipeline.modeling.prompt import Request, context_length

REFILL_BELOW = 0.75  # of the batch size: others join only once so few are active, because joining copies the cache


@dataclass(frozen=True)
class Progress:
    """A poem after a step.

    Args:
        sequence_id: what `Decoder.add` returned.
        text: the text so far, without a character of which only some bytes are there.
        poem: the finished poem, else None. Its text is `text`, or the start of it where a limit cut the poem off.
    """

    sequence_id: int
    text: str
    poem: Poem | None = None

    @property
    def done(self) -> bool:
        return self.poem is not None


class Decoder:
    """A batch of poems being written; each may join and leave at any step.

    Not thread-safe: use it from one thread at a time.

    Args:
        model, tokenizer: from `load_base`.
        spoken_languages: names of languages by code, for a base model, which lacks the language tokens.
        batch_size: poems written at once; the others wait. By default there is no limit.
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
        self.waiting: dict[int, PoemSequence] = {}  # by sequence id
        self.active: dict[int, PoemSequence] = {}  # in the order of their rows
        self.rows: list[int] = []  # the sequence id of each row of the cache; a blend has a row per prompt
        self.last_id = 0
        self._reset_cache()

    def __len__(self) -> int:
        """How many poems are active or waiting."""
        return len(self.waiting) + len(self.active)

    def add(self, asked: Request | Blend, sampling: Generation, seed: int) -> int:
        """Queue a poem; it joins the batch at the next step with room for it.

        Args:
            asked: a request, or a blend: several requests of one language and first line with their weights. Each
                token is then sampled from the weighted mean of their distributions.
            sampling: how tokens are sampled, and the poem's limits.
            seed: together with the two above, it determines the poem.

        Returns:
            The poem's sequence id.

        Raises:
            BadInput: the first line leaves no room for a poem, or the requests cannot be blended.
        """
        context = context_length(self.model.config)
        sequence = PoemSequence(self.tokenizer, asked, sampling, seed, self.spoken_languages, context)
        self.last_id += 1
        self.waiting[self.last_id] = sequence
        return self.last_id

    def cancel(self, sequence_id: int) -> None:
        """Remove a poem before it is finished; does nothing if it is."""
        self.waiting.pop(sequence_id, None)
        self.active.pop(sequence_id, None)
        self._remove_finished_rows()

    @torch.inference_mode()
    def step(self) -> list[Progress]:
        """Write one token of every active poem; finished poems leave the batch."""
        logits = [self._decode()] if self.rows else []
        newcomers = self._next_in_line()
        if newcomers:
            logits.append(self._prefill(newcomers))
        if not logits:
            return []
        self._sample(torch.cat(logits).float())
        progress = [
            Progress(sequence_id, sequence.text(), sequence.poem() if sequence.done else None)
            for sequence_id, sequence in self.active.items()
        ]
        self.active = {sequence_id: sequence for sequence_id, sequence in self.active.items() if not sequence.done}
        self._remove_finished_rows()
        return progress

    def _next_in_line(self) -> dict[int, PoemSequence]:
        """Take the poems that join now from those waiting."""
        joining = list(self.waiting)
        if self.batch_size is not None:
            active = len(self.active)
            joining = joining[: self.batch_size - active] if active <= REFILL_BELOW * self.batch_size else []
        return {sequence_id: self.waiting.pop(sequence_id) for sequence_id in joining}

    def _decode(self) -> Tensor:
        """Logits after the last token of each row, `(rows, vocabulary)`."""
        self.positions += 1
        self.mask = pad(self.mask, (0, 1), value=1)
        return self._forward(self.last_tokens, self.mask, self.positions, self.cache)

    def _prefill(self, newcomers: dict[int, PoemSequence]) -> Tensor:
        """Run the prompts of newcomers, whose rows go below the existing ones.

        Returns:
            Logits after each prompt, `(prompts, vocabulary)`.
        """
        prompts = [(sequence_id, prompt) for sequence_id, sequence in newcomers.items() for prompt in sequence.prompts]
        width = max(len(prompt) for _, prompt in prompts)
        ids = torch.tensor([[0] * (width - len(prompt)) + prompt for _, prompt in prompts])
        mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for _, prompt in prompts])
        ids, mask = ids.to(self.model.device), mask.to(self.model.device)
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
        cache = DynamicCache()
        logits = self._forward(ids, mask, positions, cache)
        if self.rows:
            cache = _stack_caches(self.cache, cache)
            mask = _stack_rows(self.mask, mask, dim=1)
            positions = torch.cat([self.positions, positions[:, -1:]])
        self.active |= newcomers
        self.rows += [sequence_id for sequence_id, _ in prompts]
        self.cache, self.mask, self.positions = cache, mask, positions[:, -1:]
        return logits

    def _forward(self, ids: Tensor, mask: Tensor, positions: Tensor, cache: DynamicCache) -> Tensor:
        inputs = {"input_ids": ids, "attention_mask": mask, "position_ids": positions, "past_key_values": cache}
        return self.model(**inputs, logits_to_keep=1).logits[:, -1]

    def _sample(self, logits: Tensor) -> None:
        """Give every active poem its next token.

        Args:
            logits: `(rows, vocabulary)`, float32; they are changed in place.
        """
        sequences = list(self.active.values())
        if len(self.rows) > len(sequences):
            parts = logits.split([len(sequence.weights) for sequence in sequences])
            blended = [blend(part, sequence.weights) for part, sequence in zip(parts, sequences, strict=True)]
            logits = torch.stack(blended)
        forbidden = [(row, token) for row, sequence in enumerate(sequences) for token in sequence.forbidden()]
        if forbidden:
            logits[tuple(torch.tensor(forbidden, device=logits.device).T)] = -torch.inf
        draws = [sequence.random.random() for sequence in sequences]
        tokens = sample(logits, [sequence.sampling for sequence in sequences], draws)
        for sequence, token in zip(sequences, tokens, strict=True):
            sequence.add(token)
        sampled = dict(zip(self.active, tokens, strict=True))
        self.last_tokens = torch.tensor([[sampled[sequence_id]] for sequence_id in self.rows], device=logits.device)

    def _remove_finished_rows(self) -> None:
        """Remove the rows of poems that have left, and the columns that only they filled."""
        kept = [row for row, sequence_id in enumerate(self.rows) if sequence_id in self.active]
        if len(kept) == len(self.rows):
            return
        if not kept:
            return self._reset_cache()
        self.rows = [self.rows[row] for row in kept]
        index = torch.tensor(kept, device=self.mask.device)
        mask = self.mask[index]
        start = int(mask.any(dim=0).int().argmax())
        self.last_tokens, self.positions, self.mask = self.last_tokens[index], self.positions[index], mask[:, start:]
        for layer in self.cache.layers:
            layer.keys, layer.values = layer.keys[index, :, start:], layer.values[index, :, start:]

    def _reset_cache(self) -> None:
        self.rows = []
        self.cache = self.mask = self.positions = self.last_tokens = None


def write_poems(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    requests: Sequence[Request | Blend],
    samplings: Sequence[Generation],
    seeds: Sequence[int],
    spoken_languages: dict[str, str] | None = None,
    batch_size: int = 16,
    progress: str | None = None,
) -> list[Poem]:
    """Write one poem for each request.

    Args:
        requests, samplings, seeds: one of each per poem, as for `Decoder.add`.
        spoken_languages: names of languages by code, for a base model, which lacks the language tokens.
        batch_size: poems written at once.
        progress: label of a progress bar; None for no bar.

    Returns:
        The poems in the order of the requests. Each starts with its request's first line. It ends at the model's
        end-of-text token, or at the last whole line within the limits of its sampling and of the model's context.

    Raises:
        BadInput: a first line leaves no room for a poem, or requests cannot be blended.
    """
    decoder = Decoder(model, tokenizer, spoken_languages, batch_size)
    ids = [decoder.add(*asked) for asked in zip(requests, samplings, seeds, strict=True)]
    poems: dict[int, Poem] = {}
    with tqdm(total=len(ids), desc=progress, unit=" poems", disable=progress is None) as bar:
        while len(decoder):
            done = {each.sequence_id: each.poem for each in decoder.step() if each.poem is not None}
            poems |= done
            bar.update(len(done))
    return [poems[sequence_id] for sequence_id in ids]


def _stack_caches(above: DynamicCache, below: DynamicCache) -> DynamicCache:
    """Put the rows of one cache below those of another, aligned at their last columns."""
    for upper, lower in zip(above.layers, below.layers, strict=True):
        upper.keys = _stack_rows(upper.keys, lower.keys, dim=2)
        upper.values = _stack_rows(upper.values, lower.values, dim=2)
    return above


def _stack_rows(above: Tensor, below: Tensor, dim: int) -> Tensor:
    """Concatenate along dimension 0 after padding the shorter of the two with zeros at the front of `dim`; the masks
    are 0 there.
    """
    width = max(above.shape[dim], below.shape[dim])
    fill = (0, 0) * (above.dim() - 1 - dim)
    parts = [pad(part, (*fill, width - part.shape[dim], 0)) for part in (above, below)]
    return torch.cat(parts)
