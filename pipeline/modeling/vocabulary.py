"""Cut a vocabulary to the tokens that a corpus uses, for a smaller model that reads and writes the same texts.

Gemma's 262,144 tokens serve 140 languages and account for 168 of its 268 million weights. Poems in two languages use a
small part of them. The cut keeps the tokens that occur, the tokens these are built from, the control tokens and the
bytes. So any text can still be encoded, and a text whose tokens were all kept is encoded to the same tokens:

Byte-pair encoding always applies the merge of lowest rank. No merge crosses the border of a token in the result, so
each of these tokens is built as it would be alone. Since all that it is built from is kept, the same merges are applied
in the same order (tests/modeling/test_vocabulary.py checks it on random text). In a unigram model, the best
segmentation of a text remains the best among fewer.
"""

import json
import re
import tempfile
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from pipeline.common.stage import BadInput

if TYPE_CHECKING:  # as in pipeline/modeling/base.py
    from transformers import PreTrainedModel

KEPT_TOKENS = "kept_tokens.npy"  # beside the tokenizer: the rows of the base's matrices that the cut keeps
_FREE_PLACE = re.compile(r"<\|?(unused|reserved)")  # control tokens that a base reserves and does not use
_BYTE = re.compile(r"<0x[0-9A-F]{2}>")


def kept_tokens(tokenizer: PreTrainedTokenizerBase, used: Iterable[int]) -> np.ndarray:
    """The tokens of a cut vocabulary.

    Args:
        tokenizer: of a base, before our own tokens are added to it.
        used: the tokens that texts are encoded to; tokens unknown to the base are ignored.

    Returns:
        Ids in the base's vocabulary, ascending: the new id of a token is its position among them.

    Raises:
        BadInput: the tokenizer is neither a BPE nor a unigram model.
    """
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    ids = _vocabulary(state)
    names = {number: token for token, number in ids.items()}
    controls = {token["id"] for token in state["added_tokens"] if token["special"]}
    controls -= {number for number in controls if _FREE_PLACE.match(names.get(number, ""))}
    added = {token["id"] for token in state["added_tokens"]}
    kept = {number for number in used if number in names} | controls | set(tokenizer.all_special_ids)
    kept |= {number for token, number in ids.items() if len(token) == 1 and _is_byte_level(state)}
    kept |= {number for token, number in ids.items() if _BYTE.fullmatch(token)}
    ranks = {tuple(pair): rank for rank, pair in enumerate(state["model"].get("merges", []))}
    for number in list(kept - added):
        kept |= {ids[part] for part in built_from(names[number], ranks) if part in ids}
    return np.array(sorted(kept), dtype=np.int64)


def built_from(token: str, ranks: dict[tuple[str, str], int]) -> set[str]:
    """Every string that byte-pair encoding builds between a token's characters and the token, both included."""
    parts = list(token)
    seen = set(parts)
    while len(parts) > 1:
        pairs = [(ranks.get(pair, len(ranks)), place) for place, pair in enumerate(pairwise(parts))]
        rank, place = min(pairs)
        if rank == len(ranks):
            break
        parts[place : place + 2] = [parts[place] + parts[place + 1]]
        seen.add(parts[place])
    return seen


def cut_tokenizer(tokenizer: PreTrainedTokenizerBase, kept: Sequence[int]) -> PreTrainedTokenizerBase:
    """A tokenizer with only the tokens `kept`; the id of each is its position in `kept`."""
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    new_ids = {int(old): new for new, old in enumerate(kept)}
    model = state["model"]
    if model["type"] == "BPE":
        model["vocab"] = {token: new_ids[old] for token, old in model["vocab"].items() if old in new_ids}
        left = model["vocab"]
        model["merges"] = [
            [one, other] for one, other in model["merges"] if one in left and other in left and one + other in left
        ]
    else:
        model["vocab"] = [entry for old, entry in enumerate(model["vocab"]) if old in new_ids]
        model["unk_id"] = new_ids.get(model["unk_id"])
    state["added_tokens"] = [
        {**token, "id": new_ids[token["id"]]} for token in state["added_tokens"] if token["id"] in new_ids
    ]
    for special in ((state["post_processor"] or {}).get("special_tokens") or {}).values():
        special["ids"] = [new_ids[old] for old in special["ids"]]
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        (Path(folder) / "tokenizer.json").write_text(json.dumps(state), encoding="utf-8")
        return AutoTokenizer.from_pretrained(folder)


@torch.no_grad()
def cut_model(model: "PreTrainedModel", kept: Sequence[int]) -> None:
    """Keep only the rows of a model's embedding and head that belong to the tokens `kept`, in that order.

    The removed tokens' probability goes to the kept ones in proportion; nothing else changes.
    """
    new_ids = {int(old): new for new, old in enumerate(kept)}
    rows = [old for old in new_ids if old < model.get_input_embeddings().num_embeddings]  # some tokens have no row
    layers = (model.get_input_embeddings(), model.get_output_embeddings())
    for weight in {layer.weight for layer in layers}:  # one where the two are tied
        weight[: len(rows)] = weight[rows]
    model.resize_token_embeddings(len(rows), mean_resizing=False)
    for config in (model.config, model.generation_config):
        for name in ("bos_token_id", "eos_token_id", "pad_token_id"):
            old = getattr(config, name, None)
            new = [new_ids[each] for each in old if each in new_ids] if isinstance(old, list) else new_ids.get(old)
            setattr(config, name, new)


def load_kept_tokens(tokens: Path) -> np.ndarray | None:
    """The base's tokens that the cut keeps, from the folder that `tokenize` wrote; None without a cut."""
    path = tokens / KEPT_TOKENS
    return np.load(path) if path.exists() else None


def _vocabulary(state: dict[str, Any]) -> dict[str, int]:
    """From token to id, added tokens included, given the content of `tokenizer.json`."""
    model = state["model"]
    if model["type"] == "BPE":
        ids = dict(model["vocab"])
    elif model["type"] == "Unigram":
        ids = {token: number for number, (token, _) in enumerate(model["vocab"])}
    else:
        problem = f"the base's tokenizer is a {model['type']} model, whose vocabulary cannot be cut"
        raise BadInput("params.yaml: tokenize.cut_vocabulary", problem, "Set it to false")
    return ids | {token["content"]: token["id"] for token in state["added_tokens"]}


def _is_byte_level(state: dict[str, Any]) -> bool:
    """Whether text is encoded as bytes, each written as one of 256 characters (GPT-2's alphabet)."""
    return '"type": "ByteLevel"' in json.dumps(state["pre_tokenizer"])
