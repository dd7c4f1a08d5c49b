"""What a GPU is asked for in a training step, seen without one, on torch's *meta* device.

Its tensors have shapes, types and a place, but no numbers. So a step fails there where it would mix what lies on the
GPU with what lies on the CPU, and where the CPU would have to wait for a number that the GPU has yet to find.
"""

from contextlib import nullcontext

import pytest
import torch
from conftest import FAMILIES
from test_finetune import prepared

from pipeline import finetune


@pytest.fixture
def meta(monkeypatch):
    """Autocast does not know the device."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda device: False)


def packed_rows():
    """Two rows of two poems and some padding, as `tokenize` leaves them."""
    positions = torch.tensor([[*range(12), *range(15), 0, 0, 0]] * 2, dtype=torch.int32)
    input_ids = torch.randint(3, 300, positions.shape, dtype=torch.int32, generator=torch.Generator().manual_seed(0))
    labels = input_ids.where(positions > 2, -100)
    return {"input_ids": input_ids, "labels": labels, "position_ids": positions}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_step_mixes_no_devices_and_waits_for_no_number(tiny_bases, meta, family, method):
    model, _ = prepared(tiny_bases[family], method, attention="by_poem")
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    model = model.to(torch.bfloat16).to("meta").train()
    loss, _ = finetune.train_step(model, packed_rows(), 1, torch.bfloat16)
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    norm = torch.nn.utils.clip_grad_norm_(trained, 1.0)
    assert {loss.device.type, norm.device.type, *(weight.grad.device.type for weight in trained)} == {"meta"}
