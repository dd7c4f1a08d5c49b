"""Write a tuned model as one GGUF file, for llama.cpp and the programs built on it.

The layout is llama.cpp's: its tensor names (from the `gguf` library), its order of rotary dimensions for Llama, and
Gemma's norm weights plus the 1 that transformers adds at run time. Matrices are bfloat16 and vectors float32, so that a
model tuned in bfloat16 loses nothing.
"""

import json
from pathlib import Path
from typing import Any

import gguf
import torch
from torch import Tensor
from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from pipeline.common.stage import BadInput, whole_file
from pipeline.modeling.base import load_base

ARCHITECTURES = {"gemma3_text": "gemma3", "llama": "llama", "gpt2": "gpt2"}  # by transformers' model_type
TRANSPOSED = (".attn_qkv.weight", ".attn_output.weight", ".ffn_up.weight", ".ffn_down.weight")  # in GPT-2's files
# How a tokenizer's regular expression for words begins, and llama.cpp's name for it.
WORD_PATTERNS = {"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}|": "llama-bpe"}


def write_gguf(folder: Path, path: Path, licence: str) -> None:
    """Write the model of a folder as a GGUF file, whole or not at all.

    Args:
        folder: a tuned model, as `finetune` leaves it.
        licence: of the weights, stored in the file.

    Raises:
        BadInput: its architecture or its tokenizer is not supported here.
    """
    model, tokenizer = load_base(folder, dtype=torch.bfloat16)
    config = model.config
    if config.model_type not in ARCHITECTURES:
        remedy = f"Choose a base among {', '.join(ARCHITECTURES)}, or convert the folder with llama.cpp's own script"
        raise BadInput(str(folder), f"{config.model_type} models cannot be exported as GGUF", remedy)
    with whole_file(path) as partial:
        writer = gguf.GGUFWriter(partial, ARCHITECTURES[config.model_type])
        writer.add_name(folder.resolve().name)
        writer.add_license(licence)
        add_shape(writer, config)
        add_vocabulary(writer, tokenizer, model.get_input_embeddings().num_embeddings)
        add_tensors(writer, model)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()


def add_shape(writer: gguf.GGUFWriter, config: PreTrainedConfig) -> None:
    """Write the sizes, and the constants of attention and norms."""
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_BF16)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_head_count(config.num_attention_heads)
    if config.model_type == "gpt2":
        writer.add_feed_forward_length(config.n_inner or 4 * config.hidden_size)
        writer.add_layer_norm_eps(config.layer_norm_epsilon)
        return
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_key_length(config.head_dim)
    writer.add_value_length(config.head_dim)
    rope = config.rope_parameters
    remedy = "Convert the folder with llama.cpp's own script"
    if config.model_type == "llama":
        writer.add_vocab_size(config.vocab_size)
        writer.add_rope_dimension_count(config.head_dim)
        writer.add_rope_freq_base(rope["rope_theta"])
        if rope["rope_type"] != "default":
            raise BadInput("GGUF", f"rotary scaling {rope['rope_type']!r} is not supported", remedy)
        return
    if config.query_pre_attn_scalar != config.head_dim:
        raise BadInput("GGUF", "llama.cpp scales attention by the size of a head, this model by another number", remedy)
    writer.add_rope_freq_base(rope["full_attention"]["rope_theta"])
    writer.add_rope_freq_base_swa(rope["sliding_attention"]["rope_theta"])
    writer.add_sliding_window(config.sliding_window)
    writer.add_sliding_window_pattern([kind == "sliding_attention" for kind in config.layer_types])


def add_vocabulary(writer: gguf.GGUFWriter, tokenizer: PreTrainedTokenizerBase, rows: int) -> None:
    """Write the tokens, their types, and how text is split into them.

    Args:
        rows: of the embedding; a row without a token gets a placeholder name.
    """
    described = json.loads(tokenizer.backend_tokenizer.to_str())
    pieces, merges = described["model"]["vocab"], [tuple(merge) for merge in described["model"]["merges"]]
    added = {token["id"]: token for token in described["added_tokens"]}
    tokens = {number: piece for piece, number in pieces.items()} | {n: each["content"] for n, each in added.items()}
    sentencepiece = described["model"]["byte_fallback"]  # its alphabet is characters, not bytes
    kinds = [_kind(number, tokens, added, sentencepiece) for number in range(rows)]
    writer.add_tokenizer_model("llama" if sentencepiece else "gpt2")
    if sentencepiece:
        # Both merge the best pair first: SentencePiece by the score of the merged token, BPE by the order of merges.
        ranks: dict[str, int] = {}
        for rank, (left, right) in enumerate(merges):
            ranks.setdefault(left + right, rank)
        writer.add_token_scores([float(-ranks.get(tokens.get(number, ""), len(merges))) for number in range(rows)])
        writer.add_add_space_prefix(False)
    else:
        writer.add_tokenizer_pre(_word_pattern(described["pre_tokenizer"]))
        writer.add_token_merges([" ".join(merge) for merge in merges])
    writer.add_token_list([tokens.get(number, f"[PAD{number}]").encode() for number in range(rows)])
    writer.add_token_types(kinds)
    writer.add_add_bos_token(tokenizer.bos_token_id is not None)
    for name in ("bos", "eos", "pad", "unk"):
        number = getattr(tokenizer, f"{name}_token_id")
        if number is not None:
            getattr(writer, f"add_{name}_token_id")(number)


def add_tensors(writer: gguf.GGUFWriter, model: PreTrainedModel) -> None:
    """Write all weights, under llama.cpp's names and in its layout."""
    config = model.config
    architecture = next(key for key, name in gguf.MODEL_ARCH_NAMES.items() if name == ARCHITECTURES[config.model_type])
    names = gguf.get_tensor_name_map(architecture, config.num_hidden_layers)
    for theirs, weight in model.state_dict().items():
        if theirs == "lm_head.weight" and config.tie_word_embeddings:
            continue
        name = names.get_name(theirs, try_suffixes=(".weight", ".bias"))
        if name is None:
            raise RuntimeError(f"no GGUF name for {theirs} of a {config.model_type} model")
        weight = _laid_out(name, weight.float(), config)
        kind = gguf.GGMLQuantizationType.BF16 if weight.dim() > 1 else gguf.GGMLQuantizationType.F32
        writer.add_tensor(name, gguf.quantize(weight.contiguous().numpy(), kind), raw_dtype=kind)


def _laid_out(name: str, weight: Tensor, config: PreTrainedConfig) -> Tensor:
    if config.model_type == "gpt2":
        return weight.T if name.endswith(TRANSPOSED) else weight
    if config.model_type == "gemma3_text":
        return weight + 1 if name.endswith("norm.weight") else weight
    if name.endswith((".attn_q.weight", ".attn_k.weight")):
        heads = config.num_attention_heads if ".attn_q." in name else config.num_key_value_heads
        halves = weight.reshape(heads, 2, len(weight) // heads // 2, -1)  # transformers turns halves, llama.cpp pairs
        return halves.transpose(1, 2).reshape(weight.shape)
    return weight


def _kind(number: int, tokens: dict[int, str], added: dict[int, dict[str, Any]], sentencepiece: bool) -> gguf.TokenType:
    token = tokens.get(number)
    if token is None:
        return gguf.TokenType.UNUSED
    if number in added:
        return gguf.TokenType.CONTROL if added[number]["special"] else gguf.TokenType.USER_DEFINED
    if sentencepiece and len(token) == 6 and token.startswith("<0x") and token.endswith(">"):
        return gguf.TokenType.BYTE
    return gguf.TokenType.NORMAL


def _word_pattern(pre_tokenizer: dict[str, Any]) -> str:
    """llama.cpp's name for how a byte-level tokenizer splits text into words.

    Raises:
        BadInput: the tokenizer splits in another way.
    """
    steps = pre_tokenizer.get("pretokenizers", [pre_tokenizer])
    patterns = [step["pattern"].get("Regex", "") for step in steps if step["type"] == "Split"]
    if not patterns and any(step["type"] == "ByteLevel" and step["use_regex"] for step in steps):
        return "gpt-2"
    for start, name in WORD_PATTERNS.items():
        if len(patterns) == 1 and patterns[0].startswith(start):
            return name
    remedy = "Convert the folder with llama.cpp's own script"
    raise BadInput("GGUF", "this tokenizer's way of splitting text into words is not supported", remedy)
