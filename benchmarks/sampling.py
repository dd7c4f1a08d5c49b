"""What temperature and truncation do to poems: the same requests and seeds with several samplings.

    python -m benchmarks.sampling [--model models/poet] [--poems 16] [--write docs/results/sampling.md]

It reads data/tokens, which `make run` leaves. Bits per byte are those that the untuned base needs for the poems: few
for loops, many for word salad, and human poems are in between.
"""

import argparse
from pathlib import Path

import pandas as pd

from benchmarks.page import markdown, write_page
from pipeline.common.params import Params, load_params
from pipeline.common.tables import read_table
from pipeline.evaluate import POET, TOKENS, chosen, requests_of
from pipeline.generation.decoder import write_poems
from pipeline.metrics import text as text_metrics
from pipeline.metrics.measure import DISTINCT_WORDS, measure_texts
from pipeline.metrics.registry import HUMAN, METRICS
from pipeline.modeling.base import load_base, resolve_base
from pipeline.modeling.likelihood import bits_per_byte, poem_log_likelihoods
from pipeline.modeling.prompt import Request

SAMPLINGS = [  # temperature, top_p, top_k
    (0.8, 0.85, 40),  # what poets of this size are often sampled with
    (0.9, 0.9, 100),
    (0.9, 0.95, 100),
    (1.0, 0.95, 100),
]
SHARES = ("seq_rep_4", "repeated_lines", "loops", "ended", "foreign_lines")  # columns whose means are shown
HEADER = ("sampling", *(METRICS[name].label.lower() for name in (*SHARES, "distinct_1", "bits_per_byte")))


def written(model: str, requests: list[Request], params: Params) -> pd.DataFrame:
    """A row per poem: sampling, language, text, ended."""
    poet, tokenizer = load_base(model)
    rows = []
    for temperature, top_p, top_k in SAMPLINGS:
        changes = {"temperature": temperature, "top_p": top_p, "top_k": top_k}
        sampling = params.generation.model_copy(update=changes)
        name = f"{temperature}, {top_p}, {top_k}" + (", as in params.yaml" if sampling == params.generation else "")
        drawn = ([sampling] * len(requests), range(len(requests)))
        poems = write_poems(poet, tokenizer, requests, *drawn, batch_size=params.evaluate.batch_size, progress=name)
        rows += [(name, asked.language, poem.text, poem.ended) for asked, poem in zip(requests, poems, strict=True)]
    return pd.DataFrame(rows, columns=["sampling", "language", "text", "ended"])


def measured(poems: pd.DataFrame, params: Params) -> pd.DataFrame:
    """The poems with columns of their metrics."""
    base, tokenizer = load_base(resolve_base(params.base))
    requests = [Request(language) for language in poems["language"]]
    likelihoods = poem_log_likelihoods(
        base,
        tokenizer,
        requests,
        poems["text"].tolist(),
        params.evaluate.batch_size,
        spoken_languages=params.languages,
    )
    by_language = poems.assign(likelihood=likelihoods).groupby("language", sort=False)
    return pd.concat(
        rows.assign(**measure_texts(rows["text"].tolist(), str(language), params)) for language, rows in by_language
    )


def table(poems: pd.DataFrame) -> str:
    """The mean metrics of each sampling, as Markdown."""
    rows = []
    for name, group in poems.groupby("sampling", sort=False):
        shares = group[list(SHARES)].mean()
        texts = group["text"].tolist()
        distinct = text_metrics.distinct(texts, 1, DISTINCT_WORDS)
        bits = bits_per_byte(group["likelihood"].tolist(), texts)
        rows.append((name, *(f"{share:.0%}" for share in [*shares, distinct]), f"{bits:.2f}"))
    return markdown(HEADER, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=str(POET), help="a tuned folder")
    parser.add_argument("--poems", type=int, default=16, help="per language and sampling")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="write the tables to this Markdown page too")
    arguments = parser.parse_args()
    params = load_params()
    changed = params.evaluate.model_copy(update={"poems_per_language": arguments.poems})
    params = params.model_copy(update={"evaluate": changed})
    test = chosen(read_table(TOKENS / "test.parquet"), params)
    human = test[["language", "text"]].assign(sampling=HUMAN, ended=True)
    poems = measured(pd.concat([written(arguments.model, requests_of(test, params), params), human]), params)
    parts = [f"## {name}\n\n{table(poems[poems['language'] == code])}" for code, name in params.languages.items()]
    tables = f"{arguments.model}; samplings are temperature, `top_p` and `top_k`.\n\n" + "\n".join(parts)
    print(tables)
    if arguments.write:
        write_page(arguments.write, "Sampling", "benchmarks.sampling", tables)


if __name__ == "__main__":
    main()
