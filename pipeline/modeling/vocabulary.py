"""A vocabulary cut to what a corpus uses: a smaller model that reads and writes the same.

Gemma's 262,144 tokens serve 140 languages and hold 168 of its 268 million weights. What two languages' poems use is a
small part of them. A cut keeps the tokens that occur, those they are built from, the control tokens and the bytes, so
any text still encodes, and a text whose tokens were all kept is cut into exactly those tokens:

Byte-pair encoding always applies the merge of lowest rank. No merge crosses the border of a token it ends with, so each
such token comes about as it would alone; with all that it comes about from kept, the same merges are there to be
applied, in the same order (tests/test_vocabulary.py tries it on random text). In a unigram model the best way to cut a
text stays the best among fewer.
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

KEPT_TOKENS = "kept_tokens.npy"  # beside the tokenizer: the rows of the base's matrices that a cut model keeps
_FREE_PLACE = re.compile(r"<\|?(unused|reserved)")  # control tokens that a base has room for and never used
_BYTE = re.compile(r"<0x[0-9A-F]{2}>")


def kept_tokens(tokenizer: PreTrainedTokenizerBase, used: Iterable[int]) -> np.ndarray:
    """The tokens that a cut vocabulary has.

    Args:
        tokenizer: of a base, before tokens of our own are added to it.
        used: the tokens that texts are encoded to; those that are not the base's are passed over.

    Returns:
        Ids in the base's vocabulary, ascending: the new id of a token is its place among them.

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
    """All that byte-pair encoding goes through on its way from a token's characters to the token, both included."""
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
    """A tokenizer with the tokens `kept` and no others; the id of each is its place in `kept`."""
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
    """Leave a model the rows of its embedding and head that belong to the tokens `kept`, in that order.

    The likelihood of a kept token grows by the share that the removed ones had; all else stays as it was.
    """
    new_ids = {int(old): new for new, old in enumerate(kept)}
    rows = [old for old in new_ids if old < model.get_input_embeddings().num_embeddings]  # not all tokens have a row
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
    """The tokens kept of the base's, from the folder `tokenize` wrote; None where the vocabulary is whole."""
    path = tokens / KEPT_TOKENS
    return np.load(path) if path.exists() else None


def _vocabulary(state: dict[str, Any]) -> dict[str, int]:
    """Token to id, added tokens included, of a tokenizer as `tokenizer.json` holds it."""
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
    """Whether text reaches the model as bytes, each spelt as one of 256 characters (GPT-2's alphabet)."""
    return '"type": "ByteLevel"' in json.dumps(state["pre_tokenizer"])
