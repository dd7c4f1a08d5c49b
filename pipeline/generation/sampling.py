"""How the next token is drawn: from the distributions of several prompts mixed, from the likely, by a given number."""

from collections.abc import Sequence

import torch
from torch import Tensor

from pipeline.common.params import Generation


def mix(logits: Tensor, weights: Sequence[float]) -> Tensor:
    """The logarithm of the weighted mean of the distributions that several prompts give to the same next token.

    A mixture of experts' distributions (a linear opinion pool; Stone, "The Opinion Pool", 1961): a token that any of
    the prompts makes likely stays likely, in proportion to the prompt's weight.

    Args:
        logits: `(prompts, vocabulary)`.
        weights: one a prompt, at least 0; they are divided by their sum.

    Returns:
        Log-probabilities, `(vocabulary,)`.
    """
    shares = torch.tensor(weights, device=logits.device) / sum(weights)
    return (logits.softmax(dim=-1) * shares[:, None]).sum(dim=0).log()


def sample(logits: Tensor, samplings: Sequence[Generation], draws: Sequence[float]) -> list[int]:
    """Draw a token for each row from the nucleus of mass `top_p` (Holtzman et al., 2020) of the likeliest `top_k`.

    Args:
        logits: `(rows, vocabulary)`, float32.
        samplings: one a row; temperature 0 takes the likeliest token.
        draws: a uniform number in [0, 1) for each row, at which its cumulative distribution is inverted.
    """
    vocabulary = logits.shape[1]
    counts = [1 if each.temperature == 0 else min(each.top_k or vocabulary, vocabulary) for each in samplings]
    columns = [counts, [each.temperature or 1.0 for each in samplings], [each.top_p for each in samplings], draws]
    count, temperature, top_p, draw = torch.tensor(columns, dtype=torch.float64, device=logits.device)[..., None]
    scores, tokens = logits.topk(max(counts))
    scores = (scores / temperature).masked_fill(torch.arange(max(counts), device=logits.device) >= count, -torch.inf)
    likely = scores.softmax(dim=1)
    likelier = likely.cumsum(dim=1).roll(1, dims=1)  # the mass of the tokens before each
    likelier[:, 0] = 0
    likely = likely.masked_fill(likelier >= top_p, 0)
    # In the order of token ids, since two near-equal scores may change places with the size of a batch.
    tokens, order = tokens.sort(dim=1)
    reach = likely.gather(1, order).cumsum(dim=1)
    places = torch.searchsorted(reach, draw * reach[:, -1:], right=True).clamp(max=max(counts) - 1)
    return tokens.gather(1, places)[:, 0].tolist()
