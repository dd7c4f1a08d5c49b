"""The API with one model: time to the first word, tokens per second, and 50 clients at once.

    python -m benchmarks.serving [--model FOLDER_OR_BASE] [--seconds 60] [--write PAGE]

Two servers, one after the other, on loopback and on all cores:

- ours: `python -m app.server`, which batches its requests and streams words;
- plain: `transformers.generate` behind a FastAPI route, a thread per request, which answers with the whole poem.

Each serves one reader, and then four at once, who request one poem after another. Then 50 clients load ours for
`--seconds`, while its status codes are counted and its memory is measured.
"""

import argparse
import asyncio
import json
import os
import socket
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import uvicorn
from fastapi import FastAPI
from transformers import AutoModelForCausalLM, AutoTokenizer

from benchmarks.page import Row, markdown, write_page
from pipeline.common.params import load_params
from pipeline.modeling.base import resolve_base

LINE = "The kettle knows the hour before the clock,"
WORDS = 80  # that ours writes after the line
TOKENS = 100  # that plain writes after it, about as many words
POEMS = 3  # per reader
CLIENTS = 50


def serve_plain(folder: str, port: int) -> None:
    """Run the other server."""
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
    app = FastAPI()

    @app.get("/ready")
    def ready() -> bool:
        return True

    @app.post("/generate")
    def generate(prompt: str) -> dict[str, str | int]:
        inputs = tokenizer(prompt, return_tensors="pt")
        sampling = {"do_sample": True, "temperature": 0.8, "top_p": 0.85, "top_k": 40}
        [tokens] = model.generate(**inputs, **sampling, max_new_tokens=TOKENS, min_new_tokens=TOKENS)
        return {"text": tokenizer.decode(tokens), "tokens": len(tokens) - inputs["input_ids"].shape[1]}

    uvicorn.run(app, port=port, log_level="warning")


@contextmanager
def running(command: list[str], port: int, environment: dict[str, str]) -> Iterator[psutil.Process]:
    """A server in its own process, from when it is ready until the block ends."""
    with (
        tempfile.TemporaryFile() as log,
        psutil.Popen(command, env={**os.environ, **environment}, stdout=log, stderr=log) as process,
    ):
        try:
            while True:
                try:
                    if httpx.get(f"http://127.0.0.1:{port}/ready").status_code == 200:
                        break
                except httpx.TransportError:
                    if process.poll() is not None:
                        log.seek(0)
                        sys.exit(f"{' '.join(command)} stopped:\n{log.read().decode()}")
                time.sleep(0.2)
            yield process
        finally:
            process.terminate()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


@dataclass
class Timing:
    """Seconds until the first new word of a poem and until its end, and its tokens if the server says them."""

    first_word: float
    whole: float
    tokens: int


async def read_ours(client: httpx.AsyncClient) -> Timing:
    start, text, first_word = time.perf_counter(), "", 0.0
    request = {"first_line": LINE, "max_words": WORDS}
    async with client.stream("POST", "/api/poems/stream", json=request) as response:
        async for line in response.aiter_lines():
            text += json.loads(line)["text"] if '"kind":"words"' in line else ""
            if not first_word and len(text.split()) > len(LINE.split()):
                first_word = time.perf_counter() - start
    return Timing(first_word, time.perf_counter() - start, 0)


async def read_plain(client: httpx.AsyncClient) -> Timing:
    start = time.perf_counter()
    response = await client.post("/generate", params={"prompt": LINE})
    seconds = time.perf_counter() - start
    return Timing(seconds, seconds, response.json()["tokens"])


async def measure(port: int, readers: int, read: Callable[[httpx.AsyncClient], Awaitable[Timing]]) -> Row:
    """A row of the table, for so many readers at once."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=None) as client:

        async def reader() -> list[Timing]:
            return [await read(client) for _ in range(POEMS)]

        before, start = await written(client), time.perf_counter()
        timings = [timing for part in await asyncio.gather(*(reader() for _ in range(readers))) for timing in part]
        seconds = time.perf_counter() - start
        tokens = sum(timing.tokens for timing in timings) or await written(client) - before
    first = [timing.first_word for timing in timings]
    whole = statistics.median(timing.whole for timing in timings)
    return readers, f"{statistics.median(first):.2f}", f"{max(first):.2f}", f"{whole:.1f}", f"{tokens / seconds:.1f}"


async def written(client: httpx.AsyncClient) -> int:
    """Tokens that our server has written so far, from its own metrics; 0 for the other server, which has none."""
    lines = (await client.get("/metrics")).text.splitlines()
    return sum(int(float(line.split()[-1])) for line in lines if line.startswith("estrofa_tokens_total"))


async def load(port: int, server: psutil.Process, seconds: float) -> list[Row]:
    """The answers that many clients get who retry as soon as they may, and the server's memory early and at the end."""
    answers: Counter[int] = Counter()

    async def reader(client: httpx.AsyncClient, deadline: float) -> None:
        while time.monotonic() < deadline:
            response = await client.post("/api/poems", json={"first_line": LINE, "max_words": 20})
            answers[response.status_code] += 1
            if response.status_code == 429:
                await asyncio.sleep(min(float(response.headers["Retry-After"]), deadline - time.monotonic()))

    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", timeout=None, limits=httpx.Limits(max_connections=None)
    ) as client:
        memory = []
        for part in (seconds / 6, seconds * 5 / 6):  # the first part fills buffers that then stay
            deadline = time.monotonic() + part
            await asyncio.gather(*(reader(client, deadline) for _ in range(CLIENTS)))
            memory.append(server.memory_info().rss / 1e6)
    counts = [(f"answers with status {status}", f"{count:,}") for status, count in sorted(answers.items())]
    marks = [
        (f"MB after {part} of the time", f"{size:,.0f}") for part, size in zip(("a sixth", "all"), memory, strict=True)
    ]
    return counts + marks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="models/poet" if Path("models/poet").is_dir() else load_params().base)
    parser.add_argument("--seconds", type=float, default=60, help="how long the 50 clients load the server")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="write the tables to this Markdown page too")
    parser.add_argument("--plain", type=int, metavar="PORT", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    folder = str(resolve_base(arguments.model).absolute())
    if arguments.plain:
        return serve_plain(folder, arguments.plain)

    port = free_port()
    ours = {"ESTROFA_MODEL": folder, "ESTROFA_PORT": str(port)}
    rows = []
    with running([sys.executable, "-m", "app.server"], port, ours) as server:
        for readers in (1, 4):
            rows.append(("ours", *asyncio.run(measure(port, readers, read_ours))))
        answered = asyncio.run(load(port, server, arguments.seconds))
    plain = [sys.executable, "-m", "benchmarks.serving", "--model", folder, "--plain", str(port)]
    with running(plain, port, {}):
        for readers in (1, 4):
            rows.append(("plain", *asyncio.run(measure(port, readers, read_plain))))
    seconds = ("s to the first word, median", "worst", "s per poem, median")
    header = ("server", "readers", *seconds, "tokens/s, all readers")
    tables = f"## {Path(folder).name}, with one reader and with four\n\n{markdown(header, rows)}"
    tables += f"\n## {CLIENTS} clients for {arguments.seconds:.0f} s\n\n{markdown(('', 'ours'), answered)}"
    print(tables)
    if arguments.write:
        write_page(arguments.write, "Serving one model", "benchmarks.serving", tables)
    return None


if __name__ == "__main__":
    main()
