"""The stage *finetune*: train the base model on the packed rows.

One loop, read from top to bottom. Which rows a step sees is a function of the seed and the step alone, so a killed run
resumes where its last checkpoint stood and follows the same curve. `accelerate launch -m pipeline.finetune` runs the
same loop in many processes.
"""

import math
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import torch
from torch import Tensor
from tqdm import tqdm
from transformers import AutoTokenizer, GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase, set_seed

from pipeline.common.params import Finetune, Params, load_params
from pipeline.common.splits import TOKENS
from pipeline.common.stage import BadInput, stage, whole_file, whole_folder
from pipeline.common.tables import read_report, read_table, write_report
from pipeline.common.tracking import RUN_FILE, mlflow_run
from pipeline.generation.decoder import write_poems
from pipeline.modeling.base import best_dtype, notices_of, resolve_base
from pipeline.modeling.hardware import SpeedMeter, in_smaller_batches, on_device, peak_memory_gb
from pipeline.modeling.likelihood import bits_per_byte, packed_loss, poem_log_likelihoods
from pipeline.modeling.prompt import Request, poem_request
from pipeline.modeling.vocabulary import load_kept_tokens
from pipeline.release.model_card import model_card
from pipeline.training.adapters import merge, prepare_model, take_over
from pipeline.training.checkpoint import Checkpoint, Progress, run_key
from pipeline.training.distributed import add_up, share, this_process, total
from pipeline.training.packing import read_rows

POET = Path("models/poet")
CHECKPOINTS = Path(".checkpoints")
TOKENIZE_REPORT = Path("metrics/tokenize.json")
REPORT = Path("metrics/finetune.json")
LOSS_CURVE = Path("plots/loss.csv")
SAMPLE_WORDS = 24  # of the poems written while it trains


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


@contextmanager
def reading(model: PreTrainedModel) -> Iterator[None]:
    """Have the model score and write, without what trains it: no dropout, nothing compiled for each length of text."""
    model.eval()
    with torch.compiler.set_stance("force_eager"):
        yield
    model.train()


def validate(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, poems: pd.DataFrame, batch_size: int
) -> dict[str, float]:
    """Bits per byte of the validation poems, by language."""
    figures = {}
    with reading(model):
        for language, group in poems.groupby("language"):
            texts, mine = group["text"].tolist(), share(group)
            requests = [poem_request(poem) for poem in mine.to_dict("records")]
            score = partial(poem_log_likelihoods, model, tokenizer, requests, mine["text"].tolist())
            log_likelihoods, _ = in_smaller_batches(score, batch_size)
            figures[str(language)] = bits_per_byte([total(sum(log_likelihoods))], texts)
    return figures


def sample_poems(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, params: Params) -> str:
    """The beginnings of a poem for each prompt of `evaluate.prompts`, to read while the model learns."""
    requests = [
        Request(language, first_line=line) for language, lines in params.evaluate.prompts.items() for line in lines
    ]
    samplings = [params.generation.model_copy(update={"max_words": SAMPLE_WORDS})] * len(requests)
    with reading(model):
        poems = write_poems(model, tokenizer, requests, samplings, [params.evaluate.seed] * len(requests))
    return "\n\n---\n\n".join(poem.text for poem in poems) + "\n"


def train_step(
    model: PreTrainedModel, rows: dict[str, Tensor], batch_size: int, dtype: torch.dtype
) -> tuple[Tensor, int]:
    """Leave the gradients of one step in the parameters, added up over all processes.

    The loss is the mean over the tokens of all rows together, so a step is the same however its rows are cut into
    batches and dealt to processes.

    Args:
        rows: those of this process, on the CPU, `(rows, length)` in each column.
        batch_size: how many of them go through the model at once; fewer where the memory does not suffice.

    Returns:
        The loss in nats a token, still on the device, and the batch size that the memory sufficed for.
    """
    counted = on_device((rows["labels"][:, 1:] != -100).sum(), model.device)
    add_up([counted])

    def accumulate(batch_size: int) -> Tensor:
        model.zero_grad()
        step_loss = torch.zeros((), device=model.device)
        for columns in zip(*(column.split(batch_size) for column in rows.values()), strict=True):
            loss = packed_loss(model, dict(zip(rows, columns, strict=True)), dtype) / counted
            loss.backward()
            step_loss += loss.detach()
        return step_loss

    loss, batch_size = in_smaller_batches(accumulate, batch_size)
    add_up([loss, *(parameter.grad for parameter in model.parameters() if parameter.grad is not None)])
    return loss, batch_size


def train(params: Params, tokens: Path, checkpoints: Path) -> tuple[PreTrainedModel, Progress, dict[str, Any]]:
    """Train to the end of the schedule, resuming where a checkpoint stands.

    Of several processes each trains on its share of every step's rows; the first one logs and writes.

    Args:
        tokens: the folder `tokenize` wrote.
        checkpoints: the folder for this run's checkpoints.

    Returns:
        The merged model with the best weights, the progress with its curve, and the figures of the run.

    Raises:
        BadInput: the loss is no longer a number, the memory does not suffice for one row, or the method is not for
            this base or this machine.
    """
    knobs = params.finetune
    process = this_process()
    device, leads = torch.device(process.device), process.is_main_process
    dtype = {"auto": best_dtype(device), "bfloat16": torch.bfloat16, "float32": torch.float32}[knobs.precision]
    rows = read_rows(tokens / "train").with_format("torch")
    block_size = len(rows[0]["input_ids"])
    tokenizer = AutoTokenizer.from_pretrained(tokens / "tokenizer")
    validation = read_table(tokens / "validation.parquet")

    if device.type == "cuda" and dtype == torch.bfloat16:
        torch.set_float32_matmul_precision("high")  # validation reads the float32 weights; TF32 is exact enough for it
    set_seed(knobs.seed)
    base = resolve_base(params.base)
    prepare = partial(prepare_model, base, tokenizer, params.languages, dtype=dtype, kept=load_kept_tokens(tokens))
    model = prepare(params=knobs, device=device)
    torch.manual_seed(knobs.seed + process.process_index)  # the weights start alike, what is dropped out differs
    trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    optimizer = torch.optim.AdamW(trained.values(), lr=knobs.learning_rate, weight_decay=knobs.weight_decay, fused=True)
    checkpoint = Checkpoint(checkpoints, trained, optimizer)
    progress = checkpoint.resume()

    batch_size = knobs.batch_size
    rows_a_step = batch_size * knobs.gradient_accumulation * process.num_processes
    steps = steps_of(len(rows), rows_a_step, block_size, knobs)
    factor = learning_rate_factor(knobs, steps)
    meter = SpeedMeter(model, rows[:64]["position_ids"], device, dtype, process.num_processes)
    with mlflow_run(progress.run_id) if leads else nullcontext() as run:
        if leads:
            progress.run_id = run.info.run_id
        if leads and progress.step == 0:
            mlflow.log_params({"base": params.base, **knobs.model_dump(), "block_size": block_size, "steps": steps})
        started = time.perf_counter()
        model.train()
        bar = tqdm(desc="finetune", initial=progress.step, total=steps, unit="step", disable=not leads)
        unread: list[tuple[int, Tensor, Tensor]] = []
        since = time.perf_counter()
        while progress.step < steps and not exhausted(progress, knobs.patience):
            for group in optimizer.param_groups:
                group["lr"] = knobs.learning_rate * factor(progress.step)
            chosen = share(rows_of_step(progress.step, len(rows), rows_a_step, knobs.seed))
            loss, batch_size = train_step(model, rows[chosen.tolist()], batch_size, dtype)
            norm = torch.nn.utils.clip_grad_norm_(trained.values(), knobs.max_gradient_norm)
            optimizer.step()
            progress.step, progress.tokens = progress.step + 1, progress.tokens + rows_a_step * block_size
            last = progress.step == steps
            validates = progress.step % knobs.evaluate_every == 0 or last
            saves = progress.step % knobs.checkpoint_every == 0 or last
            unread.append((progress.step, loss, norm))
            # What a step gave is read while the next one is computed, so that a GPU never waits for what is said of it.
            while len(unread) > (0 if validates or saves else 1):
                step, *given = unread.pop(0)
                train_loss, norm = (number.item() for number in given)
                if not math.isfinite(train_loss + norm):
                    raise diverged(train_loss, norm, step, checkpoint)
                now = time.perf_counter()
                meter.add(rows_a_step * block_size, now - since)
                since = now
                bar.update()
                bar.set_postfix(loss=f"{train_loss:.3f}", tokens_per_second=f"{meter.tokens_per_second:.0f}")
                if leads:
                    mlflow.log_metrics({"train_loss": train_loss, **meter.figures()}, step=step)
            if validates:
                figures = validate(model, tokenizer, validation, batch_size)
                progress.curve += [
                    {"step": progress.step, "language": name, "bits_per_byte": figure, "train_loss": train_loss}
                    for name, figure in figures.items()
                ]
                mean = sum(figures.values()) / len(figures)
                if mean < progress.best:
                    progress.best, progress.best_step = mean, progress.step
                    checkpoint.save_best()
                if leads:
                    named = {f"validation_bits_per_byte_{name}": figure for name, figure in figures.items()}
                    mlflow.log_metrics(named, step=progress.step)
                    poems = sample_poems(model, tokenizer, params)
                    mlflow.log_text(poems, f"samples/step-{progress.step:06}.md")
            if saves or exhausted(progress, knobs.patience):
                checkpoint.save(progress)
            if validates or saves:
                since = time.perf_counter()  # that took none of the time of training
        bar.close()
        checkpoint.load_best()
        process.wait_for_everyone()  # the first process goes on to remove what the others read here
        if leads:
            mlflow.log_metrics({"peak_memory_gb": peak_memory_gb(), "stage_seconds": time.perf_counter() - started})
    report = {
        "steps": progress.step,
        "best_step": progress.best_step,
        "tokens": progress.tokens,
        "validation_bits_per_byte": {
            row["language"]: row["bits_per_byte"] for row in progress.curve if row["step"] == progress.best_step
        },
        "trainable_parameters": sum(parameter.numel() for parameter in trained.values()),
        "device": device.type,
        "precision": str(dtype).removeprefix("torch."),
    }
    if knobs.method == "qlora":
        # Merged into four bits, what the adapters learnt would drown in rounding.
        model = take_over(prepare(params=knobs.model_copy(update={"method": "lora"})), model)
    return merge(model), progress, report


def exhausted(progress: Progress, patience: int | None) -> bool:
    """Whether as many validations as `patience` have gone by since the best one."""
    since = {row["step"] for row in progress.curve if row["step"] > progress.best_step}
    return patience is not None and len(since) >= patience


def diverged(loss: float, norm: float, step: int, checkpoint: Checkpoint) -> BadInput:
    """The error for a loss or a gradient that is no longer a number."""
    kept = f"the last good checkpoint is {checkpoint.last}" if checkpoint.last.exists() else "no checkpoint was written"
    remedy = f"Lower finetune.learning_rate and run again; {kept}"
    problem = f"the loss is {loss} and the gradient's norm {norm} at step {step}"
    return BadInput("params.yaml: finetune.learning_rate", problem, remedy)


@stage
def main() -> None:
    params = load_params()
    checkpoints = CHECKPOINTS / run_key(params, TOKENS)
    model, progress, report = train(params, TOKENS, checkpoints)
    if not this_process().is_main_process:
        return
    tokenizer = AutoTokenizer.from_pretrained(TOKENS / "tokenizer")
    model.generation_config = GenerationConfig(
        do_sample=params.generation.temperature > 0,
        **params.generation.model_dump(include={"temperature", "top_p", "top_k"}),
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with whole_folder(POET) as folder:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        for notice in notices_of(resolve_base(params.base)):
            shutil.copy(notice, folder)
        poems = read_report(TOKENIZE_REPORT)["poems"]
        (folder / "README.md").write_text(model_card(params, poems, report), encoding="utf-8")
    with whole_file(LOSS_CURVE) as path:
        pd.DataFrame(progress.curve).to_csv(path, index=False)
    write_report(report, REPORT)
    write_report({"run_id": progress.run_id}, RUN_FILE)
    shutil.rmtree(checkpoints)


if __name__ == "__main__":
    main()
