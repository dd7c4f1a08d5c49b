"""How likely a model finds tokens and poems, without ever holding the logits of a whole batch.

A vocabulary of 262,144 makes the logits of one row of 256 tokens 268 MB in float32; only the positions that count are
turned into logits, a chunk at a time, and in training each chunk is computed again in the backward pass.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from pipeline.prompt import Request, header

CHUNK = 512  # positions whose logits exist at a time


def hidden_states(model: PreTrainedModel, input_ids: Tensor, position_ids: Tensor | None = None) -> Tensor:
    """What the language-model head reads, `(rows, length, hidden)`, for token ids of shape `(rows, length)`.

    Without an attention mask, transformers keeps attention inside the stretches over which `position_ids` counts up,
    so poems packed into one row do not see each other.
    """
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    return base.base_model(input_ids=input_ids, position_ids=position_ids, use_cache=False).last_hidden_state


def token_losses(model: PreTrainedModel, hidden: Tensor, labels: Tensor) -> Tensor:
    """The negative log-likelihood, in nats, of each position whose label counts.

    Args:
        model: whose head and logit scaling are used.
        hidden: `(rows, length, hidden)`, as `hidden_states` gives it.
        labels: `(rows, length)` token ids, -100 where a position does not count; not shifted.

    Returns:
        A float32 tensor with one value for each counted label after the first position, row by row.
    """
    targets = labels[:, 1:]
    counted = targets != -100
    hidden, targets = hidden[:, :-1][counted], targets[counted]
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    head = base.get_output_embeddings()
    softcap = getattr(base.config, "final_logit_softcapping", None)

    def losses(hidden: Tensor, targets: Tensor) -> Tensor:
        logits = head(hidden).float()
        if softcap:
            logits = torch.tanh(logits / softcap) * softcap
        return cross_entropy(logits, targets, reduction="none")

    chunks = zip(hidden.split(CHUNK), targets.split(CHUNK), strict=True)
    if torch.is_grad_enabled():
        return torch.cat([checkpoint(losses, *chunk, use_reentrant=False) for chunk in chunks])
    return torch.cat([losses(*chunk) for chunk in chunks])


@torch.inference_mode()
def poem_log_likelihoods(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    requests: Sequence[Request],
    texts: Sequence[str],
    batch_size: int = 8,
    spoken_languages: dict[str, str] | None = None,
) -> list[float]:
    """The log-likelihood of each poem's text given its header, in nats.

    Args:
        requests: what each poem's header says.
        texts: the poems; a poem is scored in one piece, so each must fit the model's context.
        spoken_languages: names of languages by code, for a base model, which lacks the language tokens.

    Returns:
        One value of at most 0 a poem, in the order given. The end-of-text token is not scored, since a figure per
        byte of text must not hold what is not text.
    """
    encoded = []
    for request, text in zip(requests, texts, strict=True):
        spoken = spoken_languages[request.language] if spoken_languages else None
        prompt = encode_header(tokenizer, request, spoken)
        encoded.append((prompt, tokenizer.encode(text, add_special_tokens=False)))
    results = [0.0] * len(encoded)
    by_length = sorted(range(len(encoded)), key=lambda poem: sum(map(len, encoded[poem])))
    for start in range(0, len(encoded), batch_size):
        batch = by_length[start : start + batch_size]
        rows = [encoded[poem][0] + encoded[poem][1] for poem in batch]
        width = max(map(len, rows))
        # Padding stands on the right, where causal attention keeps it out of sight of the poem.
        input_ids = torch.tensor([row + [0] * (width - len(row)) for row in rows], device=model.device)
        labels = torch.full_like(input_ids, -100)
        for row, poem in enumerate(batch):
            labels[row, len(encoded[poem][0]) : len(rows[row])] = input_ids[row, len(encoded[poem][0]) : len(rows[row])]
        losses = token_losses(model, hidden_states(model, input_ids), labels)
        counts = (labels[:, 1:] != -100).sum(dim=1).tolist()
        for poem, part in zip(batch, losses.split(counts), strict=True):
            results[poem] = -part.sum().item()
    return results


def encode_header(
    tokenizer: PreTrainedTokenizerBase, request: Request, spoken_language: str | None = None
) -> list[int]:
    """The token ids of a header, after the begin-of-text token where the tokenizer has one.

    Header and text are encoded apart, in training as in generation, so that no token straddles the two.
    """
    begin = [tokenizer.bos_token_id] if tokenizer.bos_token_id is not None else []
    return begin + tokenizer.encode(header(request, spoken_language), add_special_tokens=False)


def bits_per_byte(log_likelihoods: Sequence[float], texts: Sequence[str]) -> float:
    """Bits a model needs for each UTF-8 byte of text: −Σ log-likelihood / (ln 2 · bytes). Lower is better.

    It compares models whose tokenizers differ, which perplexity a token cannot (Gao et al., "The Pile", 2020, §3.1).
    """
    return -sum(log_likelihoods) / (math.log(2) * sum(len(text.encode()) for text in texts))
