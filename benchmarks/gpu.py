"""Our training against a baseline recipe on this machine's GPU; it needs torch and transformers and nothing else.

    python -m benchmarks.gpu BASE_FOLDER [--poems FILE] [--whole-job] [--write docs/results/gpu.md]

It takes weights and tokenizer from a folder (`python -m pipeline.modeling.base` prints where a packaged base is) and
poems from JSON lines (`text`, `language`, and optionally `title` and `author`; .gz too) or Parquet. Without poems it
makes up token ids as long as short poems. It measures

- ours, in each variant: packed rows, bfloat16, the loss in chunks; attention by torch's SDPA with a mask, poem by poem
  without one, or by FlexAttention, which skips blocks of other poems; with and without torch.compile. A variant that
  fails is reported with its error, and the rest go on;
- baseline: transformers' Trainer as many tutorials use it: float32, six poems per step, each padded to 1,024 tokens,
  labels on the padding;
- the time of a large job, three epochs of 23,128 poems: projected from the measured speed, or with `--whole-job`
  measured, tokenizing and packing included, with the fastest variant.
"""

import argparse
import gc
import gzip
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
import transformers
from torch import Tensor
from transformers import AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from benchmarks.page import markdown, write_page
from pipeline.modeling.hardware import compile_layers, flops_per_token, peak_memory_gb
from pipeline.modeling.likelihood import packed_loss
from pipeline.modeling.prompt import Request, context_length, language_token
from pipeline.training.packing import Example, examples_of, pack

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
VARIANTS = {  # finetune.attention and finetune.compile
    "sdpa": ("sdpa", False),
    "by-poem": ("by_poem", False),
    "sdpa-compiled": ("sdpa", True),
    "by-poem-compiled": ("by_poem", True),
    "flex-compiled": ("flex_attention", True),
}
WARM_UP = 5  # steps before the clock starts: compilation, the allocator, the choice of kernels
JOB_POEMS, JOB_EPOCHS = 23_128, 3
BASELINE_POEMS, BASELINE_LENGTH = 6, 1024


@dataclass
class Measured:
    """What some steps took; `loss` is that of the last step, in nats per token that the contender counts."""

    tokens: int
    steps: int
    seconds: float
    flops: float
    loss: float
    peak_memory: float


def read_poems(path: Path) -> Iterator[tuple[Request, str]]:
    """The poems of a file, each with the request that its header makes."""
    if path.suffix == ".parquet":
        import pyarrow.parquet  # pandas and pyarrow are not on every machine, and needed for this alone

        records = pyarrow.parquet.read_table(path).to_pylist()
    else:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
            records = [json.loads(line) for line in lines]
    for record in records:
        fields = {name: record.get(name) for name in ("title", "author", "style")}
        yield Request(record["language"], **fields), record["text"]


def made_up_examples(count: int, block_size: int, vocabulary: int) -> list[Example]:
    """Random token ids, as many for a poem as short poems have (a median of 180)."""
    random = np.random.default_rng(0)
    lengths = np.exp(random.normal(np.log(180), 0.7, count)).astype(int).clip(24, block_size)
    return [Example(random.integers(10, vocabulary, length).tolist(), 12) for length in lengths]


def load(base: Path, tokens: int, attention: str) -> PreTrainedModel:
    """The base in float32 with a row for each token, on the device, ready to train."""
    model = AutoModelForCausalLM.from_pretrained(base, attn_implementation=attention).float()
    if tokens > model.get_input_embeddings().num_embeddings:
        model.resize_token_embeddings(tokens, mean_resizing=False)
    return model.to(DEVICE).train()


def adam(model: PreTrainedModel) -> torch.optim.Optimizer:
    return torch.optim.AdamW(model.parameters(), lr=5e-5, fused=True)


def timed(step: Callable[[int], tuple[Tensor, int]], steps: int, warm_up: int, flops: float) -> Measured:
    """Time `steps` steps after `warm_up` others; `step` returns a loss on the device and the number of real tokens."""
    tokens, started = 0, time.perf_counter()
    for number in range(warm_up + steps):
        if number == warm_up:
            wait()
            tokens, started = 0, time.perf_counter()
        loss, seen = step(number)
        tokens += seen
    wait()
    seconds = time.perf_counter() - started
    return Measured(tokens, steps, seconds, flops * tokens, loss.item(), peak_memory_gb())


def wait() -> None:
    """Wait until the GPU has finished its work."""
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()


def train_ours(
    base: Path, tokenizer: PreTrainedTokenizerBase, examples: list[Example], arguments: argparse.Namespace, variant: str
) -> Callable[[int, int], Measured]:
    """A function that trains a variant for some steps, after some to warm up, and measures them."""
    attention, compiled = VARIANTS[variant]
    model = load(base, len(tokenizer), attention)
    if compiled:
        compile_layers(model)
    optimizer = adam(model)
    packed = pack(examples, arguments.block_size, tokenizer.pad_token_id or 0)
    rows = {name: torch.from_numpy(column) for name, column in packed.items()}
    order = np.random.default_rng(0).permutation(len(rows["input_ids"]))
    positions = packed["position_ids"]
    real = (positions > 0).sum(axis=1) + (positions == 1).sum(axis=1)  # padding stays at 0, poems leave it once
    flops = flops_per_token(model, float((positions + 1).sum() / max(1, real.sum())))

    def step(number: int) -> tuple[Tensor, int]:
        chosen = np.take(order, range(number * arguments.rows, (number + 1) * arguments.rows), mode="wrap")
        batch = {name: column[chosen] for name, column in rows.items()}
        loss = packed_loss(model, batch, torch.bfloat16) / (batch["labels"][:, 1:] != -100).sum().item()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return loss.detach(), int(real[chosen].sum())

    return lambda steps, warm_up: timed(step, steps, warm_up, flops)


def train_baseline(
    base: Path, tokenizer: PreTrainedTokenizerBase, examples: list[Example], arguments: argparse.Namespace
) -> Measured:
    """The baseline's arithmetic: what its Trainer computes, without the bookkeeping."""
    model = load(base, len(tokenizer), "sdpa")
    optimizer, length = adam(model), min(BASELINE_LENGTH, context_length(model.config))
    lengths = np.array([len(example.input_ids) for example in examples])

    def step(number: int) -> tuple[Tensor, int]:
        poems = [
            examples[(number * BASELINE_POEMS + place) % len(examples)].input_ids for place in range(BASELINE_POEMS)
        ]
        ids = torch.full((BASELINE_POEMS, length), tokenizer.pad_token_id or 0)
        mask = torch.zeros_like(ids)
        for row, poem in enumerate(poems):
            ids[row, : len(poem)] = torch.tensor(poem[:length])
            mask[row, : len(poem)] = 1
        loss = model(input_ids=ids.to(DEVICE), attention_mask=mask.to(DEVICE), labels=ids.to(DEVICE)).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return loss.detach(), int(mask.sum())

    flops = flops_per_token(model, float((lengths * (lengths + 1) / 2).sum() / lengths.sum()))
    return timed(step, arguments.baseline_steps, min(WARM_UP, arguments.baseline_steps), flops)


def table(measured: dict[str, Measured], seconds_of_job: dict[str, float], peak: float) -> str:
    """The contenders side by side; the use of the peak counts what real tokens need and nothing else."""
    speeds = {name: found.tokens / found.seconds for name, found in measured.items()}
    rows = [
        (
            name,
            found.steps,
            f"{found.seconds / found.steps:.3f}",
            f"{speeds[name]:,.0f}",
            f"{speeds[name] / speeds['baseline']:.1f}",
            f"{found.flops / found.seconds / peak:.1%}",
            f"{found.peak_memory:.1f}",
            f"{found.loss:.3f}",
            f"{seconds_of_job[name] / 60:,.1f}",
        )
        for name, found in measured.items()
    ]
    metrics = ("real tokens per second", "× baseline", f"of {peak / 1e12:.0f} TFLOP/s", "peak GB", "last loss")
    return markdown(("contender", "steps", "seconds per step", *metrics, "minutes of the job, projected"), rows)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base", type=Path, help="a folder with weights and tokenizer")
    parser.add_argument("--poems", type=Path, help="JSON lines or Parquet; by default made-up token ids")
    parser.add_argument("--count", type=int, default=JOB_POEMS, help="how many poems to take or make up, at most")
    parser.add_argument("--block-size", type=int, default=1024, help="tokens per packed row")
    parser.add_argument("--rows", type=int, default=32, help="packed rows per step")
    parser.add_argument("--steps", type=int, default=30, help="timed steps of ours")
    parser.add_argument("--baseline-steps", type=int, default=20, help="timed steps of the baseline")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--whole-job", action="store_true", help="also measure the whole job with the fastest variant")
    parser.add_argument(
        "--peak-flops",
        type=float,
        default=790e12,
        help="bfloat16 FLOP/s of the GPU in large products",
    )
    parser.add_argument("--write", type=Path, metavar="PAGE", help="write the tables to this Markdown page too")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    base = arguments.base
    # The AutoTokenizer of transformers 4 asks for a class that only 5 has, where 5 saved the folder.
    tokenizer = PreTrainedTokenizerFast.from_pretrained(base)
    poems = list(islice(read_poems(arguments.poems), arguments.count)) if arguments.poems else []
    tokenizer.add_tokens(sorted({language_token(request.language) for request, _ in poems}), special_tokens=True)

    def make_examples() -> list[Example]:
        if not poems:
            return made_up_examples(arguments.count, arguments.block_size, len(tokenizer))
        requests, texts = zip(*poems, strict=True)
        return list(examples_of(tokenizer, requests, list(texts), arguments.block_size))

    examples = make_examples()
    tokens, count = sum(len(example.input_ids) for example in examples), len(poems) or arguments.count
    measured = {"baseline": train_baseline(base, tokenizer, examples, arguments)}
    failed = []
    for variant in arguments.variants:
        start_afresh()
        try:
            # Unnamed, since a name would keep its model on the GPU beside the next one's.
            measured[f"ours, {variant}"] = train_ours(base, tokenizer, examples, arguments, variant)(
                arguments.steps, WARM_UP
            )
        except Exception as error:  # a variant may lack a kernel here; measure the others
            failed.append(f"{variant}: {type(error).__name__}: {str(error).splitlines()[0]}")
    job_tokens = JOB_EPOCHS * tokens * JOB_POEMS / count
    seconds_of_job = {name: job_tokens / found.tokens * found.seconds for name, found in measured.items()}
    parts = [
        f"{device_name()}, torch {torch.__version__}, transformers {transformers.__version__}; base {base.name}, "
        f"{count:,} {'poems' if poems else 'made-up poems'} of {tokens / count:.0f} tokens on average\n",
        table(measured, seconds_of_job, arguments.peak_flops),
        *(f"Failed: {line}\n" for line in failed),
    ]
    if arguments.whole_job:
        fastest = min(seconds_of_job.keys() - {"baseline"}, key=seconds_of_job.__getitem__).removeprefix("ours, ")
        start_afresh()
        started = time.perf_counter()
        examples = make_examples()
        rows = len(pack(examples, arguments.block_size, 0)["input_ids"])
        done = train_ours(base, tokenizer, examples, arguments, fastest)(-(-JOB_EPOCHS * rows // arguments.rows), 0)
        seconds = time.perf_counter() - started
        parts.append(
            f"The whole job, {fastest}: {JOB_EPOCHS} × {count:,} poems in {seconds:.1f} s, {done.seconds:.1f} s of it "
            f"in {done.steps:,} steps, the rest loading, tokenizing and packing; last loss {done.loss:.3f}\n"
        )
    page = "\n".join(parts)
    print(page)
    if arguments.write:
        write_page(arguments.write, "Training on a GPU", "benchmarks.gpu", page)


def start_afresh() -> None:
    """Free what the last contender compiled and allocated."""
    gc.collect()
    torch.compiler.reset()
    if DEVICE.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def device_name() -> str:
    return torch.cuda.get_device_name() if DEVICE.type == "cuda" else "CPU"


if __name__ == "__main__":
    main()
