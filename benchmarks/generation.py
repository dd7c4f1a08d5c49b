"""How fast poems are written, compared with transformers' `generate`, and for one and four readers at once.

    python -m benchmarks.generation [--model FOLDER_OR_BASE] [--gguf] [--write PAGE]

All use the sampling of params.yaml. `generate` has a key-value cache too, and is made to write its full number of
tokens; ours starts a new poem where one ends, so both count the same number of tokens. With `--gguf` the model is also
exported as GGUF, and llama.cpp's first fifty greedy tokens are compared with ours.
"""

import argparse
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from benchmarks.page import markdown, write_page
from pipeline.common.params import Generation, load_params
from pipeline.generation.decoder import Decoder
from pipeline.modeling.base import best_device, load_base, resolve_base
from pipeline.modeling.prompt import Request, encode_header, encode_text
from pipeline.release.gguf import write_gguf

PROMPTS = (
    Request("en", first_line="The kettle knows the hour before the clock,"),
    Request("es", first_line="La llave de la casa que vendimos"),
    Request("en", first_line="My father kept his maps inside the piano"),
    Request("es", first_line="Al alba cruza el puente un panadero"),
)
GREEDY_TOKENS = 50


def prompt_ids(tokenizer: PreTrainedTokenizerBase, request: Request) -> list[int]:
    """The token ids of a request's prompt."""
    return encode_header(tokenizer, request) + encode_text(tokenizer, request.first_line)


@torch.inference_mode()
def generate_speed(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, sampling: Generation, tokens: int
) -> float:
    """Tokens per second of `model.generate`, one prompt after the other."""
    drawn = {"do_sample": True, **sampling.model_dump(include={"temperature", "top_p", "top_k"})}
    spent = 0.0
    for request in PROMPTS:
        ids = torch.tensor([prompt_ids(tokenizer, request)], device=model.device)
        started = time.perf_counter()
        model.generate(ids, attention_mask=torch.ones_like(ids), min_new_tokens=tokens, max_new_tokens=tokens, **drawn)
        spent += time.perf_counter() - started
    return len(PROMPTS) * tokens / spent


def decoder_speed(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, sampling: Generation, tokens: int, together: int
) -> tuple[float, float]:
    """Seconds to the end of the first step, and tokens per second, of `together` poems in a batch."""
    decoder, seed = Decoder(model, tokenizer), 0
    first, written, started = 0.0, 0, time.perf_counter()
    for step in range(tokens):
        while len(decoder) < together:
            decoder.add(PROMPTS[seed % len(PROMPTS)], sampling, seed)
            seed += 1
        written += len(decoder.step())
        if step == 0:
            first = time.perf_counter() - started
    return first, written / (time.perf_counter() - started)


@torch.inference_mode()
def same_greedy_tokens(folder: Path) -> list[tuple[str, int]]:
    """For each prompt, how many of the first fifty greedy tokens of llama.cpp and transformers agree.

    transformers computes in float32, so only rounding inside llama.cpp can make a difference.
    """
    from xllamacpp import CommonParams, Server

    model, tokenizer = load_base(folder, dtype=torch.float32)
    rows = []
    with TemporaryDirectory() as temporary:
        path = Path(temporary) / "poet.gguf"
        write_gguf(folder, path, "as the folder says")
        settings = CommonParams()
        settings.model.path, settings.n_ctx, settings.n_parallel, settings.warmup = str(path), 512, 1, False
        server = Server(settings)
        for request in PROMPTS:
            ids = prompt_ids(tokenizer, request)
            asked = {"prompt": ids, "temperature": 0, "n_predict": GREEDY_TOKENS, "logprobs": 1, "ignore_eos": True}
            answer = server.handle_completions(asked)
            theirs = [each["id"] for each in answer["choices"][0]["logprobs"]["content"]]
            row = torch.tensor([ids])
            wanted = {"do_sample": False, "min_new_tokens": GREEDY_TOKENS, "max_new_tokens": GREEDY_TOKENS}
            ours = model.generate(row, attention_mask=torch.ones_like(row), **wanted)[0, len(ids) :].tolist()
            agree = [mine == other for mine, other in zip(ours, theirs, strict=False)]
            rows.append((request.first_line, [*agree, False].index(False)))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a tuned model's folder or a base; by default the base of params.yaml")
    parser.add_argument("--tokens", type=int, default=48, help="per poem")
    parser.add_argument("--batches", type=int, nargs="+", default=[16, 32, 64], help="sizes of batches to time")
    parser.add_argument("--gguf", action="store_true", help="compare with llama.cpp")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="write the tables to this Markdown page too")
    arguments = parser.parse_args()
    params = load_params()
    folder = resolve_base(arguments.model or params.base)
    model, tokenizer = load_base(folder, best_device())
    measured = (model, tokenizer, params.generation, arguments.tokens)
    decoder_speed(*measured[:3], 4, 1)  # warms up
    alone = generate_speed(*measured)
    rows = [("transformers' generate", 1, f"{alone:.1f}", "1.0")]
    for together in arguments.batches:
        _, speed = decoder_speed(*measured, together)
        rows.append(("Decoder", together, f"{speed:.1f}", f"{speed / alone:.1f}"))
    readers = []
    for count in (1, 4):
        first, speed = decoder_speed(*measured, count)
        readers.append((count, f"{first:.2f}", f"{speed:.1f}", f"{speed / count:.1f}"))
    where = f"{arguments.model or params.base}, {model.dtype}, {model.device}; {arguments.tokens} tokens per poem.\n\n"
    tables = where + markdown(("writer", "poems at once", "tokens per second", "× generate"), rows)
    header = ("readers", "seconds to the first token", "tokens per second", "per reader")
    tables += "\n## Readers at once\n\n" + markdown(header, readers)
    if arguments.gguf:
        same = [(line, f"{count} of {GREEDY_TOKENS}") for line, count in same_greedy_tokens(folder)]
        tables += "\n## llama.cpp on the exported GGUF file\n\n"
        tables += markdown(("prompt", "first greedy tokens that agree"), same)
    print(tables)
    if arguments.write:
        write_page(arguments.write, "Writing speed", "benchmarks.generation", tables)


if __name__ == "__main__":
    main()
