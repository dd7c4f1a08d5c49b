"""What a vocabulary cut to the poems gains in speed, memory and size, and what it costs in fit.

    python -m benchmarks.vocabulary [--base gemma-3-270m] [--tokens 4000] [--write docs/results/vocabulary.md]

trains the base on the same poems of `data/tokens/train.parquet` with its whole vocabulary and with one cut to those
poems, each in a process of its own, scores both on the same validation poems, and times both as they write.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.contenders import train_ours, validation_bits_per_byte
from benchmarks.page import markdown, write_page
from benchmarks.training import make_task
from benchmarks.training import parse_arguments as parse_training
from pipeline.common.params import load_params
from pipeline.generation.decoder import write_poems
from pipeline.modeling.base import best_device, best_dtype
from pipeline.modeling.prompt import Request
from pipeline.training.adapters import prepare_model

LEARNING_RATE = 2e-5  # low, for a few steps without warm-up


def measure(cut: bool, arguments: argparse.Namespace) -> dict[str, Any]:
    """Train and write with a whole or a cut vocabulary, in this process."""
    words = ["--base", arguments.base, "--method", arguments.method, "--tokens", str(arguments.tokens)]
    words += ["--validation", str(arguments.validation), "--learning-rate", str(LEARNING_RATE)]
    task = make_task(parse_training(words), cut)
    tokenizer = task.tokenizer
    model = prepare_model(task.base, tokenizer, task.languages, task.finetune, torch.float32, kept=task.kept)
    before = validation_bits_per_byte(model.eval(), task)
    model = model.to(best_device(), best_dtype(best_device()))
    requests = [Request(language) for language in task.languages] * 4
    sampling = load_params().generation.model_copy(update={"max_words": arguments.words})
    write = partial(write_poems, model, tokenizer, requests, [sampling] * len(requests))
    write([0] * len(requests))  # warms up
    started = time.perf_counter()
    written = sum(len(tokenizer.encode(poem.text)) for poem in write(range(len(requests))))
    writing = written / (time.perf_counter() - started)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    del model
    trained = train_ours(task)
    return {
        "vocabulary": len(tokenizer),
        "parameters": parameters,
        "megabytes": parameters * torch.bfloat16.itemsize / 1e6,
        "before": before,
        "after": trained["scores"][-1][1],
        "tokens": trained["tokens"],
        "training": trained["tokens"] / trained["seconds"],
        "peak_memory": trained["peak_memory"],
        "writing": writing,
    }


def table(found: dict[str, dict[str, Any]]) -> str:
    """Whole and cut side by side."""
    lines = [
        ("tokens in the vocabulary", "vocabulary", "{:,}"),
        ("parameters", "parameters", "{:,}"),
        ("weights as saved, in bfloat16, MB", "megabytes", "{:.0f}"),
        ("validation bits per byte before training", "before", "{:.4f}"),
        ("validation bits per byte after training", "after", "{:.4f}"),
        ("real tokens trained on", "tokens", "{:,}"),
        ("training, real tokens per second", "training", "{:.0f}"),
        ("training, peak GB", "peak_memory", "{:.1f}"),
        ("writing in a batch, tokens per second", "writing", "{:.0f}"),
    ]
    rows = [(name, *(form.format(report[key]) for report in found.values())) for name, key, form in lines]
    return markdown(("", *found), rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="gemma-3-270m")
    parser.add_argument("--method", choices=("full", "lora"), default="full")
    parser.add_argument("--tokens", type=int, default=4_000, help="real tokens to train on, at most")
    parser.add_argument("--validation", type=int, default=8, help="poems of each language")
    parser.add_argument("--words", type=int, default=40, help="of each poem written, at most")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="write the table to this Markdown page too")
    parser.add_argument("--one", choices=("whole", "cut"), help=argparse.SUPPRESS)
    parser.add_argument("--found", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        arguments.found.write_text(json.dumps(measure(arguments.one == "cut", arguments)), encoding="utf-8")
        return
    found = {}
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "found.json"
        for one in ("whole", "cut"):
            command = [sys.executable, "-m", "benchmarks.vocabulary", *sys.argv[1:], "--one", one, "--found", str(path)]
            subprocess.run(command, check=True, env={**os.environ, "HF_HUB_OFFLINE": "1"}, stdout=sys.stderr)
            found[one] = json.loads(path.read_text(encoding="utf-8"))
    page = table(found)
    print(page)
    if arguments.write:
        write_page(arguments.write, "A vocabulary cut to the poems", "benchmarks.vocabulary", page)


if __name__ == "__main__":
    main()
