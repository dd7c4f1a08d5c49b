"""A model exported as GGUF has the same weights and tokenizer, and writes the same text."""

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GPTNeoXConfig, GPTNeoXForCausalLM

from pipeline.common.stage import BadInput
from pipeline.modeling.base import load_base
from pipeline.release.gguf import write_gguf
from pipeline.tokenize import add_language_tokens
from tests.support.made_up import FAMILIES, SENTENCES

# What transformers does not read from GGUF files of these families, though it stands in them.
UNREAD = {
    "gpt2": {"n_positions": 512},
    "llama": {},
    "gemma3": {"layer_types": ["sliding_attention", "full_attention"], "query_pre_attn_scalar": 16},
}


def read_back(folder, family):
    file = {"gguf_file": "poet.gguf", "dtype": torch.float32}
    return AutoModelForCausalLM.from_pretrained(folder, **file, **UNREAD[family]).eval()


@pytest.fixture(scope="module")
def written(tiny_bases, tmp_path_factory):
    """For each family a tuned folder, with language tokens, and the GGUF file made of it."""
    folders = {}
    for family, base in tiny_bases.items():
        folder = tmp_path_factory.mktemp(f"gguf-{family}")
        model, tokenizer = load_base(base, dtype=torch.bfloat16)
        add_language_tokens(tokenizer, ["en", "es"])
        model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
        if family == "gemma3":
            model.config.query_pre_attn_scalar = model.config.head_dim  # as in the smaller real ones
        model.save_pretrained(folder / "poet")
        tokenizer.save_pretrained(folder / "poet")
        write_gguf(folder / "poet", folder / "poet.gguf", "cc0-1.0")
        folders[family] = folder
    return folders


@pytest.mark.parametrize("family", FAMILIES)
def test_the_weights_are_unchanged(written, family):
    model, _ = load_base(written[family] / "poet", dtype=torch.float32)
    back = read_back(written[family], family)
    weights, others = model.state_dict(), back.state_dict()
    assert weights.keys() == others.keys()
    for name, weight in weights.items():
        torch.testing.assert_close(others[name], weight, rtol=0, atol=1e-6, msg=name)


@pytest.mark.parametrize("family", FAMILIES)
def test_text_is_split_into_the_same_tokens(written, family):
    tokenizer = AutoTokenizer.from_pretrained(written[family] / "poet")
    back = AutoTokenizer.from_pretrained(written[family], gguf_file="poet.gguf")
    for text in (*SENTENCES.values(), "¿Quién, «tú»?\n\n  ☂ silver", "<|es|>lluvia"):
        assert back.encode(text, add_special_tokens=False) == tokenizer.encode(text, add_special_tokens=False)


@pytest.mark.parametrize("family", FAMILIES)
def test_it_writes_the_same_fifty_tokens(written, family):
    model, tokenizer = load_base(written[family] / "poet", dtype=torch.float32)
    back = read_back(written[family], family)
    prompt = tokenizer("<|en|>\nthe river", return_tensors="pt")
    wanted = {"do_sample": False, "min_new_tokens": 50, "max_new_tokens": 50, "pad_token_id": 0}
    assert back.generate(**prompt, **wanted).tolist() == model.generate(**prompt, **wanted).tolist()


def test_an_unsupported_architecture_is_named(tiny_bases, tmp_path):
    _, tokenizer = load_base(tiny_bases["llama"])
    config = GPTNeoXConfig(vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=1, num_attention_heads=2)
    GPTNeoXForCausalLM(config).save_pretrained(tmp_path / "neox")
    tokenizer.save_pretrained(tmp_path / "neox")
    with pytest.raises(BadInput, match="gpt_neox models cannot be exported as GGUF"):
        write_gguf(tmp_path / "neox", tmp_path / "neox.gguf", "cc0-1.0")
    assert not (tmp_path / "neox.gguf").exists()


def test_what_llama_cpp_does_not_support_is_refused(tiny_bases, tmp_path):
    with pytest.raises(BadInput, match="scales attention by the size of a head"):
        write_gguf(tiny_bases["gemma3"], tmp_path / "poet.gguf", "cc0-1.0")
    assert list(tmp_path.iterdir()) == []
