"""Our training against the alternatives: the same base, poems, tokens, learning rate and machine.

    python -m benchmarks.training [--base smollm2-135m] [--tokens 12000] [--method full] [--write PAGE]

Every contender trains in a process of its own on the same examples of `data/tokens/train.parquet`, one after the
other, and is measured by the same function on the same validation poems:

- ours: packed rows, bfloat16, the loss in chunks of logits;
- baseline: a common GPT-2 recipe: transformers' Trainer, float32, six poems per step, each padded to 1,024 tokens,
  labels on the padding too. It is slow, so it stops after `--baseline-steps`;
- trainer: transformers' Trainer, well configured: padded to the longest poem of the batch, grouped by length, bfloat16,
  no labels on padding;
- trl: TRL's SFTTrainer with packing, bfloat16;
- compiled: ours with torch.compile, only with `--only ours compiled`. The time includes compilation.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer, set_seed

from benchmarks.contenders import POEMS_PER_STEP, WARM_UP, Task, train_baseline, train_ours, train_trainer, train_trl
from benchmarks.page import markdown, write_page
from pipeline.common.params import load_params
from pipeline.common.tables import read_table
from pipeline.modeling.base import resolve_base
from pipeline.modeling.vocabulary import cut_tokenizer, kept_tokens
from pipeline.tokenize import add_language_tokens, tokenize_poems, used_tokens

TOKENS = Path("data/tokens")
CONTENDERS = {
    "ours": "ours",
    "compiled": "ours, torch.compile",
    "baseline": "(a) a common GPT-2 recipe",
    "trainer": "(b) Trainer, well configured",
    "trl": "(c) TRL's SFTTrainer, packing",
}


def make_task(arguments: argparse.Namespace, cut_vocabulary: bool = False) -> Task:
    """The task that all contenders share; the same arguments give the same task in every process."""
    params = load_params()
    base = resolve_base(arguments.base)
    tokenizer, kept = AutoTokenizer.from_pretrained(base), None
    options = params.tokenize.model_copy(update={"block_size": arguments.block_size})
    poems = read_table(TOKENS / "train.parquet").sample(frac=1, random_state=0)
    if cut_vocabulary:
        kept = kept_tokens(tokenizer, used_tokens(poems, tokenizer, params.languages, options))
        tokenizer = cut_tokenizer(tokenizer, kept)
    add_language_tokens(tokenizer, list(params.languages))
    examples, tokens = [], 0
    for example in tokenize_poems(poems, tokenizer, options, training=True):
        if tokens + len(example.input_ids) <= arguments.tokens:
            examples.append(example)
            tokens += len(example.input_ids)
    validation = read_table(TOKENS / "validation.parquet").groupby("language").head(arguments.validation)
    changes = {
        "method": arguments.method,
        "learning_rate": arguments.learning_rate,
        "lora_dropout": 0.0,
        "gradient_checkpointing": False,
    }
    return Task(
        base=base,
        tokenizer=tokenizer,
        languages=params.languages,
        finetune=params.finetune.model_copy(update=changes),
        examples=examples,
        validation=validation,
        block_size=arguments.block_size,
        rows_per_step=arguments.rows,
        marks=arguments.mark,
        kept=kept,
    )


def run_contender(name: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Train one contender in this process."""
    task = make_task(arguments)
    set_seed(task.finetune.seed)
    with tempfile.TemporaryDirectory() as temporary:
        runs: dict[str, Callable[[], dict[str, Any]]] = {
            "ours": lambda: train_ours(task),
            "compiled": lambda: train_ours(task, compiled=True),
            "baseline": lambda: train_baseline(task, Path(temporary), arguments.baseline_steps),
            "trainer": lambda: train_trainer(task, Path(temporary)),
            "trl": lambda: train_trl(task, Path(temporary)),
        }
        return runs[name]()


def run_in_process(name: str, own: Sequence[str], marks: Sequence[int]) -> dict[str, Any]:
    """Train one contender in a process of its own."""
    with tempfile.TemporaryDirectory() as temporary:
        found = Path(temporary) / "found.json"
        marked = [word for mark in marks for word in ("--mark", str(mark))]
        command = [
            sys.executable,
            "-m",
            "benchmarks.training",
            *own,
            *marked,
            "--contender",
            name,
            "--found",
            str(found),
        ]
        quiet = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error", "PYTHONWARNINGS": "ignore"}
        subprocess.run(command, check=True, env={**os.environ, **quiet}, stdout=sys.stderr)
        return json.loads(found.read_text(encoding="utf-8"))


def table(found: dict[str, dict[str, Any]], method: str) -> str:
    """The contenders side by side, each with how many times as fast ours is."""
    speeds = {name: report["tokens"] / report["seconds"] for name, report in found.items()}
    warmed = {name: warm_speed(report) for name, report in found.items()}
    rows = [
        (
            CONTENDERS[name],
            method,
            report["steps"],
            f"{report['tokens']:,}",
            f"{speeds[name]:.0f}",
            f"{speeds['ours'] / speeds[name]:.1f}",
            warmed[name],
            f"{1000 * report['core_seconds'] / report['tokens']:.1f}",
            f"{report['peak_memory']:.1f}",
            "; ".join(f"{score:.4f} ({tokens:,})" for tokens, score in report["scores"]),
        )
        for name, report in found.items()
    ]
    header = ("contender", "trains", "steps", "real tokens", "real tokens per second", "ours is faster by")
    header += (f"after {WARM_UP} steps",)
    header += ("core seconds per 1,000", "peak GB")
    return markdown((*header, "validation bits per byte (after real tokens)"), rows)


def warm_speed(report: dict[str, Any]) -> str:
    """Real tokens per second after the warm-up, or a dash where no step came after it."""
    tokens, seconds = report["warm"]
    after = report["tokens"] - tokens if tokens else 0
    return f"{after / (report['seconds'] - seconds):.0f}" if after else "–"


def settings(arguments: argparse.Namespace) -> str:
    """What was the same for all contenders and what was not, as a paragraph."""
    return (
        f"Base {arguments.base}, method {arguments.method}, AdamW at a constant {arguments.learning_rate:g}, one epoch "
        f"of the same poems. Ours and (c) take {arguments.rows} rows of {arguments.block_size} tokens per step, (a) "
        f"and (b) {POEMS_PER_STEP} poems. (a) stops after {arguments.baseline_steps} steps: compare its bits per byte "
        "with the others' after as many tokens.\n\n"
    )


def parse_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="smollm2-135m")
    parser.add_argument("--method", choices=("full", "lora"), default="full", help="lora leaves the baseline out")
    parser.add_argument("--tokens", type=int, default=12_000, help="real tokens to train on, at most")
    parser.add_argument("--baseline-steps", type=int, default=2, help="steps after which the baseline stops")
    parser.add_argument("--block-size", type=int, default=512, help="tokens per packed row")
    parser.add_argument("--rows", type=int, default=2, help="packed rows per step")
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    parser.add_argument("--validation", type=int, default=8, help="poems of each language")
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, help="only these contenders")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="write the tables to this Markdown page too")
    parser.add_argument("--contender", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--found", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--mark", type=int, action="append", default=[], help=argparse.SUPPRESS)
    return parser.parse_args(words)


def main() -> None:
    arguments = parse_arguments()
    if arguments.contender:
        found = run_contender(arguments.contender, arguments)
        arguments.found.write_text(json.dumps(found), encoding="utf-8")
        return
    left_out = {"compiled"} if arguments.method == "full" else {"compiled", "baseline"}
    chosen = arguments.only or [name for name in CONTENDERS if name not in left_out]
    results: dict[str, dict[str, Any]] = {}
    marks: list[int] = []
    for name in sorted(chosen, key=lambda name: name != "baseline"):  # the others are also measured where it stops
        results[name] = run_in_process(name, sys.argv[1:], marks)
        if name == "baseline":
            marks = [results[name]["tokens"]]
        print(f"{name}: {results[name]}", file=sys.stderr, flush=True)
    tables = settings(arguments) + table(
        {name: results[name] for name in CONTENDERS if name in results}, arguments.method
    )
    print(tables)
    if arguments.write:
        write_page(arguments.write, "Training, side by side", "benchmarks.training", tables)


if __name__ == "__main__":
    main()
