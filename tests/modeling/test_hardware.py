"""Operations per token, the peak of the device, speed and load."""

import pytest
import torch
from transformers import AutoModelForCausalLM, GPT2Config

from pipeline.modeling.hardware import SpeedMeter, flops_per_token, gpu_load, peak_flops, peak_memory_gb


@pytest.fixture(scope="module")
def model():
    config = GPT2Config(vocab_size=100, n_embd=16, n_layer=3, n_head=2, n_positions=32)
    return AutoModelForCausalLM.from_config(config)


def test_a_weight_costs_six_operations_and_attention_twelve_per_layer(model):
    layer = 16 * 48 + 16 * 16 + 2 * 16 * 64
    weights = 3 * layer + 100 * 16  # the head is one of them, the embedding that it is tied to is not
    assert flops_per_token(model, keys_per_token=10) == 6 * weights + 12 * 3 * 16 * 10


def test_a_frozen_weight_costs_four_operations(model):
    whole = flops_per_token(model, keys_per_token=10)
    frozen = model.transformer.h[0].mlp.c_fc.weight.requires_grad_(False)
    assert whole - flops_per_token(model, keys_per_token=10) == 2 * frozen.numel()
    frozen.requires_grad_(True)


def test_a_peak_without_a_data_sheet_is_measured_and_leaves_the_random_numbers_alone():
    before = torch.get_rng_state()
    assert peak_flops(torch.device("cpu"), torch.float32) > 1e8
    assert torch.equal(torch.get_rng_state(), before)


def test_without_a_gpu_no_load_is_reported():
    assert gpu_load(torch.device("cpu")) == {}
    assert 0.01 < peak_memory_gb() < 1000


def test_a_gpu_reports_how_busy_it_is_and_what_it_draws(monkeypatch, model):
    monkeypatch.setattr(torch.cuda, "utilization", lambda device: 93)
    monkeypatch.setattr(torch.cuda, "power_draw", lambda device: 612_500)  # milliwatts
    meter = SpeedMeter(model, torch.arange(8)[None], torch.device("cpu"), torch.float32, devices=2)
    meter.add(1000, 0.5)
    meter.add(1000, 1.5)
    found = meter.metrics()
    assert (found["gpu_utilisation"], found["gpu_watts"]) == (93, 612.5)
    assert found["tokens_per_second"] == 1000
    assert found["model_flop_utilisation"] == 1000 * flops_per_token(model, 4.5) / meter.peak
