"""The best of several poems for one request: the one with the lowest penalties, which docs/writing.md explains."""

from collections.abc import Sequence
from random import Random

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from pipeline.common.params import Generation
from pipeline.common.text import words_of
from pipeline.generation.decoder import write_poems
from pipeline.generation.sequence import Blend, Poem
from pipeline.metrics import text as text_metrics
from pipeline.metrics.novelty import copied
from pipeline.modeling.prompt import Request, languages_of


def penalties(poem: Poem, language: str, languages: Sequence[str], training: Sequence[str] = ()) -> dict[str, float]:
    """What is wrong with a poem, each from 0 (nothing) to 1 (all of it).

    Args:
        language: the one asked for.
        languages: those that a line is judged among.
        training: poems it should not copy.
    """
    text = poem.text
    found = {
        "language": float(text_metrics.language_of(text, languages) not in (language, None)),
        "foreign_lines": text_metrics.foreign_lines(text, language, languages),
        "loops": float(text_metrics.loops(text)),
        "seq_rep_4": text_metrics.seq_rep(text),
        "repeated_lines": text_metrics.repeated_lines(text),
        "cut_off": float(not poem.ended),
    }
    if training:
        [compared] = copied([text], training)
        found["copied"] = compared.longest_run / max(1, len(words_of(text)))
    return found


def write_best(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    requests: Sequence[Request | Blend],
    samplings: Sequence[Generation],
    seeds: Sequence[int],
    candidates: int,
    training: Sequence[str] = (),
    spoken_languages: dict[str, str] | None = None,
    batch_size: int = 16,
    progress: str | None = None,
) -> list[Poem]:
    """Write several poems for each request and return the one with the lowest sum of penalties; the first of equals.

    Args:
        candidates: poems per request; the first is the one that `write_poems` writes with its seed.
        training: poems not to copy.
        requests, samplings, seeds, spoken_languages, batch_size, progress: as for `write_poems`.

    Raises:
        BadInput: as `write_poems`.
    """
    poems = write_poems(
        model,
        tokenizer,
        [request for request in requests for _ in range(candidates)],
        [sampling for sampling in samplings for _ in range(candidates)],
        [each for seed in seeds for each in candidate_seeds(seed, candidates)],
        spoken_languages,
        batch_size,
        progress,
    )
    languages = list(spoken_languages or languages_of(tokenizer))
    best = []
    for number, request in enumerate(requests):
        language = request.language if isinstance(request, Request) else request[0][0].language
        written = poems[number * candidates : (number + 1) * candidates]
        totals = [sum(penalties(poem, language, languages, training).values()) for poem in written]
        best.append(written[totals.index(min(totals))])
    return best


def candidate_seeds(seed: int, candidates: int) -> list[int]:
    """The seed itself, then others that differ from those of neighbouring seeds."""
    random = Random(f"candidates of {seed}")
    return [seed, *(random.getrandbits(32) for _ in range(candidates - 1))]
