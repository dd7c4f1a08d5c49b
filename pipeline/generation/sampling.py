"""From logits to the next token: blending the distributions of several prompts, and nucleus sampling."""

from collections.abc import Sequence

import torch
from torch import Tensor

from pipeline.common.params import Generation


def blend(logits: Tensor, weights: Sequence[float]) -> Tensor:
    """Log of the weighted mean of the distributions that several prompts give for the same next token.

    This is a linear opinion pool (Stone, "The Opinion Pool", 1961): a token that any prompt makes likely stays likely,
    in proportion to that prompt's weight.

    Args:
        logits: `(prompts, vocabulary)`.
        weights: one per prompt, at least 0; they are divided by their sum.

    Returns:
        Log-probabilities, `(vocabulary,)`.
    """
    shares = torch.tensor(weights, device=logits.device) / sum(weights)
    return (logits.softmax(dim=-1) * shares[:, None]).sum(dim=0).log()


def sample(logits: Tensor, samplings: Sequence[Generation], draws: Sequence[float]) -> list[int]:
    """Sample a token for each row from the nucleus of mass `top_p` of the `top_k` likeliest tokens.

    Nucleus sampling is from Holtzman et al., "The Curious Case of Neural Text Degeneration", 2020.

    Args:
        logits: `(rows, vocabulary)`, float32.
        samplings: one per row; temperature 0 takes the likeliest token.
        draws: a uniform number in [0, 1) per row, at which its cumulative distribution is inverted.

    Returns:
        Token ids, one per row.
    """
    vocabulary = logits.shape[1]
    counts = [1 if each.temperature == 0 else min(each.top_k or vocabulary, vocabulary) for each in samplings]
    columns = [counts, [each.temperature or 1.0 for each in samplings], [each.top_p for each in samplings], draws]
    count, temperature, top_p, draw = torch.tensor(columns, dtype=torch.float64, device=logits.device)[..., None]
    scores, tokens = logits.topk(max(counts))  # likeliest first
    scores = (scores / temperature).masked_fill(torch.arange(max(counts), device=logits.device) >= count, -torch.inf)
    probabilities = scores.softmax(dim=1)
    mass_before = probabilities.cumsum(dim=1).roll(1, dims=1)
    mass_before[:, 0] = 0
    probabilities = probabilities.masked_fill(mass_before >= top_p, 0)
    # Sorted by token id, because two nearly equal scores may swap places when the batch size changes.
    tokens, order = tokens.sort(dim=1)
    cumulative = probabilities.gather(1, order).cumsum(dim=1)
    places = torch.searchsorted(cumulative, draw * cumulative[:, -1:], right=True).clamp(max=max(counts) - 1)
    return tokens.gather(1, places)[:, 0].tolist()
