"""Four ways to train the same base on the same poems, measured alike; `benchmarks.training` compares them."""

import time
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
    DataCollatorForSeq2Seq,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from pipeline.common.params import Finetune
from pipeline.modeling.base import best_device, best_dtype
from pipeline.modeling.hardware import peak_memory_gb
from pipeline.modeling.likelihood import bits_per_byte, poem_log_likelihoods
from pipeline.modeling.prompt import context_length, poem_request
from pipeline.training.adapters import prepare_model
from pipeline.training.packing import Example, pack
from pipeline.training.step import PackedLoss, train_step

POEMS_PER_STEP = 6  # of the baseline and the Trainer
WARM_UP = 3  # steps in which a compiler compiles
BASELINE_LENGTH = 1024  # GPT-2's maximum, to which the baseline pads


@dataclass
class Task:
    """What all contenders train on.

    Args:
        examples: in a random order that all contenders share; none longer than `block_size`.
        rows_per_step: rows of `block_size` tokens per step, where poems are packed.
        marks: numbers of real tokens, ascending, after which the validation poems are scored.
        kept: the base's tokens that a cut vocabulary keeps; None where it is whole.
    """

    base: Path
    tokenizer: PreTrainedTokenizerBase
    languages: dict[str, str]
    finetune: Finetune
    examples: list[Example]
    validation: pd.DataFrame
    block_size: int
    rows_per_step: int
    marks: list[int]
    kept: np.ndarray | None


@dataclass
class Meter:
    """A stopwatch over training steps that counts real tokens and pauses to score the model at the task's marks."""

    task: Task
    tokens: int = 0
    steps: int = 0
    seconds: float = 0.0
    warm: tuple[int, float] = (0, 0.0)  # tokens and seconds when the warm-up ended
    core_seconds: float = 0.0  # processor time, which other work on the machine affects less
    scores: list[tuple[int, float]] = field(default_factory=list)
    peak_memory: float = 0.0
    _since: tuple[float, float] = (0.0, 0.0)

    def start(self) -> None:
        self._since = time.perf_counter(), time.process_time()

    def step(self, model: PreTrainedModel, tokens: int) -> None:
        """Call after each step, with the number of its tokens that are not padding."""
        self.seconds += time.perf_counter() - self._since[0]
        self.core_seconds += time.process_time() - self._since[1]
        self.tokens, self.steps = self.tokens + tokens, self.steps + 1
        if self.steps == WARM_UP:
            self.warm = self.tokens, self.seconds
        self.peak_memory = peak_memory_gb()
        if len(self.scores) < len(self.task.marks) and self.tokens >= self.task.marks[len(self.scores)]:
            self.scores.append((self.tokens, validation_bits_per_byte(model, self.task)))
        self.start()

    def report(self, model: PreTrainedModel) -> dict[str, Any]:
        if not self.scores or self.scores[-1][0] < self.tokens:
            self.scores.append((self.tokens, validation_bits_per_byte(model, self.task)))
        kept = ("tokens", "steps", "seconds", "warm", "core_seconds", "scores", "peak_memory")
        return {name: getattr(self, name) for name in kept}


def validation_bits_per_byte(model: PreTrainedModel, task: Task) -> float:
    """Of all validation poems together, in the precision of the weights."""
    model.eval()
    poems = task.validation.to_dict("records")
    texts = [poem["text"] for poem in poems]
    found = poem_log_likelihoods(model, task.tokenizer, [poem_request(poem) for poem in poems], texts, batch_size=4)
    model.train()
    return bits_per_byte(found, texts)


def train_ours(task: Task, compiled: bool = False) -> dict[str, Any]:
    """The same steps as `pipeline.finetune`, without checkpoints and tracking."""
    device = best_device()
    options = task.finetune.model_copy(update={"compile": compiled})
    model = prepare_model(task.base, task.tokenizer, task.languages, options, best_dtype(device), device, task.kept)
    loss_module = PackedLoss(model, best_dtype(device))
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=task.finetune.learning_rate, weight_decay=0.0, fused=True)
    packed = pack(task.examples, task.block_size, task.tokenizer.pad_token_id)
    rows = {name: torch.from_numpy(column) for name, column in packed.items()}
    order = np.random.default_rng(task.finetune.seed).permutation(len(rows["input_ids"]))
    meter = Meter(task)
    model.train()
    meter.start()
    for chosen in np.split(order, range(task.rows_per_step, len(order), task.rows_per_step)):
        batch = {name: column[chosen] for name, column in rows.items()}
        train_step(loss_module, batch, task.rows_per_step)
        torch.nn.utils.clip_grad_norm_(trained, task.finetune.max_gradient_norm)
        optimizer.step()
        positions = batch["position_ids"]  # padding stays at 0; each poem starts at 0 once
        meter.step(model, int((positions > 0).sum() + (positions == 1).sum()))
    return meter.report(model)


def train_with(trainer_class: type[Trainer], task: Task, **options: Any) -> dict[str, Any]:
    """Train for one epoch with transformers' Trainer or a subclass; `options` are its own."""
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
    """What the Trainers share with ours: a constant learning rate and one epoch."""
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
    """The base for the Trainers, with language tokens that start as ours do."""
    full = task.finetune.model_copy(update={"method": "full"})
    model = prepare_model(task.base, task.tokenizer, task.languages, full, dtype)
    if task.finetune.method == "full":
        return model
    options = task.finetune
    lora = LoraConfig(
        r=options.lora_rank, lora_alpha=options.lora_alpha, target_modules="all-linear", task_type="CAUSAL_LM"
    )
    return get_peft_model(model.to(dtype), lora)


def train_baseline(task: Task, folder: Path, steps: int) -> dict[str, Any]:
    """A common GPT-2 recipe: float32, every poem padded to the model's maximum, labels on the padding."""
    length, padding = (
        min(BASELINE_LENGTH, context_length(AutoConfig.from_pretrained(task.base))),
        task.tokenizer.pad_token_id,
    )
    order = Random(task.finetune.seed).sample(task.examples, min(len(task.examples), steps * POEMS_PER_STEP))
    ids = [[*example.input_ids, *[padding] * (length - len(example.input_ids))] for example in order]
    mask = [[1] * len(example.input_ids) + [0] * (length - len(example.input_ids)) for example in order]
    return train_with(
        Trainer,
        task,
        model=plain_model(task, torch.float32),
        args=TrainingArguments(**common_arguments(task, folder), per_device_train_batch_size=POEMS_PER_STEP),
        train_dataset=Dataset.from_dict({"input_ids": ids, "attention_mask": mask, "labels": ids}),
    )


def train_trainer(task: Task, folder: Path) -> dict[str, Any]:
    """Trainer, well configured: bfloat16, batches of similar length, padded to the longest, no labels on padding."""
    ids = [list(example.input_ids) for example in task.examples]
    arguments = TrainingArguments(
        **common_arguments(task, folder),
        per_device_train_batch_size=POEMS_PER_STEP,
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
    """TRL's SFTTrainer with packing, in bfloat16."""
    from trl import SFTConfig, SFTTrainer

    arguments = SFTConfig(
        **common_arguments(task, folder),
        per_device_train_batch_size=task.rows_per_step,
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
