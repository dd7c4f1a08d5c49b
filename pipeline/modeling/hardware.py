"""What the machine gives to training: memory, speed, and what a GPU says of itself.

benchmarks.gpu imports it where torch and transformers are all there is.
"""

import gc
import resource
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor
from tqdm import tqdm
from transformers import PreTrainedModel

from pipeline.common.stage import BadInput
from pipeline.modeling.flops import flops_per_token, peak_flops

Result = TypeVar("Result")


def peak_memory_gb() -> float:
    """The most memory the process has held, in 10^9 bytes: on the GPU where there is one, else resident."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 1e9
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e9 if sys.platform == "darwin" else peak * 1024 / 1e9  # kibibytes but on macOS


def on_device(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor on the device. A GPU fetches it in its turn, without the CPU waiting for what it does before."""
    if device.type == "cuda" and tensor.device.type == "cpu":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


def compile_layers(model: PreTrainedModel, **options: Any) -> None:
    """Have each layer of the transformer compiled when it first runs; layers that are alike share what is compiled.

    `options` are those of `torch.compile`.
    """
    for module in model.modules():
        if type(module).__name__ in (model._no_split_modules or ()):
            module.compile(**options)


def gpu_load(device: torch.device) -> dict[str, float]:
    """How busy the GPU is, in percent, and the watts it draws, as NVML says; nothing where there is none to say it."""
    try:
        return {"gpu_utilisation": torch.cuda.utilization(device), "gpu_watts": torch.cuda.power_draw(device) / 1000}
    except Exception:  # no GPU, no NVML, or a virtual GPU that NVML knows nothing of; each raises another kind
        return {}


def in_smaller_batches(work: Callable[[int], Result], batch_size: int) -> tuple[Result, int]:
    """Do `work(batch_size)`, and again with half the batch each time the memory does not suffice.

    Returns:
        What the work gave, and the batch size that it went through with.

    Raises:
        BadInput: the memory does not suffice for one row.
    """
    from accelerate.utils.memory import should_reduce_batch_size

    while True:
        try:
            return work(batch_size), batch_size
        except (RuntimeError, MemoryError) as error:
            if not (isinstance(error, MemoryError) or should_reduce_batch_size(error)):
                raise
            said = str(error).splitlines()[0]
        # Only here are the frames gone that held what the failed attempt had computed.
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if batch_size == 1:
            remedy = (
                "Lower tokenize.block_size, or set finetune.gradient_checkpointing to true or finetune.method to lora"
            )
            raise BadInput("params.yaml: finetune.batch_size", f"one row does not fit the memory ({said})", remedy)
        batch_size //= 2
        tqdm.write(f"Out of memory: on with batches of {batch_size}, more of them a step", file=sys.stderr)


class SpeedMeter:
    """How fast training goes, over all processes.

    Args:
        position_ids: of some rows, from which follows how far tokens look back.
        devices: how many such devices train together.
    """

    def __init__(
        self, model: PreTrainedModel, position_ids: Tensor, device: torch.device, dtype: torch.dtype, devices: int
    ) -> None:
        self.flops = flops_per_token(model, (position_ids + 1).float().mean().item())
        self.peak = peak_flops(device, dtype) * devices
        self.device, self.tokens, self.seconds = device, 0, 0.0

    def add(self, tokens: int, seconds: float) -> None:
        """Count a step of all processes."""
        self.tokens, self.seconds = self.tokens + tokens, self.seconds + seconds

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / self.seconds

    def figures(self) -> dict[str, float]:
        """What MLflow shows: speed, the share of the device's arithmetic that it makes use of, and the GPU's load."""
        return {
            "tokens_per_second": self.tokens_per_second,
            "model_flop_utilisation": self.tokens_per_second * self.flops / self.peak,
            **gpu_load(self.device),
        }
