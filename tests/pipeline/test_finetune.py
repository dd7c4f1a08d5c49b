"""Training: what a step is, which weights train, what comes out, and that a killed run resumes to the same result."""

import math
import re
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mlflow import MlflowClient
from transformers import AutoModelForCausalLM, AutoTokenizer

from pipeline import evaluate, finetune, tokenize
from pipeline.common.stage import BadInput
from pipeline.common.tables import read_report, read_table
from pipeline.generation.decoder import write_poems
from pipeline.modeling.base import load_base
from pipeline.modeling.likelihood import hidden_states, poem_log_likelihoods, summed_loss
from pipeline.modeling.prompt import Request
from pipeline.release.model_card import model_card
from pipeline.tokenize import TOKENS, add_language_tokens
from pipeline.training import adapters
from pipeline.training.adapters import merge, prepare_model
from pipeline.training.checkpoint import Progress, run_key
from pipeline.training.packing import read_rows
from pipeline.training.schedule import count_steps, learning_rate_at, rows_of_step
from pipeline.training.step import PackedLoss, train_step
from pipeline.training.validation import validate
from tests.support.made_up import FAMILIES, changed_params, made_up_poems
from tests.support.trained import KILLED_IN_STEP_5

LANGUAGES = {"en": "English", "es": "Spanish"}


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Tiny matrices are slower on two threads than on one, much slower where the machine has other work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


# Steps


@given(rows=st.integers(1, 50), rows_a_step=st.integers(1, 60), seed=st.integers(0, 3))
def test_every_epoch_sees_every_row_once(rows, rows_a_step, seed):
    steps = math.ceil(3 * rows / rows_a_step)
    seen = np.concatenate([rows_of_step(step, rows, rows_a_step, seed) for step in range(steps)])
    assert len(seen) == steps * rows_a_step
    for epoch in range(3):
        assert sorted(seen[epoch * rows : (epoch + 1) * rows]) == list(range(rows))


def test_epochs_differ_in_their_order():
    first, second = (rows_of_step(step, 100, 100, seed=0).tolist() for step in (0, 1))
    assert first != second


def finetune_params(**changes):
    return changed_params({f"finetune.{name}": value for name, value in changes.items()}).finetune


def test_training_ends_with_the_epochs_or_the_tokens_whichever_is_first():
    assert count_steps(100, 8, 256, finetune_params(epochs=2.0, max_tokens=None)) == 25
    assert count_steps(100, 8, 256, finetune_params(epochs=2.0, max_tokens=10 * 8 * 256)) == 10
    assert count_steps(100, 8, 256, finetune_params(epochs=2.0, max_tokens=5)) == 1


@pytest.mark.parametrize(("schedule", "half"), [("cosine", 0.5), ("linear", 0.5), ("constant", 1.0)])
def test_the_learning_rate_warms_up_and_then_follows_the_schedule(schedule, half):
    params = finetune_params(learning_rate=0.01, schedule=schedule, warmup_share=0.2)
    rates = [learning_rate_at(step, 100, params) for step in range(100)]
    assert [rates[step] for step in (0, 9, 19)] == pytest.approx([0.0005, 0.005, 0.01])
    assert rates[60] == pytest.approx(0.01 * half)
    assert all(0 < rate <= 0.01 for rate in rates)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_step_is_the_same_however_it_is_cut_into_batches(tiny_bases, tokenized, family):
    tokenized(tiny_bases[family])
    rows = read_rows(TOKENS / "train").with_format("torch")[:4]
    model, tokenizer = load_base(tiny_bases[family], dtype=torch.float32)
    model.resize_token_embeddings(len(tokenizer) + 2)
    gradients = []
    for batch_size in (4, 3):
        loss, _ = train_step(PackedLoss(model, torch.float32), rows, batch_size)
        gradients.append((loss.item(), [parameter.grad.clone() for parameter in model.parameters()]))
    (one_loss, one), (other_loss, other) = gradients
    assert one_loss == pytest.approx(other_loss, abs=1e-5)
    torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("method", ["lora", "full"])
def test_gradient_checkpointing_changes_no_gradient(tiny_bases, tokenized, family, method):
    tokenized(tiny_bases[family])
    rows = read_rows(TOKENS / "train").with_format("torch")[:2]
    gradients = []
    for gradient_checkpointing in (False, True):
        model, _ = prepared(tiny_bases[family], method, gradient_checkpointing=gradient_checkpointing)
        assert model.is_activation_checkpointing == gradient_checkpointing
        loss, _ = train_step(PackedLoss(model.train(), torch.float32), rows, 2)
        named = {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}
        gradients.append((loss, named))
    assert gradients[0][0] == gradients[1][0]
    torch.testing.assert_close(gradients[0][1], gradients[1][1])


# What trains


def prepared(folder, method, **changes):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    add_language_tokens(tokenizer, list(LANGUAGES))
    options = finetune_params(method=method, lora_dropout=0.0, **changes)
    torch.manual_seed(0)
    return prepare_model(folder, tokenizer, LANGUAGES, options, torch.float32), tokenizer


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_language_token_starts_as_the_mean_of_its_languages_name(tiny_bases, family, method):
    model, tokenizer = prepared(tiny_bases[family], method)
    spelling = tokenizer.encode(" Spanish", add_special_tokens=False)
    token = torch.tensor([tokenizer.convert_tokens_to_ids("<|es|>")])
    embedding = model.get_input_embeddings()
    mean = embedding(torch.tensor(spelling)).mean(dim=0)
    torch.testing.assert_close(embedding(token)[0], mean, atol=1e-5, rtol=1e-4)
    head = model.get_output_embeddings().weight
    torch.testing.assert_close(head[token[0]], head[spelling].mean(dim=0), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_lora_trains_adapters_and_language_tokens_and_nothing_else(tiny_bases, family):
    model, tokenizer = prepared(tiny_bases[family], "lora")
    frozen = {name: weight.clone() for name, weight in model.named_parameters() if not weight.requires_grad}
    trained = {name: weight.clone() for name, weight in model.named_parameters() if weight.requires_grad}
    assert all("lora_" in name or name == "language_rows.rows" for name in trained)
    # Adapters stand in attention and in the feed-forward layers of every layer.
    assert sum("lora_A" in name for name in trained) == {"gpt2": 4, "llama": 7, "gemma3": 7}[family] * 2
    optimizer = torch.optim.AdamW([weight for weight in model.parameters() if weight.requires_grad], lr=0.01)
    ids = torch.tensor([tokenizer.encode("<|en|>\nthe river", add_special_tokens=False)] * 2)
    ids[1, 0] = tokenizer.convert_tokens_to_ids("<|es|>")
    for _ in range(2):  # lora_B starts at zero, so lora_A moves from the second step on
        summed_loss(model, hidden_states(model, ids), ids).backward()
        optimizer.step()
    now = dict(model.named_parameters())
    assert all(torch.equal(now[name], weight) for name, weight in frozen.items())
    assert all(not torch.equal(now[name], weight) for name, weight in trained.items())
    rows = now["language_rows.rows"] - trained["language_rows.rows"]
    assert (rows.abs().amax(dim=1) > 0).all()


@pytest.mark.parametrize("family", FAMILIES)
def test_merging_keeps_what_the_adapters_learnt(tiny_bases, family, tmp_path):
    model, tokenizer = prepared(tiny_bases[family], "lora")
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name or "language_rows" in name:
                weight.add_(torch.randn_like(weight), alpha=0.02)
    poems = made_up_poems(4)
    arguments = (tokenizer, [tokenize.poem_request(poem) for poem in poems.to_dict("records")], poems["text"].tolist())
    base, _ = prepared(tiny_bases[family], "lora")
    untouched = poem_log_likelihoods(base.eval(), *arguments)
    before = poem_log_likelihoods(model.eval(), *arguments)
    merge(model).save_pretrained(tmp_path)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    after = poem_log_likelihoods(loaded.eval(), *arguments)
    change = np.abs(np.subtract(before, untouched)).mean()
    assert np.abs(np.subtract(before, after)).mean() < 0.1 * change  # bfloat16 rounds what is saved


@pytest.mark.parametrize(("key", "value"), [("method", "qlora"), ("attention", "flex_attention")])
def test_what_needs_a_gpu_is_refused_without_one(key, value):
    with pytest.raises(BadInput, match=rf"finetune\.{key}: '{value}' needs a CUDA GPU. Set it to \w+"):
        adapters.check_machine(finetune_params(**{key: value}), torch.device("cpu"))


def test_a_package_that_is_not_there_is_named():
    if find_spec("flash_attn"):
        pytest.skip("flash_attn is installed")
    with pytest.raises(BadInput, match=r"finetune\.attention: .* needs the package flash_attn. Install flash_attn, or"):
        adapters.check_machine(finetune_params(attention="flash_attention_2"), torch.device("cuda"))


@pytest.mark.parametrize("family", FAMILIES)
def test_qlora_trains_on_four_bits_and_is_merged_into_the_whole_weights(tiny_bases, family, monkeypatch):
    layers = pytest.importorskip("bitsandbytes.nn.modules", reason="QLoRA is optional")
    monkeypatch.setattr(adapters, "check_machine", lambda params, device: None)  # a CPU can, though slowly
    monkeypatch.setattr(layers, "has_avx512bf16", lambda: False)  # whose layout is for matrices larger than these
    model, tokenizer = prepared(tiny_bases[family], "qlora")
    packed = [weight for weight in model.parameters() if weight.dtype == torch.uint8]
    assert len(packed) == {"gpt2": 4, "llama": 7, "gemma3": 7}[family] * 2
    optimizer = torch.optim.AdamW([weight for weight in model.parameters() if weight.requires_grad], lr=0.01)
    ids = torch.tensor([tokenizer.encode("<|en|>\nthe river keeps its silver", add_special_tokens=False)])
    losses = []
    for _ in range(8):
        optimizer.zero_grad()
        loss = summed_loss(model, hidden_states(model, ids), ids)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    unmerged, _ = prepared(tiny_bases[family], "lora")
    adapters.copy_trained(model, unmerged)
    merged = merge(unmerged)
    assert all(weight.dtype == torch.bfloat16 for weight in merged.parameters())
    with torch.no_grad():
        after = summed_loss(merged, hidden_states(merged, ids), ids).item()
    assert after < (losses[0] + losses[-1]) / 2


# The stage


@pytest.mark.parametrize(
    ("family", "method"),
    [("gpt2", "full"), ("llama", "lora"), ("gemma3", "lora"), ("gemma3", "full")],
)
def test_the_stage_learns_and_leaves_a_model_that_anyone_can_load(tiny_bases, tokenized, family, method):
    params = tokenized(tiny_bases[family], finetune__method=method)
    finetune.main()

    curve = pd.read_csv(finetune.LOSS_CURVE)
    assert set(curve["language"]) == set(LANGUAGES)
    by_step = curve.groupby("step")["bits_per_byte"].mean()
    # A random base learns slowly where only adapters train, since its embeddings mean nothing.
    assert by_step.iloc[-1] < by_step.iloc[0] * (0.9 if method == "full" else 0.998)

    report = read_report(finetune.REPORT)
    model, tokenizer = load_base("models/poet", dtype=torch.bfloat16)
    poems = read_table(Path("data/tokens/validation.parquet"))
    found = validate(model.float(), tokenizer, poems, 4)
    assert found == pytest.approx(report["validation_bits_per_byte"], rel=0.01)  # the best weights are those saved
    assert report["best_step"] == by_step.idxmin()

    assert model.generation_config.top_p == params.generation.top_p
    assert model.generation_config.eos_token_id == tokenizer.eos_token_id
    assert tokenizer.encode("<|es|>", add_special_tokens=False) == [tokenizer.convert_tokens_to_ids("<|es|>")]
    assert "base_model:" in Path("models/poet/README.md").read_text()
    request = Request("es", style="ballad", first_line="el río guarda")
    [poem] = write_poems(model, tokenizer, [request], [params.generation.model_copy(update={"max_words": 20})], [0])
    assert poem.text.startswith("el río guarda")
    assert len(poem.text) > len("el río guarda")
    assert not list(finetune.CHECKPOINTS.iterdir())

    run = mlflow.get_run(read_report(Path("models/run.json"))["run_id"])
    assert run.data.params["learning_rate"] == "0.01"
    assert run.data.metrics["validation_bits_per_byte_es"] == pytest.approx(curve["bits_per_byte"].iloc[-1])
    assert {"train_loss", "tokens_per_second", "peak_memory_gb"} <= set(run.data.metrics)
    assert 0 < run.data.metrics["model_flop_utilisation"] < 1
    shown = [artifact.path for artifact in MlflowClient().list_artifacts(run.info.run_id, "samples")]
    assert shown == [f"samples/step-{step:06}.md" for step in by_step.index]
    poems = mlflow.artifacts.load_text(f"{run.info.artifact_uri}/{shown[-1]}").split("\n\n---\n\n")
    prompts = [line for lines in params.evaluate.prompts.values() for line in lines]
    assert all(poem.startswith(prompt) for poem, prompt in zip(poems, prompts, strict=True))
    assert {"git_commit", "git_dirty", "dvc_lock_sha256"} <= set(run.data.tags)


@pytest.mark.slow
@pytest.mark.parametrize(("family", "method"), [("gpt2", "lora"), ("llama", "full")])
def test_poems_of_any_family_go_all_the_way_to_metrics(tiny_bases, tokenized, family, method):
    small = {"evaluate__sentence_model": None, "evaluate__poems_per_language": 2, "generation__max_words": 12}
    tokenized(tiny_bases[family], finetune__method=method, **small)
    finetune.main()
    evaluate.main()
    found = read_report(evaluate.REPORT)["values"]["bits_per_byte"]
    assert all(found["tuned"][language] < found["base"][language] for language in LANGUAGES)


OVERFIT = {"finetune__patience": 2, "finetune__evaluate_every": 8, "finetune__learning_rate": 0.02}


def test_training_stops_after_as_many_validations_without_improvement_as_patience(tiny_bases, tokenized):
    # At this rate the model soon knows its few poems by heart.
    tokenized(tiny_bases["gpt2"], finetune__method="full", finetune__epochs=60.0, **OVERFIT)
    finetune.main()
    report, curve = read_report(finetune.REPORT), pd.read_csv(finetune.LOSS_CURVE)
    by_step = curve.groupby("step")["bits_per_byte"].mean()
    planned = mlflow.get_run(read_report(Path("models/run.json"))["run_id"]).data.params["steps"]
    assert report["steps"] < int(planned)
    assert report["best_step"] == by_step.idxmin()
    assert (by_step.index > report["best_step"]).sum() == 2
    assert report["validation_bits_per_byte"] == pytest.approx(
        curve[curve["step"] == report["best_step"]].set_index("language")["bits_per_byte"].to_dict()
    )


def test_a_run_that_was_out_of_patience_when_it_was_killed_trains_no_further():
    curve = [{"step": step, "language": "en", "bits_per_byte": 1.0, "train_loss": 1.0} for step in (4, 8, 12)]
    progress = Progress(step=12, best=1.0, best_step=4, curve=curve)
    assert finetune.exhausted(progress, 2)
    assert not finetune.exhausted(progress, 3)
    assert not finetune.exhausted(progress, None)


def run_stage(script=""):
    """Run a script and then the stage in a process of its own; its exit status and standard error."""
    command = [sys.executable, "-c", f"from pipeline import finetune\n{script}\nfinetune.main()"]
    ended = subprocess.run(command, capture_output=True, text=True)
    return ended.returncode, ended.stderr


# Validations and checkpoints on different steps, and dropout, so that the random numbers must resume too.
CUT_SHORT = {"finetune__epochs": 5.0, "finetune__checkpoint_every": 3, "finetune__lora_dropout": 0.1}


def test_a_killed_run_goes_on_to_the_same_curve_and_the_same_weights(tiny_bases, tokenized):
    params = tokenized(tiny_bases["llama"], **CUT_SHORT)
    status, said = run_stage(KILLED_IN_STEP_5)
    assert status == -signal.SIGKILL, said
    assert not Path("models").exists()
    checkpoint = finetune.CHECKPOINTS / run_key(params, tokenize.TOKENS) / "last.pt"
    reached = torch.load(checkpoint)["progress"]
    assert reached["step"] == 3

    status, said = run_stage()
    assert status == 0, said
    assert read_report(Path("models/run.json"))["run_id"] == reached["run_id"]
    resumed = pd.read_csv(finetune.LOSS_CURVE), AutoModelForCausalLM.from_pretrained("models/poet").state_dict()

    finetune.main()
    whole = pd.read_csv(finetune.LOSS_CURVE), AutoModelForCausalLM.from_pretrained("models/poet").state_dict()
    pd.testing.assert_frame_equal(resumed[0], whole[0], check_exact=True)
    assert all(torch.equal(resumed[1][name], weight) for name, weight in whole[1].items())


def test_a_loss_that_is_not_finite_stops_with_the_step_and_the_last_good_checkpoint(tiny_bases, tokenized, capsys):
    tokenized(
        tiny_bases["gpt2"],
        finetune__method="full",
        finetune__learning_rate=1e6,
        finetune__max_gradient_norm=1e30,
        finetune__warmup_share=1.0,
        finetune__checkpoint_every=1,
    )
    with pytest.raises(SystemExit) as end:
        finetune.main()
    said = capsys.readouterr().err
    assert end.value.code == 2
    assert "finetune.learning_rate" in said
    assert re.search(r"the loss is \S+ and the gradient's norm \S+ at step \d+", said)
    assert "is nan" in said or "norm nan" in said or "norm inf" in said
    assert "last.pt" in said
    assert not Path("models/poet").exists()


def test_a_diverged_run_without_a_checkpoint_says_so(tmp_path):
    checkpoint = finetune.Checkpoint(tmp_path, {}, None)
    assert "no checkpoint was written" in str(finetune.diverged(math.inf, math.nan, 0, checkpoint))


# Logs, validations and checkpoints that fall on different steps.
OUT_OF_STEP = {"finetune__epochs": 5.0, "finetune__evaluate_every": 8, "finetune__checkpoint_every": 3}


def test_losses_are_read_every_few_steps_and_before_weights_are_validated_or_saved(tiny_bases, tokenized, monkeypatch):
    tokenized(tiny_bases["llama"], **OUT_OF_STEP)
    monkeypatch.setattr(finetune, "LOG_EVERY", 5)
    log, logs = finetune.log, []

    def watched(run, progress, window, bar):
        logs.append((progress.step, len(window)))
        return log(run, progress, window, bar)

    monkeypatch.setattr(finetune, "log", watched)
    finetune.main()
    steps = read_report(finetune.REPORT)["steps"]
    assert steps > 8
    expected = [step for step in range(1, steps + 1) if not (step % 5 and step % 8 and step % 3) or step == steps]
    assert [step for step, _ in logs] == expected
    assert sum(read for _, read in logs) == steps


def test_a_loss_that_is_not_finite_between_two_logs_is_named_and_never_saved(
    tiny_bases, tokenized, monkeypatch, capsys
):
    tokenized(tiny_bases["llama"], **OUT_OF_STEP)
    healthy, steps = finetune.train_step, []

    def diverges_in_step_4(*arguments):
        loss, batch_size = healthy(*arguments)
        steps.append(loss)
        return loss * (math.nan if len(steps) == 4 else 1), batch_size

    monkeypatch.setattr(finetune, "train_step", diverges_in_step_4)
    with pytest.raises(SystemExit):
        finetune.main()
    assert len(steps) == 6  # the next checkpoint is due
    assert re.search(r"the loss is nan and the gradient's norm \d\S* at step 4", capsys.readouterr().err)
    [last] = finetune.CHECKPOINTS.glob("*/last.pt")
    assert torch.load(last)["progress"]["step"] == 3
    assert not list(finetune.CHECKPOINTS.glob("*/best.pt"))


def test_other_params_or_other_rows_never_resume_from_this_checkpoint(tiny_bases, tokenized):
    params = tokenized(tiny_bases["gpt2"])
    key = run_key(params, tokenize.TOKENS)
    slower = params.model_copy(update={"finetune": params.finetune.model_copy(update={"learning_rate": 1e-4})})
    assert run_key(slower, tokenize.TOKENS) != key
    evaluated_otherwise = params.model_copy(update={"evaluate": params.evaluate.model_copy(update={"seed": 7})})
    assert run_key(evaluated_otherwise, tokenize.TOKENS) == key
    tokenized(tiny_bases["gpt2"], tokenize__seed=1)
    assert run_key(params, tokenize.TOKENS) != key


def test_the_model_card_names_base_licence_data_and_metrics():
    poems = {"train": {"en": 120, "es": 130}}
    card = model_card(changed_params({"base": "smollm2-135m"}), poems, {"validation_bits_per_byte": {"en": 1.23}})
    head = card.split("---")[1]
    assert "base_model: smollm2-135m" in head
    assert "license: apache-2.0" in head
    assert "language: [en, es]" in head
    assert "train: 120 English, 130 Spanish" in card
    assert "1.23" in card
