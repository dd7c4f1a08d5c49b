"""The stage *tokenize*: split poems by duplicate cluster, write them as prompts, pack them into training rows."""

from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from random import Random

import numpy as np
import pandas as pd
from datasets import Dataset, disable_progress_bars
from tokenizers import AddedToken
from tqdm import tqdm
from transformers import AutoConfig, AutoTokenizer, PreTrainedTokenizerBase

from pipeline.common.parallel import in_batches
from pipeline.common.params import Tokenize, load_params
from pipeline.common.splits import SPLITS, TOKENS, split_of
from pipeline.common.stage import BadInput, stage, whole_folder
from pipeline.common.tables import POEM_SCHEMA, read_batches, table_writer, write_report
from pipeline.modeling.base import resolve_base
from pipeline.modeling.prompt import context_length, drop_fields, language_token, poem_request
from pipeline.modeling.vocabulary import KEPT_TOKENS, cut_tokenizer, kept_tokens
from pipeline.training.packing import Example, examples_of, pack

POEMS = Path("data/tagged/poems.parquet")
REPORT = Path("metrics/tokenize.json")
BATCH = 500  # poems that are encoded at once
WINDOW = 10_000  # examples that are packed together


def split_poems(poems: Iterable[pd.DataFrame], folder: Path, params: Tokenize) -> dict[str, dict[str, int]]:
    """Write the tables of train, validation and test, `<split>.parquet` in a folder; no cluster is in two of them.

    Args:
        poems: the table, some rows at a time.
        folder: of the tables; rows keep their order.
        params: the section `tokenize`.

    Returns:
        For each split, how many poems it has in each language.

    Raises:
        BadInput: there are no poems, or some language is missing from a split.
    """
    counts = {name: Counter() for name in SPLITS}
    with ExitStack() as tables:
        writers = {name: tables.enter_context(table_writer(folder / f"{name}.parquet", POEM_SCHEMA)) for name in SPLITS}
        for batch in poems:
            splits = batch["cluster"].map(lambda cluster: split_of(cluster, params))
            for name, add in writers.items():
                add(batch[splits == name])
                counts[name].update(batch.loc[splits == name, "language"])
    languages = sum(counts.values(), Counter())
    if not languages:
        raise BadInput(
            str(POEMS),
            "no poems are left",
            "Read why in data/clean/rejects.parquet and data/tagged/rejects.parquet",
        )
    for language, count in languages.items():
        for name, found in counts.items():
            if not found[language]:
                problem = f"the corpus is too small to split: its {count} poems in {language!r} leave none for {name}"
                remedy = "Add poems, raise tokenize.test_share and tokenize.validation_share, or drop the language"
                raise BadInput(str(POEMS), problem, remedy)
    return {name: dict(sorted(found.items())) for name, found in counts.items()}


def add_language_tokens(tokenizer: PreTrainedTokenizerBase, languages: list[str]) -> None:
    """Add one control token per language, which no text can spell, and a padding token if there is none."""
    tokens = [AddedToken(language_token(language), special=True, normalized=False) for language in languages]
    tokenizer.add_tokens(tokens, special_tokens=True)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token


def tokenize_poems(
    poems: pd.DataFrame, tokenizer: PreTrainedTokenizerBase, params: Tokenize, training: bool
) -> list[Example]:
    """All examples of a table of poems, in its order.

    In training, header fields are dropped at random, seeded by the poem's id.

    Raises:
        BadInput: a header alone fills a row.
    """
    requests = [poem_request(poem) for poem in poems.to_dict("records")]
    if training:
        requests = [
            drop_fields(request, params.drop_field, Random(f"{params.seed}:{poem_id}"))
            for request, poem_id in zip(requests, poems["poem_id"], strict=True)
        ]
    texts = poems["text"].tolist()
    return [
        example
        for start in range(0, len(texts), BATCH)  # the tokenizer's output is many times the size of a text
        for example in examples_of(
            tokenizer, requests[start : start + BATCH], texts[start : start + BATCH], params.block_size
        )
    ]


def used_tokens(
    poems: pd.DataFrame, tokenizer: PreTrainedTokenizerBase, languages: dict[str, str], params: Tokenize
) -> set[int]:
    """The tokens of the poems with full headers, and of the languages' names, which initialise the control tokens."""
    examples = tokenize_poems(poems, tokenizer, params, training=False)
    names = [tokenizer.encode(f" {name}", add_special_tokens=False) for name in languages.values()]
    return set().union(*(example.input_ids for example in examples), *names)


def write_rows(table: Path, folder: Path, tokenizer: PreTrainedTokenizerBase, params: Tokenize) -> dict[str, float]:
    """Pack the poems of a split into rows, which `read_rows` reads: a data set for each window of examples.

    Windows bound the memory, and rows are as full as if all examples were packed together.

    Returns:
        Counts of rows, tokens and tokens in the loss, and the share of positions that are not padding.
    """
    training = table.stem == "train"
    batches = (tokenize_poems(batch, tokenizer, params, training) for batch in read_batches(table))
    progress = tqdm(chain.from_iterable(batches), desc=f"tokenize {table.stem}", unit=" examples", leave=False)
    rows = tokens = headers = 0
    for number, examples in enumerate(in_batches(progress, WINDOW)):
        window = Dataset.from_dict(pack(examples, params.block_size, tokenizer.pad_token_id))
        window.save_to_disk(folder / f"{number:05}")
        rows += len(window)
        tokens += sum(len(example.input_ids) for example in examples)
        headers += sum(example.header_length for example in examples)
    return {
        "rows": rows,
        "tokens": tokens,
        "tokens_in_loss": tokens - headers,
        "utilisation": round(tokens / (rows * params.block_size), 4),
    }


@stage
def main() -> None:
    disable_progress_bars()  # those of `datasets`, one for each window
    params = load_params()
    block_size = params.tokenize.block_size
    with whole_folder(TOKENS) as partial:
        counts = split_poems(read_batches(POEMS), partial, params.tokenize)
        base = resolve_base(params.base)
        context = context_length(AutoConfig.from_pretrained(base))
        if block_size > context:
            problem = f"{block_size} is more than the {context} tokens that {params.base} can read"
            raise BadInput("params.yaml: tokenize.block_size", problem, f"Set at most {context}")
        tokenizer = AutoTokenizer.from_pretrained(base)
        if params.tokenize.cut_vocabulary:
            batches = read_batches(partial / "train.parquet")
            used = (used_tokens(batch, tokenizer, params.languages, params.tokenize) for batch in batches)
            kept = kept_tokens(tokenizer, set().union(*used))
            tokenizer = cut_tokenizer(tokenizer, kept)
            np.save(partial / KEPT_TOKENS, kept)
        add_language_tokens(tokenizer, list(params.languages))
        tokenizer.save_pretrained(partial / "tokenizer")
        report = {"poems": counts, "vocabulary": len(tokenizer)}
        for name in ("train", "validation"):
            report[name] = write_rows(partial / f"{name}.parquet", partial / name, tokenizer, params.tokenize)
    write_report(report, REPORT)
    train = report["train"]
    print(f"{train['rows']} training rows of {block_size} tokens, {train['utilisation']:.1%} of them real")


if __name__ == "__main__":
    main()
