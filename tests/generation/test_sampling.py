"""Tokens are sampled from the nucleus in proportion, whatever else is in the batch."""

import pytest
import torch

from pipeline.common.params import Generation
from pipeline.generation.sampling import blend, sample


def test_sampling_keeps_to_the_likeliest_tokens_and_to_the_nucleus():
    logits = torch.tensor([0.1, 0.5, 0.15, 0.25]).log()
    draws = [number / 100 for number in range(100)]
    whole = Generation(temperature=1, top_p=1, top_k=0, max_words=1, block_loops=False)

    def counts(**changes: object) -> list[int]:
        samplings = [whole.model_copy(update=changes)] * len(draws)
        chosen = sample(logits.expand(len(draws), -1), samplings, draws)
        return [chosen.count(token) for token in range(4)]

    assert counts() == pytest.approx([10, 50, 15, 25], abs=1)
    assert counts(top_k=2) == pytest.approx([0, 67, 0, 33], abs=1)
    assert counts(top_p=0.7) == pytest.approx([0, 67, 0, 33], abs=1)
    assert counts(top_p=0.4) == [0, 100, 0, 0]
    assert counts(temperature=0) == [0, 100, 0, 0]
    assert counts(temperature=0.5) == pytest.approx([3, 72, 7, 18], abs=1)


def test_rows_of_a_batch_keep_their_own_sampling():
    logits = torch.tensor([[0.1, 0.5, 0.15, 0.25], [0.7, 0.1, 0.1, 0.1]]).log()
    greedy = Generation(temperature=0, top_p=1, top_k=0, max_words=1, block_loops=False)
    free = greedy.model_copy(update={"temperature": 1.0})
    assert sample(logits, [greedy, free], [0.99, 0.99]) == [1, 3]
    assert sample(logits, [free, greedy], [0.99, 0.99]) == [3, 0]


def test_a_blend_is_the_weighted_mean_of_the_probabilities():
    probabilities = torch.tensor([[0.8, 0.2, 0.0], [0.2, 0.2, 0.6]])
    assert blend(probabilities.log(), [3, 1]).exp().tolist() == pytest.approx([0.65, 0.2, 0.15])
    assert torch.equal(blend(probabilities.log(), [1, 0]), blend(probabilities[:1].log(), [1]))
