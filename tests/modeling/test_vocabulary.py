"""A cut vocabulary: fewer tokens, any text can still be encoded, and kept tokens mean what they meant."""

import json
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import AutoModelForCausalLM, AutoTokenizer, Gemma3TextConfig, PreTrainedTokenizerFast

from pipeline import evaluate, finetune, register, tokenize
from pipeline.common.stage import BadInput
from pipeline.common.tables import read_report, read_table
from pipeline.modeling.base import PACKAGED, cache_folder, load_base
from pipeline.modeling.likelihood import poem_log_likelihoods
from pipeline.modeling.prompt import poem_request
from pipeline.modeling.vocabulary import KEPT_TOKENS, built_from, cut_model, cut_tokenizer, kept_tokens
from pipeline.release.export import GGUF, export_folder
from pipeline.release.registry import fetch_version
from pipeline.tokenize import add_language_tokens
from pipeline.training.adapters import prepare_model
from tests.support.made_up import SENTENCES, made_up_poem, tiny_tokenizer

FOREIGN = (
    "der Fluss behält sein Silber unter Steinen und niemand der hinüber geht fragt was er dem Winterregen schuldet"
)
POEMS = [made_up_poem(code, 40, 0) for code in SENTENCES]
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
WORDS = [word for sentence in SENTENCES.values() for word in sentence.split()]
TEXTS = st.one_of(
    st.lists(st.sampled_from([*WORDS, "\n", "cuarzo", "𓀀"]), max_size=12).map(" ".join),
    st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20),
)


def gemma_like() -> PreTrainedTokenizerFast:
    """BPE with byte fallback over whole lines, spaces as ▁, newlines and reserved tokens among the added ones."""
    specials = ["<pad>", "<eos>", "<bos>", "<unk>", "<unused0>", "<unused1>"]
    trained = Tokenizer(models.BPE(unk_token="<unk>"))
    trained.normalizer = normalizers.Replace(" ", "▁")
    trainer = trainers.BpeTrainer(vocab_size=600, special_tokens=[*specials, *BYTES, "\n", "\n\n"])
    trained.train_from_iterator([FOREIGN, *(line for poem in POEMS for line in poem.split("\n"))], trainer)
    vocabulary, merges = trained.get_vocab(), json.loads(trained.to_str())["model"]["merges"]
    model = models.BPE(
        vocabulary, [tuple(pair) for pair in merges], unk_token="<unk>", fuse_unk=True, byte_fallback=True
    )
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_special_tokens(specials)
    tokenizer.add_tokens([AddedToken("\n", normalized=False), AddedToken("\n\n", normalized=False)])
    names = {"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>", "unk_token": "<unk>"}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)


def unigram() -> PreTrainedTokenizerFast:
    """A unigram model with byte fallback, as made by SentencePiece."""
    pieces = {word: -5.0 - place / 10 for place, word in enumerate(dict.fromkeys(f"▁{word}" for word in WORDS))}
    letters = dict.fromkeys(sorted(set("".join(pieces))), -12.0)
    halves = {piece[:half]: -8.0 for piece in pieces for half in (2, 3) if len(piece) > half}
    vocabulary = [("<unk>", 0.0), ("<eos>", 0.0), *((byte, -20.0) for byte in BYTES), ("\n", -3.0)]
    vocabulary += (letters | halves | pieces).items()
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=0, byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse(), decoders.Replace("▁", " ")])
    tokenizer.add_special_tokens(["<unk>", "<eos>"])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<eos>", unk_token="<unk>")


KINDS = {"byte-level": lambda: tiny_tokenizer(begin=True), "byte-fallback": gemma_like, "unigram": unigram}


@pytest.fixture(scope="module")
def cuts():
    """For each kind of tokenizer: the whole one, the one cut to English, and the ids that were kept."""
    found = {}
    for kind, make in KINDS.items():
        tokenizer = make()
        kept = kept_tokens(tokenizer, tokenizer.encode(POEMS[0], add_special_tokens=False))
        found[kind] = tokenizer, cut_tokenizer(tokenizer, kept), kept
    return found


@pytest.mark.parametrize("kind", KINDS)
@given(text=TEXTS)
def test_any_text_can_be_encoded_and_decoded(cuts, kind, text):
    whole, cut, _ = cuts[kind]
    encoded = cut.encode(text, add_special_tokens=False)
    assert cut.unk_token_id is None or cut.unk_token_id not in encoded
    assert cut.decode(encoded) == whole.decode(whole.encode(text, add_special_tokens=False))


@pytest.mark.parametrize("kind", KINDS)
@given(text=TEXTS, others=st.sets(st.integers(0, 399), max_size=60))
@settings(max_examples=40)
def test_a_text_whose_tokens_were_all_kept_is_encoded_to_the_same_tokens(kind, text, others):
    whole = KINDS[kind]()
    wanted = whole.encode(text, add_special_tokens=False)
    kept = kept_tokens(whole, {*wanted, *others})
    cut = cut_tokenizer(whole, kept)
    assert kept[cut.encode(text, add_special_tokens=False)].tolist() == wanted


@pytest.mark.parametrize("kind", KINDS)
def test_a_cut_drops_tokens_but_no_control_token_and_no_byte(cuts, kind):
    whole, cut, kept = cuts[kind]
    assert len(cut) == len(kept) < len(whole)
    assert cut.all_special_tokens == whole.all_special_tokens
    assert cut.convert_ids_to_tokens(range(len(cut))) == whole.convert_ids_to_tokens(kept.tolist())
    if kind == "byte-fallback":
        assert set(BYTES) <= set(cut.get_vocab())
        assert "<unused0>" not in cut.get_vocab()  # a place that the base never used


@pytest.mark.parametrize("kind", KINDS)
def test_a_cut_tokenizer_is_saved_and_loaded_like_any_other_and_takes_language_tokens(cuts, kind, tmp_path):
    _, cut, _ = cuts[kind]
    cut.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    for poem in POEMS:
        assert loaded.encode(poem) == cut.encode(poem)
    add_language_tokens(loaded, ["en", "es"])
    assert loaded.encode("<|es|>", add_special_tokens=False) == [len(cut) + 1]


def test_a_token_is_built_from_the_results_of_its_merges():
    ranks = {("a", "b"): 0, ("b", "c"): 1, ("ab", "c"): 2, ("a", "bc"): 3}
    assert built_from("abc", ranks) == {"a", "b", "c", "ab", "abc"}  # "bc" never comes about: ("a", "b") is first


def test_a_word_level_vocabulary_is_refused():
    tokenizer = Tokenizer(models.WordLevel({"<unk>": 0, "río": 1}, unk_token="<unk>"))
    with pytest.raises(BadInput, match=r"tokenize\.cut_vocabulary.*WordLevel.*false"):
        kept_tokens(PreTrainedTokenizerFast(tokenizer_object=tokenizer), [1])


# The model


@pytest.mark.parametrize("family", ["gpt2", "llama", "gemma3"])  # llama's head is a matrix of its own
def test_likelihoods_grow_by_the_probability_of_the_removed_tokens_alone(tiny_bases, family):
    whole, tokenizer = load_base(tiny_bases[family], dtype=torch.float32)
    cut, _ = load_base(tiny_bases[family], dtype=torch.float32)
    ids = tokenizer.encode(POEMS[1], add_special_tokens=False)[:200]
    kept = kept_tokens(tokenizer, ids)
    assert len(kept) < len(tokenizer)
    cut_model(cut, kept)
    places = {int(old): new for new, old in enumerate(kept)}
    with torch.no_grad():
        before = whole(torch.tensor([ids])).logits[0].log_softmax(dim=-1)[:, kept]
        after = cut(torch.tensor([[places[old] for old in ids]])).logits[0].log_softmax(dim=-1)
    assert cut.config.vocab_size == len(kept)
    assert cut.config.eos_token_id == places[whole.config.eos_token_id]
    torch.testing.assert_close(after, before - before.logsumexp(dim=-1, keepdim=True), atol=1e-5, rtol=1e-5)


@pytest.mark.slow
def test_gemma_itself_keeps_its_hidden_states_and_loses_the_probability_of_the_removed_tokens():
    package = PACKAGED["gemma-3-270m"]
    base = cache_folder() / f"gemma-3-270m-{package.sha256[:12]}"
    if not base.exists():
        pytest.skip("gemma-3-270m is not in the cache; `make run` brings it")
    whole, tokenizer = load_base(base, dtype=torch.float32)
    ids = tokenizer.encode(POEMS[1])
    kept = kept_tokens(tokenizer, ids)
    assert cut_tokenizer(tokenizer, kept).encode(POEMS[1]) == np.searchsorted(kept, ids).tolist()
    with torch.no_grad():
        hidden = whole.base_model(torch.tensor([ids])).last_hidden_state
        before = whole(torch.tensor([ids])).logits[0, -1].log_softmax(dim=-1)[kept]
        cut_model(whole, kept)
        cut_ids = torch.tensor([np.searchsorted(kept, ids).tolist()])
        after = whole(cut_ids).logits[0, -1].log_softmax(dim=-1)
        torch.testing.assert_close(whole.base_model(cut_ids).last_hidden_state, hidden)
    torch.testing.assert_close(after, before - before.logsumexp(dim=-1), atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("family", ["gpt2", "llama", "gemma3"])
def test_a_cut_model_is_saved_and_loaded_like_any_other(tiny_bases, family, tmp_path):
    model, tokenizer = load_base(tiny_bases[family], dtype=torch.float32)
    kept = kept_tokens(tokenizer, tokenizer.encode(POEMS[0]))
    cut_model(model, kept)
    model.save_pretrained(tmp_path)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    ids = torch.arange(len(kept))[None, :100]
    torch.testing.assert_close(loaded(ids).logits, model(ids).logits)
    assert loaded.get_input_embeddings().num_embeddings == len(kept)


def gemma_like_model(rows: int):
    size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1}
    config = Gemma3TextConfig(vocab_size=rows, head_dim=16, query_pre_attn_scalar=16, intermediate_size=64, **size)
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(config)


def test_tokens_without_a_row_do_not_get_one():
    """Gemma's tokenizer has a token for images, for which its text model has no row."""
    tokenizer = gemma_like()
    rows = len(tokenizer)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<picture>"]})
    model = gemma_like_model(rows)
    kept = kept_tokens(tokenizer, tokenizer.encode(POEMS[0]))
    assert rows in kept
    cut_model(model, kept)
    assert model.get_input_embeddings().num_embeddings == len(kept) - 1


# The pipeline


@pytest.fixture
def cut_project(tmp_path, tokenized):
    """A function that tokenizes for a base like Gemma with a cut vocabulary and trains it; it returns the params."""

    def make(method):
        base = tmp_path / "base"
        gemma_like_model(len(gemma_like())).save_pretrained(base)
        gemma_like().save_pretrained(base)
        changes = {"tokenize__cut_vocabulary": True, "finetune__method": method, "finetune__max_tokens": 2000}
        small = {"evaluate__sentence_model": None, "evaluate__poems_per_language": 2, "generation__max_words": 12}
        params = tokenized(base, **changes, **small)
        finetune.main()
        return params

    return make


@pytest.mark.parametrize("method", ["full", "lora"])
def test_the_stages_train_a_cut_model_and_lose_no_likelihood_on_its_training_poems(cut_project, method):
    params = cut_project(method)
    base = Path(params.base)
    kept = np.load(tokenize.TOKENS / KEPT_TOKENS)
    model, tokenizer = load_base("models/poet")
    assert len(tokenizer) == len(kept) + 2 == model.get_input_embeddings().num_embeddings
    assert read_report(tokenize.REPORT)["vocabulary"] == len(tokenizer)
    assert len(kept) < len(AutoTokenizer.from_pretrained(base))

    whole = AutoTokenizer.from_pretrained(base)
    add_language_tokens(whole, ["en", "es"])
    arguments = (params.languages, params.finetune, torch.float32)
    poems = read_table(tokenize.TOKENS / "train.parquet")
    requests = [poem_request(poem) for poem in poems.to_dict("records")]
    before = poem_log_likelihoods(prepare_model(base, whole, *arguments).eval(), whole, requests, poems["text"])
    cut = prepare_model(base, tokenizer, *arguments, kept=kept).eval()
    after = poem_log_likelihoods(cut, tokenizer, requests, poems["text"])
    assert all(0 <= now - then < 0.5 * abs(then) for then, now in zip(before, after, strict=True))


@pytest.mark.slow
def test_a_cut_model_is_evaluated_registered_served_and_exported_like_any_other(cut_project, tmp_path, monkeypatch):
    monkeypatch.setenv("ESTROFA_CACHE", str(tmp_path / "cache"))
    cut_project("full")
    evaluate.main()
    register.main()
    found = read_report(evaluate.REPORT)["values"]["bits_per_byte"]
    assert all(found["tuned"][language] < found["base"][language] for language in ("en", "es"))

    version = read_report(register.REPORT)["version"]
    poet = mlflow.pyfunc.load_model(f"models:/estrofa/{version}")
    asked = pd.DataFrame({"prompt": ["el río guarda"], "language": ["es"]})
    [written] = poet.predict(asked)["poem"]
    assert written.startswith("el río guarda")

    export_folder(fetch_version("estrofa", str(version)), tmp_path / "exported", gguf=True)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "exported")
    other = AutoTokenizer.from_pretrained(tmp_path / "exported", gguf_file=GGUF)
    assert len(other) == len(tokenizer)
    for text in (*POEMS, "<|es|>cuarzo"):
        assert other.encode(text, add_special_tokens=False) == tokenizer.encode(text, add_special_tokens=False)
