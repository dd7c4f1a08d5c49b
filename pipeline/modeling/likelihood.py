"""The likelihood of tokens and poems, computed without ever holding the logits of a whole batch.

With a vocabulary of 262,144 tokens the logits of 256 positions take 268 MB in float32. So only positions that count
are turned into logits, a chunk of them at a time.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from pipeline.common.stage import BadInput
from pipeline.modeling.attention import BY_POEM, attend_poem_by_poem
from pipeline.modeling.hardware import on_device
from pipeline.modeling.prompt import Request, context_length, encode_header, encode_text

CHUNK = 256  # positions whose logits exist at a time


def hidden_states(model: PreTrainedModel, input_ids: Tensor, position_ids: Tensor | None = None) -> Tensor:
    """The input of the language-model head, `(rows, length, hidden)`, for token ids of shape `(rows, length)`.

    Attention stays within the spans over which `position_ids`, on the CPU, count up, so poems packed into one row do
    not see each other.
    """
    adapted = model.get_base_model() if hasattr(model, "get_base_model") else model
    device = input_ids.device
    packed: dict[str, Any] = {}
    if position_ids is not None:
        if device.type == "cpu" or adapted.config._attn_implementation == BY_POEM:
            packed = attend_poem_by_poem(adapted, position_ids)
        position_ids = on_device(position_ids, device)
    embedded = adapted.get_input_embeddings()(input_ids)
    if torch.is_autocast_enabled(device.type):  # it would leave the hidden states in float32
        embedded = embedded.to(torch.get_autocast_dtype(device.type))
    return adapted.base_model(
        inputs_embeds=embedded, position_ids=position_ids, use_cache=False, **packed
    ).last_hidden_state


def packed_loss(model: PreTrainedModel, rows: dict[str, Tensor], dtype: torch.dtype) -> Tensor:
    """The summed negative log-likelihood, in nats, of packed rows, for training.

    Args:
        rows: `input_ids`, `labels` and `position_ids` on the CPU, of shape `(rows, length)`, as `pack` makes them.
        dtype: bfloat16 for hidden states under autocast, or float32.
    """
    rows = {name: column.long() for name, column in rows.items()}
    input_ids = on_device(rows["input_ids"], model.device)
    with torch.autocast(model.device.type, torch.bfloat16, enabled=dtype == torch.bfloat16):
        return summed_loss(model, hidden_states(model, input_ids, rows["position_ids"]), rows["labels"])


def summed_loss(model: PreTrainedModel, hidden: Tensor, labels: Tensor) -> Tensor:
    """The summed negative log-likelihood, in nats, of the labels that count, for training.

    Args:
        model: whose head and logit scaling are used.
        hidden: `(rows, length, hidden)`, as `hidden_states` gives it.
        labels: `(rows, length)` token ids, not shifted, -100 where a position does not count. Best on the CPU, so that
            finding those that count waits for no GPU.

    Returns:
        A scalar.
    """
    states, targets = counted_positions(hidden, labels)
    head = output_head(model)
    return _HeadLoss.apply(states, head.weight, targets, softcap_of(model))


def token_losses(model: PreTrainedModel, hidden: Tensor, labels: Tensor) -> Tensor:
    """The negative log-likelihood, in nats, of each label that counts; arguments as for `summed_loss`.

    Returns:
        A float32 tensor with one value for each label that counts, row by row, without gradient.
    """
    states, targets = counted_positions(hidden.detach(), labels)
    weight, softcap = output_head(model).weight, softcap_of(model)
    chunks = zip(states.split(CHUNK), targets.split(CHUNK), strict=True)
    return torch.cat(
        [-_log_probabilities(part, weight, softcap).gather(1, goal[:, None])[:, 0] for part, goal in chunks]
    )


def counted_positions(hidden: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The hidden states that predict a label that counts, `(count, hidden)`, and those labels, `(count,)`."""
    targets = torch.nn.functional.pad(labels[:, 1:], (0, 1), value=-100).flatten()
    places = (targets != -100).nonzero()[:, 0]
    targets = on_device(targets[places], hidden.device)
    return hidden.flatten(0, 1).index_select(0, on_device(places, hidden.device)), targets


def output_head(model: PreTrainedModel) -> torch.nn.Linear:
    """The layer from hidden states to logits."""
    return model.get_output_embeddings()


def check_head(model: PreTrainedModel) -> None:
    """Check that the logits computed here, from head and softcap alone, are those of the model.

    Raises:
        BadInput: they are not; the head has a bias, or the model scales its logits.
    """
    ids = torch.tensor([[0, 1, 2]], device=model.device)
    with torch.inference_mode():
        own = model(input_ids=ids, use_cache=False).logits.float().log_softmax(dim=-1)
        states = hidden_states(model, ids)[0]
        ours = _log_probabilities(states, output_head(model).weight, softcap_of(model))
    if (own[0] - ours).abs().mean() > 0.02:  # rounding in bfloat16 differs by less
        problem = f"the output head of a {type(model).__name__} is more than a matrix (a bias, a scale)"
        raise BadInput("params.yaml: base", problem, "Choose a base of another family, such as GPT-2, Llama or Gemma")


def softcap_of(model: PreTrainedModel) -> float | None:
    """The bound that Gemma 2 and some other models put on their logits, if any."""
    return getattr(model.config, "final_logit_softcapping", None)


def _log_probabilities(states: Tensor, weight: Tensor, softcap: float | None) -> Tensor:
    logits = (states.to(weight.dtype) @ weight.T).float()
    if softcap:
        logits = torch.tanh(logits / softcap) * softcap
    return torch.log_softmax(logits, dim=-1)


def _chunk(head: Tensor, trains: bool) -> int:
    """How many positions' logits exist at a time: more of them mean fewer additions to the head's gradient."""
    if head.device.type == "cuda":  # a 64th of the memory, 2.3 GB on an H200, keeps it busy
        memory = torch.cuda.get_device_properties(head.device).total_memory
        return max(CHUNK, memory // 64 // (head.element_size() * len(head)) // CHUNK * CHUNK)
    return 4 * CHUNK if trains else CHUNK


class _HeadLoss(torch.autograd.Function):
    """Head and cross-entropy in one, a chunk of positions at a time, with the gradient computed in the forward pass.

    The gradient of the loss with respect to a logit is its probability, less one for the target. So the forward pass
    can compute it while the logits exist, and drop them (fused linear cross-entropy; Hsu et al., "Liger Kernel", 2024).
    Logits and probabilities stay in the precision they were computed in and in buffers that all chunks share: with a
    large vocabulary, memory traffic takes more time than arithmetic.
    """

    @staticmethod
    def forward(ctx: Any, states: Tensor, weight: Tensor, targets: Tensor, softcap: float | None) -> Tensor:
        device = states.device.type
        computed = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else states.dtype
        head = weight.to(computed)
        grad_states = torch.empty_like(states)
        grad_weight = torch.zeros_like(weight, dtype=torch.float32) if weight.requires_grad else None
        chunk = _chunk(head, grad_weight is not None)
        buffers = torch.empty(2, min(chunk, len(states)), len(head), dtype=computed, device=states.device)
        total = torch.zeros((), device=states.device)
        smallest = torch.finfo(torch.float32).tiny  # so a target of probability 0 costs 87 nats
        with torch.autocast(device, enabled=False):
            for start in range(0, len(states), chunk):
                part, goal = states[start : start + chunk].to(computed), targets[start : start + chunk, None]
                logits, grad = buffers[:, : len(part)]
                torch.mm(part, head.T, out=logits)
                if softcap:
                    logits.div_(softcap).tanh_().mul_(softcap)
                torch.softmax(logits, dim=-1, out=grad)
                total -= grad.gather(1, goal).float().clamp_(min=smallest).log_().sum()
                grad[torch.arange(len(goal), device=goal.device), goal[:, 0]] -= 1  # scatter_add_ would copy all of it
                if softcap:
                    grad *= 1 - (logits / softcap).square()
                grad_states[start : start + chunk] = grad @ head
                if grad_weight is not None:
                    grad_weight += grad.T @ part
        ctx.save_for_backward(grad_states, grad_weight)
        return total

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, Tensor | None, None, None]:
        grad_states, grad_weight = ctx.saved_tensors
        # In place: with a large vocabulary a second gradient of the head would take most of the memory.
        return grad_states.mul_(grad_output), None if grad_weight is None else grad_weight.mul_(grad_output), None, None


@torch.inference_mode()
def poem_log_likelihoods(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    requests: Sequence[Request],
    texts: Sequence[str],
    batch_size: int = 8,
    spoken_languages: dict[str, str] | None = None,
) -> list[float]:
    """The log-likelihood of each poem's text given its header, in nats.

    Args:
        requests: for the header of each poem.
        texts: the poems. One longer than the model's context is scored in windows that overlap by half.
        spoken_languages: names of languages by code, for a base model, which lacks the language tokens.

    Returns:
        One value of at most 0 for each poem, in the order given. The end-of-text token is not scored, since bits per
        byte must count nothing that is not text.
    """
    windows = [
        (poem, window, read)
        for poem, (request, text) in enumerate(zip(requests, texts, strict=True))
        for window, read in _windows(
            encode_header(tokenizer, request, spoken_languages and spoken_languages[request.language]),
            encode_text(tokenizer, text),
            context_length(model.config),
        )
    ]
    windows.sort(key=lambda window: len(window[1]))
    results = [0.0] * len(texts)
    for start in range(0, len(windows), batch_size):
        poems, rows, reads = zip(*windows[start : start + batch_size], strict=True)
        width = max(map(len, rows))
        # With padding on the right, causal attention keeps poems from seeing it.
        input_ids = torch.tensor([row + [0] * (width - len(row)) for row in rows])
        labels = torch.full(input_ids.shape, -100)
        for index, (row, read) in enumerate(zip(rows, reads, strict=True)):
            labels[index, read : len(row)] = input_ids[index, read : len(row)]
        losses = token_losses(model, hidden_states(model, on_device(input_ids, model.device)), labels)
        counts = (labels[:, 1:] != -100).sum(dim=1).tolist()
        sums = torch.stack([part.sum() for part in losses.split(counts)]).tolist()
        for poem, loss in zip(poems, sums, strict=True):
            results[poem] -= loss
    return results


def _windows(prompt: list[int], text: list[int], context: int) -> list[tuple[list[int], int]]:
    """Cut a text into windows that fit the context, each with the position of its first new token."""
    room = context - len(prompt)
    windows = [(prompt + text[:room], len(prompt))]
    for start in range(room, len(text), max(1, room // 2)):
        end = start + max(1, room // 2)
        seen = text[end - room : start]
        windows.append((prompt + seen + text[start:end], len(prompt) + len(seen)))
    return windows


def bits_per_byte(log_likelihoods: Sequence[float], texts: Sequence[str]) -> float:
    """Bits that a model needs per UTF-8 byte of text: −Σ log-likelihood / (ln 2 · bytes). Lower is better.

    Unlike perplexity per token, it compares models with different tokenizers (Gao et al., "The Pile", 2020, §3.1).
    """
    return -sum(log_likelihoods) / (math.log(2) * sum(len(text.encode()) for text in texts))
