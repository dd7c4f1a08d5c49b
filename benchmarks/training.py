"""Our training against what a user would pick instead: the same base, poems, tokens and learning rate, one machine.

    python -m benchmarks.training [--base smollm2-135m] [--tokens 12000] [--method full] [--write PAGE]

Every contender trains in a process of its own on the same examples of `data/tokens/train.parquet`, one after the
other, and is measured by the same function on the same validation poems:

- ours: packed rows, bfloat16, the loss by chunks of the vocabulary's logits;
- seed: the GPT-2 recipe this project began with: transformers' Trainer, float32, six poems a step, each padded to
  1,024 tokens, labels on the padding too. It is slow, so it stops after `--seed-steps`;
- trainer: a good user's transformers Trainer: padded to the longest of the batch, grouped by length, bfloat16, no
  labels on padding;
- trl: TRL's SFTTrainer with packing, bfloat16.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pandas as pd
import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoTokenizer,
    DataCollatorForSeq2Seq,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)

from benchmarks.page import markdown, write_page
from pipeline.adapt import prepare_model
from pipeline.base import best_device, best_dtype, resolve_base
from pipeline.finetune import train_step
from pipeline.hardware import peak_memory_gb
from pipeline.likelihood import bits_per_byte, context_length, poem_log_likelihoods
from pipeline.packing import pack
from pipeline.params import Finetune, load_params
from pipeline.poems import read_table
from pipeline.prompt import poem_request
from pipeline.tokenize import add_language_tokens, tokenize_poems, used_tokens
from pipeline.vocabulary import cut_tokenizer, kept_tokens

TOKENS = Path("data/tokens")
CONTENDERS = {
    "ours": "ours",
    "seed": "(a) the GPT-2 seed's recipe",
    "trainer": "(b) a good user's Trainer",
    "trl": "(c) TRL's SFTTrainer, packing",
}
POEMS_A_STEP = 6  # the seed's batch
SEED_LENGTH = 1024  # GPT-2's maximum, to which the seed pads


@dataclass
class Task:
    """What all contenders are given alike.

    Args:
        examples: token ids, length of the header, in the order of the corpus; none longer than `block_size`.
        rows_a_step: rows of `block_size` tokens that a step takes where poems are packed.
        marks: numbers of real tokens after which the validation poems are measured, ascending.
        kept: the tokens that a cut vocabulary keeps of the base's; None where it is whole.
    """

    base: Path
    tokenizer: PreTrainedTokenizerBase
    languages: dict[str, str]
    finetune: Finetune
    examples: list[Any]
    validation: pd.DataFrame
    block_size: int
    rows_a_step: int
    marks: list[int]
    kept: np.ndarray | None


@dataclass
class Meter:
    """A stopwatch over training steps that counts real tokens, and stops to measure the model at the task's marks."""

    task: Task
    tokens: int = 0
    steps: int = 0
    seconds: float = 0.0
    figures: list[tuple[int, float]] = field(default_factory=list)
    peak_memory: float = 0.0
    _since: float = 0.0

    def start(self) -> None:
        self._since = time.perf_counter()

    def step(self, model: PreTrainedModel, tokens: int) -> None:
        """Call after each step, with the tokens in it that are no padding."""
        self.seconds += time.perf_counter() - self._since
        self.tokens, self.steps = self.tokens + tokens, self.steps + 1
        self.peak_memory = peak_memory_gb()
        if len(self.figures) < len(self.task.marks) and self.tokens >= self.task.marks[len(self.figures)]:
            self.figures.append((self.tokens, validation_bits_per_byte(model, self.task)))
        self.start()

    def report(self, model: PreTrainedModel) -> dict[str, Any]:
        if not self.figures or self.figures[-1][0] < self.tokens:
            self.figures.append((self.tokens, validation_bits_per_byte(model, self.task)))
        kept = ("tokens", "steps", "seconds", "figures", "peak_memory")
        return {name: getattr(self, name) for name in kept}


def validation_bits_per_byte(model: PreTrainedModel, task: Task) -> float:
    """Of all validation poems together, in the precision the weights are held in."""
    model.eval()
    poems = task.validation.to_dict("records")
    texts = [poem["text"] for poem in poems]
    found = poem_log_likelihoods(model, task.tokenizer, [poem_request(poem) for poem in poems], texts, batch_size=4)
    model.train()
    return bits_per_byte(found, texts)


def train_ours(task: Task) -> dict[str, Any]:
    """The same steps as `pipeline.finetune`, without checkpoints and tracking."""
    device = best_device()
    model = prepare_model(
        task.base, task.tokenizer, task.languages, task.finetune, best_dtype(device), device, task.kept
    )
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=task.finetune.learning_rate, weight_decay=0.0, fused=True)
    packed = pack(task.examples, task.block_size, task.tokenizer.pad_token_id)
    rows = {name: torch.from_numpy(column) for name, column in packed.items()}
    order = np.random.default_rng(task.finetune.seed).permutation(len(rows["input_ids"]))
    meter = Meter(task)
    model.train()
    meter.start()
    for chosen in np.split(order, range(task.rows_a_step, len(order), task.rows_a_step)):
        batch = {name: column[chosen] for name, column in rows.items()}
        train_step(model, batch, task.rows_a_step, best_dtype(device))
        torch.nn.utils.clip_grad_norm_(trained, task.finetune.max_gradient_norm)
        optimizer.step()
        positions = batch["position_ids"]  # padding stays at 0, and each poem leaves it once
        meter.step(model, int((positions > 0).sum() + (positions == 1).sum()))
    return meter.report(model)


def train_with(trainer_class: type[Trainer], task: Task, **options: Any) -> dict[str, Any]:
    """Train by a Trainer of transformers' kind for one pass over its data set; `options` are its own."""
    meter = Meter(task)

    class Metered(trainer_class):
        def training_step(self, model: PreTrainedModel, inputs: dict[str, Tensor], *rest: Any, **named: Any) -> Tensor:
            mask = inputs.get("attention_mask")
            self.real_tokens = int(inputs["input_ids"].numel() if mask is None else mask.sum())
            return super().training_step(model, inputs, *rest, **named)

    class Watch(TrainerCallback):
        def on_train_begin(self, *_: Any, **__: Any) -> None:
            meter.start()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            meter.step(trainer.model, trainer.real_tokens)

    trainer = Metered(callbacks=[Watch()], **options)
    trainer.train()
    return meter.report(trainer.model)


def common_arguments(task: Task, folder: Path) -> dict[str, Any]:
    """What the Trainers share with ours: the learning rate, no decay of it, one pass."""
    return {
        "output_dir": str(folder),
        "num_train_epochs": 1,
        "learning_rate": task.finetune.learning_rate,
        "lr_scheduler_type": "constant",
        "max_grad_norm": task.finetune.max_gradient_norm,
        "seed": task.finetune.seed,
        "report_to": "none",
        "save_strategy": "no",
        "logging_strategy": "no",
        "disable_tqdm": True,
        "use_cpu": not torch.cuda.is_available(),
    }


def plain_model(task: Task, dtype: torch.dtype) -> PreTrainedModel:
    """The base with the same starting rows for the language tokens as ours, for training by others."""
    full = task.finetune.model_copy(update={"method": "full"})
    model = prepare_model(task.base, task.tokenizer, task.languages, full, dtype)
    if task.finetune.method == "full":
        return model
    knobs = task.finetune
    lora = LoraConfig(
        r=knobs.lora_rank, lora_alpha=knobs.lora_alpha, target_modules="all-linear", task_type="CAUSAL_LM"
    )
    return get_peft_model(model.to(dtype), lora)


def train_seed(task: Task, folder: Path, steps: int) -> dict[str, Any]:
    length, padding = (
        min(SEED_LENGTH, context_length(AutoConfig.from_pretrained(task.base))),
        task.tokenizer.pad_token_id,
    )
    order = Random(task.finetune.seed).sample(task.examples, min(len(task.examples), steps * POEMS_A_STEP))
    ids = [[*example.input_ids, *[padding] * (length - len(example.input_ids))] for example in order]
    mask = [[1] * len(example.input_ids) + [0] * (length - len(example.input_ids)) for example in order]
    return train_with(
        Trainer,
        task,
        model=plain_model(task, torch.float32),
        args=TrainingArguments(**common_arguments(task, folder), per_device_train_batch_size=POEMS_A_STEP),
        train_dataset=Dataset.from_dict({"input_ids": ids, "attention_mask": mask, "labels": ids}),
    )


def train_trainer(task: Task, folder: Path) -> dict[str, Any]:
    ids = [list(example.input_ids) for example in task.examples]
    arguments = TrainingArguments(
        **common_arguments(task, folder),
        per_device_train_batch_size=POEMS_A_STEP,
        train_sampling_strategy="group_by_length",
        bf16=best_dtype(best_device()) == torch.bfloat16,
    )
    return train_with(
        Trainer,
        task,
        model=plain_model(task, best_dtype(best_device())),
        args=arguments,
        train_dataset=Dataset.from_dict({"input_ids": ids, "labels": ids}),
        data_collator=DataCollatorForSeq2Seq(task.tokenizer),
    )


def train_trl(task: Task, folder: Path) -> dict[str, Any]:
    from trl import SFTConfig, SFTTrainer

    arguments = SFTConfig(
        **common_arguments(task, folder),
        per_device_train_batch_size=task.rows_a_step,
        packing=True,
        max_length=task.block_size,
        bf16=best_dtype(best_device()) == torch.bfloat16,
        gradient_checkpointing=False,
    )
    return train_with(
        SFTTrainer,
        task,
        model=plain_model(task, best_dtype(best_device())),
        args=arguments,
        processing_class=task.tokenizer,
        train_dataset=Dataset.from_dict({"input_ids": [list(example.input_ids) for example in task.examples]}),
    )


def make_task(arguments: argparse.Namespace, cut_vocabulary: bool = False) -> Task:
    """The same task in every process that is given the same arguments."""
    params = load_params()
    base = resolve_base(arguments.base)
    tokenizer, kept = AutoTokenizer.from_pretrained(base), None
    knobs = params.tokenize.model_copy(update={"block_size": arguments.block_size})
    poems = read_table(TOKENS / "train.parquet").sample(frac=1, random_state=0)
    if cut_vocabulary:
        kept = kept_tokens(tokenizer, used_tokens(poems, tokenizer, params.languages, knobs))
        tokenizer = cut_tokenizer(tokenizer, kept)
    add_language_tokens(tokenizer, list(params.languages))
    examples, tokens = [], 0
    for example in tokenize_poems(poems, tokenizer, knobs, training=True):
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
        rows_a_step=arguments.rows,
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
            "seed": lambda: train_seed(task, Path(temporary), arguments.seed_steps),
            "trainer": lambda: train_trainer(task, Path(temporary)),
            "trl": lambda: train_trl(task, Path(temporary)),
        }
        return runs[name]()


def run_apart(name: str, own: Sequence[str], marks: Sequence[int]) -> dict[str, Any]:
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
    """The contenders side by side; "times ours" is how many times as fast ours is."""
    speeds = {name: report["tokens"] / report["seconds"] for name, report in found.items()}
    rows = [
        (
            CONTENDERS[name],
            method,
            report["steps"],
            f"{report['tokens']:,}",
            f"{speeds[name]:.0f}",
            f"{speeds['ours'] / speeds[name]:.1f}",
            f"{report['peak_memory']:.1f}",
            "; ".join(f"{figure:.4f} ({tokens:,})" for tokens, figure in report["figures"]),
        )
        for name, report in found.items()
    ]
    header = ("contender", "trains", "steps", "real tokens", "real tokens a second", "ours is faster by", "peak GB")
    return markdown((*header, "validation bits per byte (after real tokens)"), rows)


def settings(arguments: argparse.Namespace) -> str:
    """What was the same for all, and what was not, in words."""
    return (
        f"Base {arguments.base}, method {arguments.method}, AdamW at {arguments.learning_rate:g} throughout, the same "
        f"poems once each. Ours and (c) take {arguments.rows} rows of {arguments.block_size} tokens a step, (a) and "
        f"(b) {POEMS_A_STEP} poems. (a) stops after {arguments.seed_steps} steps: compare its bits per byte with "
        "the others' after as many tokens.\n\n"
    )


def parse_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="smollm2-135m")
    parser.add_argument("--method", choices=("full", "lora"), default="full", help="lora leaves the seed's recipe out")
    parser.add_argument("--tokens", type=int, default=12_000, help="real tokens to train on, at most")
    parser.add_argument("--seed-steps", type=int, default=2, help="steps after which the seed's recipe stops")
    parser.add_argument("--block-size", type=int, default=512, help="tokens a packed row")
    parser.add_argument("--rows", type=int, default=2, help="packed rows a step")
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    parser.add_argument("--validation", type=int, default=8, help="poems of each language")
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, help="these contenders and no others")
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
    chosen = arguments.only or [name for name in CONTENDERS if arguments.method == "full" or name != "seed"]
    results: dict[str, dict[str, Any]] = {}
    marks: list[int] = []
    for name in sorted(chosen, key=lambda name: name != "seed"):  # the others are measured where the seed's stops too
        results[name] = run_apart(name, sys.argv[1:], marks)
        if name == "seed":
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
