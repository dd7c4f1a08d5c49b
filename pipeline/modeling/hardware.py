"""What the machine gives to training: memory, arithmetic, speed, and how busy its GPU is.

It needs torch and transformers alone, since `benchmarks.gpu` runs where nothing else is installed.
"""

import gc
import resource
import sys
import time
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from tqdm import tqdm
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from pipeline.common.stage import BadInput

Result = TypeVar("Result")

# Dense bfloat16 operations per second from the makers' data sheets, without sparsity; the first matching name counts.
# Products of large matrices reach about 80% of it: 790e12 on an H200.
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
    """The peak memory of this process, in 10^9 bytes: allocated on the GPU where there is one, else resident."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 1e9
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e9 if sys.platform == "darwin" else peak * 1024 / 1e9  # kibibytes, except on macOS


def on_device(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor on the device. The copy to a GPU is queued, so the CPU does not wait for the GPU's earlier work."""
    if device.type == "cuda" and tensor.device.type == "cpu":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


def compile_layers(model: PreTrainedModel, **options: Any) -> None:
    """Compile each layer of the transformer when it first runs; layers of one kind share the compiled code.

    `options` are those of `torch.compile`.
    """
    for module in model.modules():
        if type(module).__name__ in (model._no_split_modules or ()):
            module.compile(**options)


def gpu_load(device: torch.device) -> dict[str, float]:
    """How busy the GPU is, in percent, and the watts it draws, as NVML reports them; empty where it reports none."""
    try:
        return {"gpu_utilisation": torch.cuda.utilization(device), "gpu_watts": torch.cuda.power_draw(device) / 1000}
    except Exception:  # no GPU, no NVML, or a virtual GPU unknown to NVML; each raises its own exception
        return {}


def is_out_of_memory(error: Exception) -> bool:
    """Whether the error says that the memory of the GPU or of the machine does not suffice."""
    from accelerate.utils.memory import should_reduce_batch_size

    return isinstance(error, MemoryError) or should_reduce_batch_size(error)


def in_smaller_batches(work: Callable[[int], Result], batch_size: int) -> tuple[Result, int]:
    """Do `work(batch_size)`, and again with half the batch each time memory runs out.

    Returns:
        The result of the work, and the batch size that fitted.

    Raises:
        BadInput: not even one row fits the memory.
    """
    while True:
        try:
            return work(batch_size), batch_size
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            message = str(error).partition("\n")[0] or type(error).__name__
        # Only out here are the frames gone that held what the failed attempt had computed.
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if batch_size == 1:
            problem = f"one row does not fit the memory ({message})"
            remedy = (
                "Lower tokenize.block_size, or set finetune.gradient_checkpointing to true or finetune.method to lora"
            )
            raise BadInput("params.yaml: finetune.batch_size", problem, remedy)
        batch_size //= 2
        tqdm.write(f"Out of memory: continuing with batches of {batch_size}, more of them per step", file=sys.stderr)


def flops_per_token(model: PreTrainedModel, keys_per_token: float) -> float:
    """The floating-point operations that training needs per token, nothing recomputed.

    Each weight of a matrix takes two in the forward pass, two for the gradient of its input, and, if it trains, two for
    its own gradient; attention takes twelve per layer, per dimension of a query and per key it meets (Chowdhery et al.,
    "PaLM", 2022, appendix B). The input embedding multiplies nothing.

    Args:
        keys_per_token: how many positions, its own included, a token attends to on average.
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
    """The device's peak in floating-point operations per second: from its data sheet for bfloat16, else measured."""
    if device.type == "cuda" and dtype == torch.bfloat16:
        name = torch.cuda.get_device_name(device)
        for key, flops in DATA_SHEET_FLOPS.items():
            if key in name:
                return flops
    return measured_flops(device, dtype)


def measured_flops(device: torch.device, dtype: torch.dtype) -> float:
    """Floating-point operations per second in the product of two large matrices, the best of five."""
    size = 8192 if device.type == "cuda" else 1024
    random = torch.Generator(device).manual_seed(0)  # not the global one, which training draws from
    left, right = (torch.randn(size, size, device=device, generator=random).to(dtype) for _ in range(2))
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        (left @ right)[0, 0].item()  # waits for the device
        seconds.append(time.perf_counter() - start)
    return 2 * size**3 / min(seconds)


class SpeedMeter:
    """A stopwatch over training steps, which counts the positions of all processes.

    Args:
        position_ids: of some rows, which show how far back tokens attend.
        devices: how many devices such as this one train together.
    """

    def __init__(
        self, model: PreTrainedModel, position_ids: Tensor, device: torch.device, dtype: torch.dtype, devices: int
    ) -> None:
        self.flops = flops_per_token(model, (position_ids + 1).float().mean().item())
        self.peak = peak_flops(device, dtype) * devices
        self.device, self.tokens, self.seconds = device, 0, 0.0
        self.start()

    def start(self) -> None:
        """Start the stopwatch, or start it again after something that is not training."""
        self._since = time.perf_counter()

    def lap(self, tokens: int) -> None:
        """Count the tokens trained on since the last lap or start."""
        now = time.perf_counter()
        self.add(tokens, now - self._since)
        self._since = now

    def add(self, tokens: int, seconds: float) -> None:
        """Count tokens that took so many seconds."""
        self.tokens, self.seconds = self.tokens + tokens, self.seconds + seconds

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / self.seconds

    def metrics(self) -> dict[str, float]:
        """For MLflow: the speed, the part of the devices' peak that it uses, and the load of the GPU."""
        return {
            "tokens_per_second": self.tokens_per_second,
            "model_flop_utilisation": self.tokens_per_second * self.flops / self.peak,
            **gpu_load(self.device),
        }
