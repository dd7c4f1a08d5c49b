"""Which weights train: LoRA or QLoRA adapters or every weight, and the language tokens in any case."""

from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, PreTrainedModel, PreTrainedTokenizerBase
from transformers.pytorch_utils import Conv1D

from pipeline.common.params import Finetune
from pipeline.common.stage import BadInput
from pipeline.modeling.hardware import compile_layers
from pipeline.modeling.likelihood import check_head
from pipeline.modeling.prompt import language_token
from pipeline.modeling.vocabulary import cut_model


class LanguageRows(nn.Module):
    """The embeddings of the language tokens, trainable while the rest of the embedding matrix is frozen.

    PEFT's trainable tokens copy the whole matrix in each forward pass, and copying 262,144 rows takes longer than
    running the model. Here the few rows are a parameter of their own, replace the embeddings of the language tokens in
    the forward pass, and are written into the matrix on export.
    """

    def __init__(self, embedding: nn.Embedding, token_ids: list[int]) -> None:
        super().__init__()
        self.register_buffer("token_ids", torch.tensor(token_ids), persistent=False)
        self.rows = nn.Parameter(embedding.weight[token_ids].detach().float().clone())
        self.scale = float(getattr(embedding, "scalar_embed_scale", 1.0))  # Gemma scales its embeddings
        self.remove = embedding.register_forward_hook(self._replace).remove

    def _replace(self, embedding: nn.Embedding, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        matches = inputs[0][..., None] == self.token_ids.to(inputs[0].device)  # (rows, length, languages)
        rows = (matches.to(self.rows.dtype) @ self.rows) * self.scale
        return torch.where(matches.any(dim=-1, keepdim=True), rows.to(output.dtype), output)


def prepare_model(
    base: Path,
    tokenizer: PreTrainedTokenizerBase,
    languages: dict[str, str],
    params: Finetune,
    dtype: torch.dtype,
    device: torch.device | str = "cpu",
    kept: Sequence[int] | None = None,
) -> PreTrainedModel:
    """Load the base, add the language tokens, and make the method's weights trainable.

    Frozen weights are in `dtype`, or in four bits; weights that train are in float32, and autocast does the rest.

    Args:
        kept: the base's tokens that a cut vocabulary keeps; None where it is whole.

    Returns:
        The model on `device`; with LoRA its submodule `language_rows` trains beside the adapters.

    Raises:
        BadInput: the method does not suit this machine, or the base's head is not a plain matrix.
    """
    check_machine(params, torch.device(device))
    model = load_weights(base, params, dtype, device)
    if kept is not None:
        cut_model(model, kept)
    known = model.get_input_embeddings().num_embeddings
    if len(tokenizer) > known:
        model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    rows = [tokenizer.convert_tokens_to_ids(language_token(code)) for code in languages]
    with torch.no_grad():
        for row, name in zip(rows, languages.values(), strict=True):
            # A new token starts as the mean of the tokens of the language's name.
            spelling = tokenizer.encode(f" {name}", add_special_tokens=False)
            for embedding in {model.get_input_embeddings(), model.get_output_embeddings()}:
                embedding.weight[row] = embedding.weight[spelling].float().mean(dim=0).to(embedding.weight.dtype)
    check_head(model)
    if params.compile:
        compile_layers(model)
    if params.gradient_checkpointing:
        model.activation_checkpointing_enable({"use_reentrant": False})
        model.enable_input_require_grads()
    if params.method == "full":
        return model.to(device)
    lora = LoraConfig(
        r=params.lora_rank,
        lora_alpha=params.lora_alpha,
        lora_dropout=params.lora_dropout,
        target_modules="all-linear",
        fan_in_fan_out=any(isinstance(module, Conv1D) for module in model.modules()),  # GPT-2 transposes its weights
        task_type="CAUSAL_LM",
    )
    embedding = model.get_input_embeddings()
    adapted = get_peft_model(model, lora)
    adapted.language_rows = LanguageRows(embedding, rows)
    return adapted.to(device)


def load_weights(base: Path, params: Finetune, dtype: torch.dtype, device: torch.device | str) -> PreTrainedModel:
    """The base: in float32 if all of it trains, else frozen in `dtype` or, for QLoRA, in four bits."""
    load = partial(AutoModelForCausalLM.from_pretrained, base, attn_implementation=params.attention)
    if params.method != "qlora":
        return load(dtype=torch.float32 if params.method == "full" else dtype)
    # NF4 with quantized constants (Dettmers et al., "QLoRA", 2023); embeddings, norms and head stay as they are.
    four_bits = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
    )
    return load(dtype=dtype, quantization_config=four_bits, device_map={"": device})


def check_machine(params: Finetune, device: torch.device) -> None:
    """Check that this machine can train as the params ask.

    Raises:
        BadInput: it lacks a CUDA GPU or a package.
    """
    needs = [
        ("method", params.method, "lora", {"qlora": "bitsandbytes"}),
        ("attention", params.attention, "sdpa", {"flex_attention": "torch", "flash_attention_2": "flash_attn"}),
    ]
    for key, value, instead, packages in needs:
        if value in packages and device.type != "cuda":
            raise BadInput(f"params.yaml: finetune.{key}", f"{value!r} needs a CUDA GPU", f"Set it to {instead}")
        if value in packages and find_spec(packages[value]) is None:
            remedy = f"Install {packages[value]}, or set it to {instead}"
            raise BadInput(f"params.yaml: finetune.{key}", f"{value!r} needs the package {packages[value]}", remedy)


@torch.no_grad()
def copy_trained(source: PreTrainedModel, target: PreTrainedModel) -> None:
    """Copy adapters and language rows to a model that was prepared for LoRA too."""
    trained = dict(source.named_parameters())
    for name, weight in target.named_parameters():
        if weight.requires_grad:
            weight.copy_(trained[name])


def merge(model: PreTrainedModel) -> PreTrainedModel:
    """Merge adapters and language rows, if any, into the weights, and round them to bfloat16."""
    if isinstance(model, PeftModel):
        rows, model = model.language_rows, model.merge_and_unload()
        rows.remove()
        with torch.no_grad():
            weight = model.get_input_embeddings().weight
            weight[rows.token_ids] = rows.rows.to(weight.dtype)
    return model.to(torch.bfloat16)
