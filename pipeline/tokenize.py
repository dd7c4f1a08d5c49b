"""The stage *tokenize*: poems split by duplicate cluster, written in the prompt format, packed into training rows."""

import hashlib
from pathlib import Path
from random import Random

import numpy as np
import pandas as pd
from datasets import Dataset
from tokenizers import AddedToken
from tqdm import tqdm
from transformers import AutoConfig, AutoTokenizer, PreTrainedTokenizerBase

from pipeline.base import resolve_base
from pipeline.likelihood import context_length
from pipeline.packing import Example, examples_of, pack
from pipeline.params import Tokenize, load_params
from pipeline.poems import POEM_SCHEMA, read_table, write_report, write_table
from pipeline.prompt import drop_fields, language_token, poem_request
from pipeline.stage import BadInput, stage, whole_folder
from pipeline.vocabulary import KEPT_TOKENS, cut_tokenizer, kept_tokens

POEMS = Path("data/tagged/poems.parquet")
TOKENS = Path("data/tokens")
REPORT = Path("metrics/tokenize.json")
SPLITS = ("train", "validation", "test")


def split_of(cluster: str, params: Tokenize) -> str:
    """The side of the split on which a duplicate cluster falls.

    It hangs on a hash of the cluster and the seed alone, so poems added later move none of those that were there.
    """
    digest = hashlib.sha256(f"{params.seed}:{cluster}".encode()).digest()
    draw = int.from_bytes(digest[:8], "big") / 2**64
    if draw < params.test_share:
        return "test"
    return "validation" if draw < params.test_share + params.validation_share else "train"


def split_poems(poems: pd.DataFrame, params: Tokenize) -> dict[str, pd.DataFrame]:
    """Split a table of poems into train, validation and test, whole clusters each.

    Raises:
        BadInput: there are no poems, or some language is missing from a split.
    """
    if poems.empty:
        raise BadInput(
            str(POEMS), "no poems are left", "See data/clean/rejects.parquet and data/tagged/rejects.parquet"
        )
    sides = poems["cluster"].map(lambda cluster: split_of(cluster, params))
    splits = {name: poems[sides == name].reset_index(drop=True) for name in SPLITS}
    for language, count in poems["language"].value_counts().items():
        for name, split in splits.items():
            if language not in set(split["language"]):
                problem = f"the corpus is too small to split: its {count} poems in {language!r} leave none for {name}"
                remedy = "Add poems, raise tokenize.test_share and tokenize.validation_share, or drop the language"
                raise BadInput(str(POEMS), problem, remedy)
    return splits


def add_language_tokens(tokenizer: PreTrainedTokenizerBase, languages: list[str]) -> None:
    """Give the tokenizer one control token a language, which no text can spell, and a padding token."""
    tokens = [AddedToken(language_token(language), special=True, normalized=False) for language in languages]
    tokenizer.add_tokens(tokens, special_tokens=True)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token


def tokenize_poems(
    poems: pd.DataFrame, tokenizer: PreTrainedTokenizerBase, params: Tokenize, training: bool
) -> list[Example]:
    """All examples of a table of poems, in its order.

    In training, header fields are dropped at random, by the poem's id and the seed.

    Raises:
        BadInput: a header alone fills a row.
    """
    examples = []
    for poem in tqdm(poems.to_dict("records"), desc="tokenize", unit=" poems", disable=len(poems) < 1000):
        request = poem_request(poem)
        if training:
            request = drop_fields(request, params.drop_field, Random(f"{params.seed}:{poem['poem_id']}"))
        examples += examples_of(tokenizer, request, poem["text"], params.block_size)
    return examples


def used_tokens(
    poems: pd.DataFrame, tokenizer: PreTrainedTokenizerBase, languages: dict[str, str], params: Tokenize
) -> set[int]:
    """All tokens of the poems with their full headers, and of the languages' names, from which their tokens start."""
    examples = tokenize_poems(poems, tokenizer, params, training=False)
    names = [tokenizer.encode(f" {name}", add_special_tokens=False) for name in languages.values()]
    return set().union(*(example.input_ids for example in examples), *names)


def rows_report(examples: list[Example], rows: int, block_size: int) -> dict[str, float]:
    """How many tokens the rows hold, how many of them the loss counts, and the share of positions that are real."""
    tokens = sum(len(example.input_ids) for example in examples)
    headers = sum(example.header_length for example in examples)
    return {
        "rows": rows,
        "tokens": tokens,
        "tokens_in_loss": tokens - headers,
        "utilisation": round(tokens / (rows * block_size), 4),
    }


@stage
def main() -> None:
    params = load_params()
    block_size = params.tokenize.block_size
    splits = split_poems(read_table(POEMS), params.tokenize)
    base = resolve_base(params.base)
    context = context_length(AutoConfig.from_pretrained(base))
    if block_size > context:
        problem = f"{block_size} is more than the {context} tokens {params.base} reads"
        raise BadInput("params.yaml: tokenize.block_size", problem, f"Set at most {context}")
    tokenizer = AutoTokenizer.from_pretrained(base)
    kept = None
    if params.tokenize.cut_vocabulary:
        kept = kept_tokens(tokenizer, used_tokens(splits["train"], tokenizer, params.languages, params.tokenize))
        tokenizer = cut_tokenizer(tokenizer, kept)
    add_language_tokens(tokenizer, list(params.languages))
    report = {
        "poems": {name: split["language"].value_counts().sort_index().to_dict() for name, split in splits.items()},
        "vocabulary": len(tokenizer),
    }
    with whole_folder(TOKENS) as partial:
        if kept is not None:
            np.save(partial / KEPT_TOKENS, kept)
        tokenizer.save_pretrained(partial / "tokenizer")
        for name in ("train", "validation"):
            examples = tokenize_poems(splits[name], tokenizer, params.tokenize, training=name == "train")
            rows = Dataset.from_dict(pack(examples, block_size, tokenizer.pad_token_id))
            rows.save_to_disk(partial / name)
            report[name] = rows_report(examples, len(rows), block_size)
        for name, split in splits.items():
            write_table(split, partial / f"{name}.parquet", POEM_SCHEMA)
    write_report(report, REPORT)
    train = report["train"]
    print(f"{train['rows']} training rows of {block_size} tokens, {train['utilisation']:.1%} of them real")


if __name__ == "__main__":
    main()
