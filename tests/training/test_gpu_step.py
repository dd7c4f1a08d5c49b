"""What a training step does on a GPU, tested without one, on torch's *meta* device.

Meta tensors have a shape, a type and a device, but no numbers. So a step fails there if it mixes tensors of GPU and
CPU, or if it reads a number for which the CPU would have to wait.
"""

from contextlib import nullcontext

import pytest
import torch

from pipeline.modeling.hardware import compile_layers
from pipeline.training.step import PackedLoss, train_step
from tests.pipeline.test_finetune import prepared
from tests.support.made_up import FAMILIES


@pytest.fixture
def meta(monkeypatch):
    """Turn off autocast, which does not support the device."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda device: False)


def packed_rows(*lengths):
    """Two rows of poems with these lengths, and padding, as `tokenize` writes them."""
    row = [place for length in lengths for place in range(length)]
    positions = torch.tensor([[*row, *[0] * (30 - len(row))]] * 2, dtype=torch.int32)
    input_ids = torch.randint(3, 300, positions.shape, dtype=torch.int32, generator=torch.Generator().manual_seed(0))
    labels = input_ids.where(positions > 2, -100)
    return {"input_ids": input_ids, "labels": labels, "position_ids": positions}


def on_meta(base, method):
    """A base ready to train on the meta device, without dropout, which the kernel for poems lacks."""
    model, _ = prepared(base, method, attention="by_poem")
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return model.to(torch.bfloat16).to("meta").train()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_step_mixes_no_devices_and_reads_no_number(tiny_bases, meta, family, method):
    model = on_meta(tiny_bases[family], method)
    loss, _ = train_step(PackedLoss(model, torch.bfloat16), packed_rows(12, 15), 1)
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    norm = torch.nn.utils.clip_grad_norm_(trained, 1.0)
    assert {loss.device.type, norm.device.type, *(weight.grad.device.type for weight in trained)} == {"meta"}


@pytest.mark.parametrize(("family", "kinds_of_layer"), [("llama", 1), ("gemma3", 2)])
@pytest.mark.parametrize("method", ["full", "lora"])
def test_compiled_code_serves_every_layer_of_its_kind_and_any_number_of_poems(
    tiny_bases, meta, family, kinds_of_layer, method
):
    graphs = []

    def compiler(graph, _):
        graphs.append(graph)
        return graph.forward

    torch.compiler.reset()
    model = on_meta(tiny_bases[family], method)
    compile_layers(model.get_base_model() if method == "lora" else model, backend=compiler)
    for lengths in ([12, 15], [5, 5, 10, 8], [20]):
        train_step(PackedLoss(model, torch.bfloat16), packed_rows(*lengths), 2)
    assert len(graphs) == kinds_of_layer
