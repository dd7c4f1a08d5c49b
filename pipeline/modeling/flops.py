"""How much arithmetic training needs, and how much a device can do."""

import time

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

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
