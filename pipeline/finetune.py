"""The stage *finetune*: train the base model on the packed rows.

`train` reads from top to bottom: set up; step, log, validate and save until the schedule ends; merge. Which rows a step
sees follows from the seed and the step alone, so a killed run resumes at its last checkpoint and follows the same
curve. `accelerate launch -m pipeline.finetune` runs the same loop in many processes.
"""

import math
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import torch
from datasets import Dataset
from torch import Tensor, nn
from tqdm import tqdm
from transformers import AutoTokenizer, GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase, set_seed

from pipeline.common.params import Params, load_params
from pipeline.common.splits import TOKENS
from pipeline.common.stage import BadInput, stage, whole_file, whole_folder
from pipeline.common.tables import read_report, read_table, write_report
from pipeline.common.tracking import RUN_FILE, mlflow_run
from pipeline.modeling.base import best_dtype, notices_of, resolve_base
from pipeline.modeling.hardware import SpeedMeter, peak_memory_gb
from pipeline.modeling.vocabulary import load_kept_tokens
from pipeline.release.model_card import model_card
from pipeline.training.adapters import copy_trained, merge, prepare_model
from pipeline.training.checkpoint import Checkpoint, Progress, run_key
from pipeline.training.distributed import data_parallel, shard, this_process
from pipeline.training.packing import read_rows
from pipeline.training.schedule import count_steps, learning_rate_at, rows_of_step
from pipeline.training.step import PackedLoss, train_step
from pipeline.training.validation import sample_poems, validate

POET = Path("models/poet")
CHECKPOINTS = Path(".checkpoints")
TOKENIZE_REPORT = Path("metrics/tokenize.json")
REPORT = Path("metrics/finetune.json")
LOSS_CURVE = Path("plots/loss.csv")
LOG_EVERY = 10  # steps; between two logs the CPU reads no number that a GPU has yet to compute
TRIAL_STEPS = 3  # after which memory is no longer expected to run out: the optimizer's state and all buffers exist


def train(params: Params, tokens: Path, checkpoints: Path) -> tuple[PreTrainedModel, Progress, dict[str, Any]]:
    """Train to the end of the schedule, resuming from a checkpoint if there is one.

    Where there are several processes, each trains on its shard of every step's rows, and the main one logs and writes.

    Args:
        tokens: the folder that `tokenize` wrote.
        checkpoints: the folder for this run's checkpoints.

    Returns:
        The merged model with the best weights, the progress with its curve, and what `metrics/finetune.json` reports.

    Raises:
        BadInput: the loss is no longer finite, memory does not suffice for one row, or the method does not suit this
            base or this machine.
    """
    # Set up
    run = set_up(params, tokens, checkpoints)
    options = params.finetune
    progress = run.checkpoint.resume()
    first_step = progress.step
    window: list[Tensor] = []  # loss and gradient norm of the steps since the last log, still on the device

    with tracked(run, progress) as bar:
        run.meter.start()
        while progress.step < run.steps and not exhausted(progress, options.patience):
            # Step
            window.append(take_step(run, progress, overlap=progress.step - first_step >= TRIAL_STEPS))
            bar.update()
            last = progress.step == run.steps
            validates = last or progress.step % options.evaluate_every == 0
            saves = last or progress.step % options.checkpoint_every == 0

            # Log, which stops at a loss that is not finite: always before weights are validated or saved
            if validates or saves or progress.step % LOG_EVERY == 0:
                train_loss = log(run, progress, window, bar)

            # Validate
            if validates:
                validate_and_keep_best(run, progress, train_loss)

            # Save
            if saves or exhausted(progress, options.patience):
                run.checkpoint.save(progress)
            if validates or saves:
                run.meter.start()  # neither counts as training time

    # Merge the best weights
    run.checkpoint.load_best()
    this_process().wait_for_everyone()  # the main process goes on to remove the file that the others read here
    return merge_trained(run, tokens), progress, report_of(run, progress)


@dataclass
class Run:
    """What the steps of a training run share.

    Args:
        rows: all packed rows, of `block_size` tokens each; `rows_per_step` of them train in a step, over all processes.
        trained: the parameters that train, by name.
        loss_module: gives the loss of some rows, and exchanges gradients where there are several processes.
        batch_size: rows that go through the model at once; less than in params after memory ran out.
        steps: in the whole schedule.
    """

    params: Params
    tokenizer: PreTrainedTokenizerBase
    rows: Dataset
    rows_per_step: int
    block_size: int
    validation: pd.DataFrame
    model: PreTrainedModel
    dtype: torch.dtype
    trained: dict[str, nn.Parameter]
    loss_module: nn.Module
    optimizer: torch.optim.Optimizer
    checkpoint: Checkpoint
    meter: SpeedMeter
    batch_size: int
    steps: int


def set_up(params: Params, tokens: Path, checkpoints: Path) -> Run:
    """Load rows, model, optimizer and checkpoint for a run."""
    options, process = params.finetune, this_process()
    device = torch.device(process.device)
    dtype = {"auto": best_dtype(device), "bfloat16": torch.bfloat16, "float32": torch.float32}[options.precision]
    if device.type == "cuda" and dtype == torch.bfloat16:
        torch.set_float32_matmul_precision("high")  # validation reads the float32 weights; TF32 is exact enough for it
    set_seed(options.seed)
    tokenizer = AutoTokenizer.from_pretrained(tokens / "tokenizer")
    model = prepare_model(
        resolve_base(params.base), tokenizer, params.languages, options, dtype, device, load_kept_tokens(tokens)
    )
    torch.manual_seed(options.seed + process.process_index)  # the same weights in all processes, but other dropout
    trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    optimizer = torch.optim.AdamW(
        trained.values(), lr=options.learning_rate, weight_decay=options.weight_decay, fused=True
    )
    rows = read_rows(tokens / "train").with_format("torch")
    block_size = len(rows[0]["input_ids"])
    rows_per_step = options.batch_size * options.gradient_accumulation * process.num_processes
    return Run(
        params=params,
        tokenizer=tokenizer,
        rows=rows,
        rows_per_step=rows_per_step,
        block_size=block_size,
        validation=read_table(tokens / "validation.parquet"),
        model=model.train(),
        dtype=dtype,
        trained=trained,
        loss_module=data_parallel(PackedLoss(model, dtype)),
        optimizer=optimizer,
        checkpoint=Checkpoint(checkpoints, trained, optimizer),
        meter=SpeedMeter(model, rows[:64]["position_ids"], device, dtype, process.num_processes),
        batch_size=options.batch_size,
        steps=count_steps(len(rows), rows_per_step, block_size, options),
    )


@contextmanager
def tracked(run: Run, progress: Progress) -> Iterator[tqdm]:
    """Show a progress bar and, in the main process, log to the MLflow run of this training."""
    is_main, started = this_process().is_main_process, time.perf_counter()
    with tqdm(desc="finetune", initial=progress.step, total=run.steps, unit="step", disable=not is_main) as bar:
        if not is_main:
            yield bar
            return
        with mlflow_run(progress.run_id) as tracking:
            progress.run_id = tracking.info.run_id
            if progress.step == 0:
                options = {**run.params.finetune.model_dump(), "block_size": run.block_size, "steps": run.steps}
                mlflow.log_params({"base": run.params.base, **options})
            yield bar
            mlflow.log_metrics({"peak_memory_gb": peak_memory_gb(), "stage_seconds": time.perf_counter() - started})


def take_step(run: Run, progress: Progress, overlap: bool) -> Tensor:
    """Train on the rows of the next step.

    Returns:
        Its loss and its gradient's norm before clipping, `(2,)`, still on the device.
    """
    options = run.params.finetune
    for group in run.optimizer.param_groups:
        group["lr"] = learning_rate_at(progress.step, run.steps, options)
    chosen = shard(rows_of_step(progress.step, len(run.rows), run.rows_per_step, options.seed))
    loss, run.batch_size = train_step(run.loss_module, run.rows[chosen.tolist()], run.batch_size, overlap)
    norm = torch.nn.utils.clip_grad_norm_(run.trained.values(), options.max_gradient_norm)
    run.optimizer.step()
    progress.step += 1
    progress.tokens += run.rows_per_step * run.block_size
    return torch.stack([loss, norm])


def log(run: Run, progress: Progress, window: list[Tensor], bar: tqdm) -> float:
    """Read what the steps since the last log gave, which empties the window, and log their mean loss.

    Raises:
        BadInput: the loss or the gradient's norm of one of them is not finite.
    """
    losses_and_norms = torch.stack(window).tolist()  # here the CPU waits for the GPU
    window.clear()
    for step, (loss, norm) in enumerate(losses_and_norms, progress.step - len(losses_and_norms) + 1):
        if not math.isfinite(loss + norm):
            raise diverged(loss, norm, step, run.checkpoint)
    train_loss = sum(loss for loss, _ in losses_and_norms) / len(losses_and_norms)
    run.meter.lap(len(losses_and_norms) * run.rows_per_step * run.block_size)
    bar.set_postfix(loss=f"{train_loss:.3f}", tokens_per_second=f"{run.meter.tokens_per_second:.0f}")
    if this_process().is_main_process:
        mlflow.log_metrics({"train_loss": train_loss, **run.meter.metrics()}, step=progress.step)
    return train_loss


def validate_and_keep_best(run: Run, progress: Progress, train_loss: float) -> None:
    """Score the validation poems, and keep the weights if their mean over the languages is the lowest so far."""
    scores = validate(run.model, run.tokenizer, run.validation, run.batch_size)
    progress.curve += [
        {"step": progress.step, "language": language, "bits_per_byte": score, "train_loss": train_loss}
        for language, score in scores.items()
    ]
    mean = sum(scores.values()) / len(scores)
    if mean < progress.best:
        progress.best, progress.best_step = mean, progress.step
        run.checkpoint.save_best()
    if this_process().is_main_process:
        named = {f"validation_bits_per_byte_{language}": score for language, score in scores.items()}
        mlflow.log_metrics(named, step=progress.step)
        samples = sample_poems(run.model, run.tokenizer, run.params)
        mlflow.log_text(samples, f"samples/step-{progress.step:06}.md")


def exhausted(progress: Progress, patience: int | None) -> bool:
    """Whether `patience` validations have gone by since the best one."""
    since = {row["step"] for row in progress.curve if row["step"] > progress.best_step}
    return patience is not None and len(since) >= patience


def diverged(loss: float, norm: float, step: int, checkpoint: Checkpoint) -> BadInput:
    """The error for a loss or a gradient that is not finite."""
    kept = f"the last good checkpoint is {checkpoint.last}" if checkpoint.last.exists() else "no checkpoint was written"
    problem = f"the loss is {loss} and the gradient's norm {norm} at step {step}"
    return BadInput("params.yaml: finetune.learning_rate", problem, f"Lower it and run again; {kept}")


def merge_trained(run: Run, tokens: Path) -> PreTrainedModel:
    """The trained model as plain weights in bfloat16, without adapters."""
    if run.params.finetune.method != "qlora":
        return merge(run.model)
    # Merged into four bits, what the adapters learnt would be lost in rounding.
    lora = run.params.finetune.model_copy(update={"method": "lora"})
    base, kept = resolve_base(run.params.base), load_kept_tokens(tokens)
    model = prepare_model(base, run.tokenizer, run.params.languages, lora, run.dtype, kept=kept)
    copy_trained(run.model, model)
    return merge(model)


def report_of(run: Run, progress: Progress) -> dict[str, Any]:
    """What `metrics/finetune.json` says of a finished run."""
    best = [row for row in progress.curve if row["step"] == progress.best_step]
    return {
        "steps": progress.step,
        "best_step": progress.best_step,
        "tokens": progress.tokens,
        "validation_bits_per_byte": {row["language"]: row["bits_per_byte"] for row in best},
        "trainable_parameters": sum(parameter.numel() for parameter in run.trained.values()),
        "device": this_process().device.type,
        "precision": str(run.dtype).removeprefix("torch."),
    }


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
