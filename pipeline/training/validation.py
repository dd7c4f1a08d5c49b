"""What is seen of a model while it trains: its fit on the validation poems, and a few lines that it writes."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pandas as pd
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from pipeline.common.params import Params
from pipeline.generation.decoder import write_poems
from pipeline.modeling.hardware import in_smaller_batches
from pipeline.modeling.likelihood import bits_per_byte, poem_log_likelihoods
from pipeline.modeling.prompt import Request, poem_request
from pipeline.training.distributed import shard, sum_over_processes, this_process

SAMPLE_WORDS = 24  # of each sample at most


@contextmanager
def eval_mode(model: PreTrainedModel) -> Iterator[None]:
    """Turn off what only training needs: dropout, and layers compiled anew for each length of text."""
    model.eval()
    with torch.compiler.set_stance("force_eager"):
        yield
    model.train()


def validate(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, poems: pd.DataFrame, batch_size: int
) -> dict[str, float]:
    """Bits per byte of the validation poems, by language; each process scores its shard of them."""
    scores = {}
    with eval_mode(model):
        for language, group in poems.groupby("language"):
            mine = shard(group)
            requests = [poem_request(poem) for poem in mine.to_dict("records")]
            score = partial(poem_log_likelihoods, model, tokenizer, requests, mine["text"].tolist())
            log_likelihoods, _ = in_smaller_batches(score, batch_size)
            total = torch.tensor(sum(log_likelihoods), dtype=torch.float64, device=this_process().device)
            sum_over_processes(total)
            scores[str(language)] = bits_per_byte([total.item()], group["text"].tolist())
    return scores


def sample_poems(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, params: Params) -> str:
    """How the model continues each prompt of `evaluate.prompts`, to read while it trains."""
    requests = [
        Request(language, first_line=line) for language, lines in params.evaluate.prompts.items() for line in lines
    ]
    samplings = [params.generation.model_copy(update={"max_words": SAMPLE_WORDS})] * len(requests)
    with eval_mode(model):
        poems = write_poems(model, tokenizer, requests, samplings, [params.evaluate.seed] * len(requests))
    return "\n\n---\n\n".join(poem.text for poem in poems) + "\n"
