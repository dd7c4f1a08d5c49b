"""The stage *finetune*: train the base model on the packed rows.

One loop, read from top to bottom. Which rows a step sees is a function of the seed and the step alone, so a killed run
resumes where its last checkpoint stood and follows the same curve.
"""

import math
import resource
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import torch
from datasets import Dataset
from tqdm import tqdm
from transformers import AutoTokenizer, GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase, set_seed

from pipeline.adapt import merge, prepare_model
from pipeline.base import best_device, best_dtype, notices_of, resolve_base
from pipeline.checkpoint import Checkpoint, Progress, run_key
from pipeline.likelihood import bits_per_byte, hidden_states, poem_log_likelihoods, summed_loss
from pipeline.model_card import model_card
from pipeline.params import Finetune, Params, load_params
from pipeline.poems import read_report, read_table, write_report
from pipeline.stage import BadInput, stage, whole_file, whole_folder
from pipeline.tokenize import REPORT as TOKENIZE_REPORT
from pipeline.tokenize import TOKENS, poem_request
from pipeline.tracking import RUN_FILE, mlflow_run

POET = Path("models/poet")
CHECKPOINTS = Path(".checkpoints")
REPORT = Path("metrics/finetune.json")
LOSS_CURVE = Path("plots/loss.csv")


def rows_of_step(step: int, rows: int, rows_a_step: int, seed: int) -> np.ndarray:
    """The indices of the rows that a step trains on: a walk through one shuffle of all rows after another."""
    first, last = step * rows_a_step, (step + 1) * rows_a_step
    epochs = range(first // rows, (last - 1) // rows + 1)
    order = np.concatenate([np.random.default_rng([seed, epoch]).permutation(rows) for epoch in epochs])
    start = first - epochs.start * rows
    return order[start : start + rows_a_step]


def steps_of(rows: int, rows_a_step: int, block_size: int, params: Finetune) -> int:
    """How many steps the epochs, or `max_tokens`, allow; one at least."""
    steps = math.ceil(rows * params.epochs / rows_a_step)
    if params.max_tokens is not None:
        steps = min(steps, params.max_tokens // (rows_a_step * block_size))
    return max(steps, 1)


def learning_rate_factor(params: Finetune, steps: int) -> Callable[[int], float]:
    """The share of the learning rate at a step: linear warm-up, then the schedule down to 0."""
    warmup = round(params.warmup_share * steps)

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        done = (step - warmup) / max(1, steps - warmup)
        return {"cosine": 0.5 * (1 + math.cos(math.pi * done)), "linear": 1 - done, "constant": 1.0}[params.schedule]

    return factor


def validate(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, poems: pd.DataFrame, batch_size: int
) -> dict[str, float]:
    """Bits per byte of the validation poems, by language."""
    model.eval()
    figures = {}
    for language, group in poems.groupby("language"):
        texts = group["text"].tolist()
        requests = [poem_request(poem) for poem in group.to_dict("records")]
        figures[str(language)] = bits_per_byte(
            poem_log_likelihoods(model, tokenizer, requests, texts, batch_size), texts
        )
    model.train()
    return figures


def train_step(
    model: PreTrainedModel, batches: list[dict[str, torch.Tensor]], device: str, dtype: torch.dtype
) -> float:
    """Accumulate the gradients of one step, and give its loss in nats a token.

    The loss is the mean over the tokens of all batches together, so a step is the same however it is cut into batches.
    """
    counted = sum(int((batch["labels"][:, 1:] != -100).sum()) for batch in batches)
    step_loss = 0.0
    for batch in batches:
        batch = {name: column.long().to(device) for name, column in batch.items()}
        with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=dtype == torch.bfloat16):
            hidden = hidden_states(model, batch["input_ids"], batch["position_ids"])
            loss = summed_loss(model, hidden, batch["labels"]) / counted
        loss.backward()
        step_loss += loss.item()
    return step_loss


def train(params: Params, tokens: Path, checkpoints: Path) -> tuple[PreTrainedModel, Progress, dict[str, Any]]:
    """Train to the end of the schedule, resuming where a checkpoint stands.

    Args:
        tokens: the folder `tokenize` wrote.
        checkpoints: the folder for this run's checkpoints.

    Returns:
        The merged model with the best weights, the progress with its curve, and the figures of the run.

    Raises:
        BadInput: the loss is no longer a number.
    """
    knobs = params.finetune
    set_seed(knobs.seed)
    device = best_device()
    dtype = {"auto": best_dtype(device), "bfloat16": torch.bfloat16, "float32": torch.float32}[knobs.precision]
    rows = Dataset.load_from_disk(str(tokens / "train")).with_format("torch")
    block_size = len(rows[0]["input_ids"])
    tokenizer = AutoTokenizer.from_pretrained(tokens / "tokenizer")
    validation = read_table(tokens / "validation.parquet")

    model = prepare_model(resolve_base(params.base), tokenizer, params.languages, knobs, dtype).to(device)
    trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    optimizer = torch.optim.AdamW(trained.values(), lr=knobs.learning_rate, weight_decay=knobs.weight_decay, fused=True)
    checkpoint = Checkpoint(checkpoints, trained, optimizer)
    progress = checkpoint.resume()

    rows_a_step = knobs.batch_size * knobs.gradient_accumulation
    steps = steps_of(len(rows), rows_a_step, block_size, knobs)
    factor = learning_rate_factor(knobs, steps)
    with mlflow_run(progress.run_id) as run:
        progress.run_id = run.info.run_id
        if progress.step == 0:
            mlflow.log_params({"base": params.base, **knobs.model_dump(), "block_size": block_size, "steps": steps})
        started, tokens_before, spent = time.perf_counter(), progress.tokens, 0.0
        model.train()
        bar = tqdm(range(progress.step, steps), desc="finetune", initial=progress.step, total=steps, unit="step")
        for step in bar:
            chosen = rows_of_step(step, len(rows), rows_a_step, knobs.seed)
            batches = [rows[part.tolist()] for part in np.array_split(chosen, knobs.gradient_accumulation)]
            for group in optimizer.param_groups:
                group["lr"] = knobs.learning_rate * factor(step)
            step_started = time.perf_counter()
            loss = train_step(model, batches, device, dtype)
            norm = torch.nn.utils.clip_grad_norm_(trained.values(), knobs.max_gradient_norm).item()
            if not math.isfinite(loss + norm):
                raise diverged(loss, norm, step, checkpoint)
            optimizer.step()
            optimizer.zero_grad()
            spent += time.perf_counter() - step_started
            progress.step, progress.tokens = step + 1, progress.tokens + rows_a_step * block_size
            speed = (progress.tokens - tokens_before) / spent
            bar.set_postfix(loss=f"{loss:.3f}", tokens_per_second=f"{speed:.0f}")
            mlflow.log_metrics({"train_loss": loss, "tokens_per_second": speed}, step=progress.step)
            if progress.step % knobs.evaluate_every == 0 or progress.step == steps:
                figures = validate(model, tokenizer, validation, knobs.batch_size)
                mlflow.log_metrics(
                    {f"validation_bits_per_byte_{name}": figure for name, figure in figures.items()}, step=progress.step
                )
                progress.curve += [
                    {"step": progress.step, "language": name, "bits_per_byte": figure, "train_loss": loss}
                    for name, figure in figures.items()
                ]
                mean = sum(figures.values()) / len(figures)
                if mean < progress.best:
                    progress.best, progress.best_step = mean, progress.step
                    checkpoint.save_best()
            if progress.step % knobs.checkpoint_every == 0 or progress.step == steps:
                checkpoint.save(progress)
        checkpoint.load_best()
        mlflow.log_metrics({"peak_memory_gb": peak_memory_gb(), "stage_seconds": time.perf_counter() - started})
    report = {
        "steps": steps,
        "best_step": progress.best_step,
        "tokens": progress.tokens,
        "validation_bits_per_byte": {
            row["language"]: row["bits_per_byte"] for row in progress.curve if row["step"] == progress.best_step
        },
        "trainable_parameters": sum(parameter.numel() for parameter in trained.values()),
        "device": device,
        "precision": str(dtype).removeprefix("torch."),
    }
    return merge(model), progress, report


def diverged(loss: float, norm: float, step: int, checkpoint: Checkpoint) -> BadInput:
    """The error for a loss or a gradient that is no longer a number."""
    kept = f"the last good checkpoint is {checkpoint.last}" if checkpoint.last.exists() else "no checkpoint was written"
    remedy = f"Lower finetune.learning_rate and run again; {kept}"
    problem = f"the loss is {loss} and the gradient's norm {norm} at step {step + 1}"
    return BadInput("params.yaml: finetune.learning_rate", problem, remedy)


def peak_memory_gb() -> float:
    """The most memory the process has held, in 10^9 bytes: on the GPU where there is one, else resident."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 1e9
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e9 if sys.platform == "darwin" else peak * 1024 / 1e9  # kibibytes but on macOS


@stage
def main() -> None:
    params = load_params()
    checkpoints = CHECKPOINTS / run_key(params, TOKENS)
    model, progress, report = train(params, TOKENS, checkpoints)
    tokenizer = AutoTokenizer.from_pretrained(TOKENS / "tokenizer")
    model.generation_config = GenerationConfig(
        do_sample=params.generation.temperature > 0,
        **params.generation.model_dump(include={"temperature", "top_p", "top_k"}),
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with whole_folder(POET) as partial:
        model.save_pretrained(partial)
        tokenizer.save_pretrained(partial)
        for notice in notices_of(resolve_base(params.base)):
            shutil.copy(notice, partial)
        poems = read_report(TOKENIZE_REPORT)["poems"]
        (partial / "README.md").write_text(model_card(params, poems, report), encoding="utf-8")
    with whole_file(LOSS_CURVE) as partial:
        pd.DataFrame(progress.curve).to_csv(partial, index=False)
    write_report(report, REPORT)
    write_report({"run_id": progress.run_id}, RUN_FILE)
    shutil.rmtree(checkpoints)


if __name__ == "__main__":
    main()
