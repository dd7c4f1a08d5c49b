"""Small real models of each family, saved as folders the way users save theirs, and a table of made-up poems."""

import json
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random, SystemRandom
from typing import TypeVar

import pandas as pd
import torch
from mlflow import MlflowClient
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM,
    Gemma3TextConfig,
    GPT2Config,
    LlamaConfig,
    PreTrainedTokenizerFast,
)

from pipeline.common.params import Params, load_params, parse_params
from pipeline.common.tables import POEM_SCHEMA, write_table
from pipeline.modeling.base import load_base
from pipeline.tokenize import add_language_tokens

ROOT = Path(__file__).resolve().parents[2]
FAMILIES = ("gpt2", "llama", "gemma3")
SENTENCES = {
    "en": "the river keeps its silver under stones and nobody who crosses asks what it is owed by winter rain",
    "es": "el río guarda su plata bajo piedras y nadie que lo cruza pregunta qué le debe la lluvia de enero",
}


Found = TypeVar("Found")


def wait_until(condition: Callable[[], Found], seconds: float = 600) -> Found:
    """Wait until something holds, and return it; the time allowed is only so that a failure ends."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)
    return found


def free_port() -> int:
    """A port that nobody listens on, of those that the system gives to no connection meanwhile."""
    while True:
        with socket.socket() as taken, suppress(OSError):
            taken.bind(("127.0.0.1", SystemRandom().randrange(10_000, 32_768)))
            return taken.getsockname()[1]


def made_up_poem(language: str, lines: int, seed: int) -> str:
    """Lines of six words, a stanza break after every fourth."""
    random = Random(f"{language}:{seed}")
    verses = [" ".join(random.choices(SENTENCES[language].split(), k=6)) for _ in range(lines)]
    stanzas = ["\n".join(verses[start : start + 4]) for start in range(0, lines, 4)]
    return "\n\n".join(stanzas)


def made_up_poems(per_language: int, lines: range = range(4, 13)) -> pd.DataFrame:
    """A table as `tag` leaves it: every poem its own cluster, a third of them without a style."""
    rows = []
    for language in SENTENCES:
        for number in range(per_language):
            count = lines[number % len(lines)]
            text = made_up_poem(language, count, number)
            rows.append(
                {
                    "poem_id": f"{language}{number:04}",
                    "source": "made-up",
                    "title": f"{SENTENCES[language].split()[1].capitalize()} {number}",
                    "author": f"Author {number % 5}",
                    "style": "ballad" if number % 3 else None,
                    "language": language,
                    "language_confidence": 1.0,
                    "cluster": f"{language}{number:04}",
                    "lines": count,
                    "stanzas": text.count("\n\n") + 1,
                    "words": len(text.split()),
                    "text": text,
                }
            )
    return pd.DataFrame(rows, columns=POEM_SCHEMA.names, dtype=object)  # what is missing is None, as in `read_table`


def tiny_tokenizer(begin: bool) -> PreTrainedTokenizerFast:
    """A byte-level BPE of some 400 tokens; with a begin-of-text token or, as in GPT-2, without one of its own."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    specials = ["<bos>", "<eos>", "<pad>"] if begin else ["<|endoftext|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=specials, initial_alphabet=alphabet)
    poems = [f" {name}\n\n{made_up_poem(code, 40, 0)}" for code, name in (("en", "English"), ("es", "Spanish"))]
    tokenizer.train_from_iterator(poems, trainer)
    if begin:
        names = {"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>"}
    else:
        names = {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)


def tiny_base(family: str, folder: Path) -> Path:
    """Save a randomly initialised model of two layers and its tokenizer; the same for the same family."""
    tokenizer = tiny_tokenizer(begin=family != "gpt2")
    ids = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    size = {"vocab_size": len(tokenizer), "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    if family == "gpt2":
        config = GPT2Config(vocab_size=len(tokenizer), n_embd=32, n_layer=2, n_head=2, n_positions=512, **ids)
    elif family == "llama":
        config = LlamaConfig(**size, intermediate_size=64, num_key_value_heads=1, tie_word_embeddings=False, **ids)
    else:  # a window shorter than a poem, so that sliding attention matters
        layers = {"layer_types": ["sliding_attention", "full_attention"], "sliding_window": 16}
        config = Gemma3TextConfig(**size, **layers, intermediate_size=64, num_key_value_heads=1, head_dim=16, **ids)
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():  # livelier than a fresh initialisation, so that what a token attends to shows in its figure
        for name, weight in model.named_parameters():
            if weight.dim() > 1:
                weight.mul_(1.0 if "emb" in name else 4.0)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def tiny_poet(folder: Path, dtype: torch.dtype) -> Path:
    """Save a randomly initialised model that has the language tokens, as after tuning."""
    model, tokenizer = load_base(tiny_base("llama", folder), dtype=dtype)
    add_language_tokens(tokenizer, ["en", "es"])
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def changed_params(changes: dict[str, object]) -> Params:
    """The repository's params with some changed, each named as `section.key` or `key`."""
    values = json.loads(load_params(ROOT / "params.yaml").model_dump_json(by_alias=True))
    for name, value in changes.items():
        section, _, key = name.rpartition(".")
        (values[section] if section else values)[key] = value
    return parse_params(values)


def write_project(folder: Path, poems: pd.DataFrame, changes: dict[str, object]) -> Params:
    """Fill `folder` as the repository stands after `tag`: params.yaml and the table of poems."""
    params = changed_params(changes)
    # JSON is YAML too.
    (folder / "params.yaml").write_text(params.model_dump_json(by_alias=True), encoding="utf-8")
    write_table(poems, folder / "data/tagged/poems.parquet", POEM_SCHEMA)
    return params


def forget_champions(store: str) -> None:
    """Take the alias from what other tests made champion, or `evaluate` would measure it too."""
    client = MlflowClient(store)
    for model in client.search_registered_models():
        client.delete_registered_model_alias(model.name, "champion")
