"""What the machine gives to training: memory, arithmetic, and what a GPU says of itself."""

import gc
import resource
import sys
import time
from collections.abc import Callable
from typing import TypeVar

import torch
from accelerate.utils.memory import should_reduce_batch_size
from torch import Tensor, nn
from tqdm import tqdm
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from pipeline.processes import this_process
from pipeline.stage import BadInput

Result = TypeVar("Result")

# Dense bfloat16 operations a second by the makers' data sheets, without sparsity; the first name that fits counts.
# Large matrices reach some 80% of it: 790e12 on an H200.
DATA_SHEET_FLOPS = {
    "B200": 2250e12,
    "H200": 989e12,
    "H100 PCIe": 756e12,
    "H100": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
    "L4": 121e12,
    "A10G": 70e12,
    "RTX 4090": 165e12,
    "RTX 3090": 71e12,
}


def peak_memory_gb() -> float:
    """The most memory the process has held, in 10^9 bytes: on the GPU where there is one, else resident."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 1e9
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e9 if sys.platform == "darwin" else peak * 1024 / 1e9  # kibibytes but on macOS


def gpu_load(device: torch.device) -> dict[str, float]:
    """How busy the GPU is, in percent, and the watts it draws, as NVML says; nothing where there is none."""
    if device.type != "cuda":
        return {}
    return {"gpu_utilisation": torch.cuda.utilization(device), "gpu_watts": torch.cuda.power_draw(device) / 1000}


def in_smaller_batches(work: Callable[[int], Result], batch_size: int) -> tuple[Result, int]:
    """Do `work(batch_size)`, and again with half the batch each time the memory does not suffice.

    Returns:
        What the work gave, and the batch size that it went through with.

    Raises:
        BadInput: the memory does not suffice for one row.
    """
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
    """

    def __init__(self, model: PreTrainedModel, position_ids: Tensor, device: torch.device, dtype: torch.dtype) -> None:
        self.flops = flops_per_token(model, (position_ids + 1).float().mean().item())
        self.peak = peak_flops(device, dtype) * this_process().num_processes
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


def flops_per_token(model: PreTrainedModel, keys_per_token: float) -> float:
    """Floating-point operations that training spends on a token at the least, nothing recomputed.

    Two for each weight that multiplies in the forward pass, two more for the gradient of its input, and, where the
    weight trains, two for its own; twelve a layer for each number of a query and each key it meets (Chowdhery et al.,
    "PaLM", 2022, appendix B). The input embedding multiplies nothing.

    Args:
        keys_per_token: to how many positions, itself included, a token attends on average.
    """
    weights = trained = 0
    for module in model.modules():
        if isinstance(module, nn.Linear | Conv1D):
            size = module.in_features * module.out_features if isinstance(module, nn.Linear) else module.weight.numel()
            weights += size
            trained += size * module.weight.requires_grad
    config = model.config
    head_size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    attention = 12 * config.num_hidden_layers * config.num_attention_heads * head_size * keys_per_token
    return 4 * weights + 2 * trained + attention


def peak_flops(device: torch.device, dtype: torch.dtype) -> float:
    """Floating-point operations a second that the device can do: its data sheet's in bfloat16, else measured."""
    if device.type == "cuda" and dtype == torch.bfloat16:
        name = torch.cuda.get_device_name(device)
        for key, flops in DATA_SHEET_FLOPS.items():
            if key in name:
                return flops
    return measured_flops(device, dtype)


def measured_flops(device: torch.device, dtype: torch.dtype) -> float:
    """Floating-point operations a second in the product of two large matrices, the best of five."""
    size = 8192 if device.type == "cuda" else 1024
    random = torch.Generator(device).manual_seed(0)  # its own, since training draws from the global one
    left, right = (torch.randn(size, size, device=device, generator=random).to(dtype) for _ in range(2))
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        (left @ right)[0, 0].item()  # waits for the device
        seconds.append(time.perf_counter() - start)
    return 2 * size**3 / min(seconds)
