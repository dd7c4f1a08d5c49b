"""An exported model loads anywhere and has a card; a hub that does not answer is one clear error."""

import os
import subprocess
import sys

import pytest
import torch
from huggingface_hub import ModelCard
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from pipeline.common.stage import BadInput
from pipeline.modeling.base import load_base
from pipeline.release.export import export_folder, push
from pipeline.release.model_card import model_card
from tests.support.made_up import ROOT, changed_params, tiny_poet

METRICS = "| metric | tuned |\n| --- | ---: |\n| bits per byte | 1.413 |\n"


@pytest.fixture(scope="module")
def poet(tmp_path_factory):
    """A folder as `finetune` writes it."""
    folder = tiny_poet(tmp_path_factory.mktemp("poet"), torch.bfloat16)
    GenerationConfig(do_sample=True, temperature=0.8).save_pretrained(folder)
    card = model_card(changed_params({}), {"train": {"en": 3}}, {})
    (folder / "README.md").write_text(card, encoding="utf-8")
    (folder / "GEMMA_TERMS.html").write_text("terms")
    return folder


def test_an_exported_folder_loads_and_has_every_licence_file(poet, tmp_path):
    folder = tmp_path / "out"
    export_folder(poet, folder, METRICS, gguf=True)
    ours = AutoModelForCausalLM.from_pretrained(folder).state_dict()
    assert all(torch.equal(weight, ours[name]) for name, weight in load_base(poet)[0].state_dict().items())
    assert AutoTokenizer.from_pretrained(folder).encode("<|es|>") == AutoTokenizer.from_pretrained(poet).encode(
        "<|es|>"
    )
    assert GenerationConfig.from_pretrained(folder).temperature == 0.8
    assert (folder / "GEMMA_TERMS.html").read_text() == "terms"
    back = AutoModelForCausalLM.from_pretrained(folder, gguf_file="poet.gguf", dtype=torch.bfloat16).state_dict()
    assert all(torch.equal(weight, back[name]) for name, weight in ours.items())


def test_the_card_names_base_licence_languages_sources_and_metrics(poet, tmp_path):
    export_folder(poet, tmp_path / "out", METRICS)
    card = ModelCard.load(tmp_path / "out" / "README.md")
    assert card.data.base_model == "gemma-3-270m"
    assert card.data.license == "gemma"
    assert "4-bit GGUF weights, Q4_K_M, read back to bfloat16; not the original weights" in card.text
    assert card.data.language == ["en", "es"]
    assert "anthology-es" in card.text
    assert METRICS.strip() in card.text
    assert METRICS not in (poet / "README.md").read_text(encoding="utf-8")


def test_a_folder_with_files_in_it_is_not_overwritten(poet, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(BadInput, match="it is not empty"):
        export_folder(poet, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_folder_that_is_not_a_tuned_model_is_refused_with_what_it_lacks(tmp_path):
    with pytest.raises(BadInput, match=r"it has no config\.json, generation_config\.json"):
        export_folder(tmp_path, tmp_path / "out")


def test_without_a_token_nothing_is_uploaded(tmp_path, monkeypatch):
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with pytest.raises(BadInput, match="HF_TOKEN: not set"):
        push(tmp_path, "someone/poet")


def test_an_invalid_repository_name_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_none")
    with pytest.raises(BadInput, match="--push not a name: the hub refused it"):
        push(tmp_path, "not a name")


@pytest.mark.slow
def test_a_hub_that_does_not_answer_is_one_clear_error_and_the_folder_stays(poet, tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"}
    environment |= {"HF_TOKEN": "hf_none", "HF_ENDPOINT": "http://127.0.0.1:9"}  # nothing listens there
    command = [sys.executable, "-m", "app.command", "export", str(tmp_path / "out"), "--model", str(poet)]
    ended = subprocess.run(
        [*command, "--push", "someone/poet"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2, ended.stderr
    assert "--push someone/poet: the hub refused it" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert (tmp_path / "out" / "model.safetensors").exists()
