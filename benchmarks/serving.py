"""The API over one model: seconds to the first word, tokens a second, and what a crowd does to it.

    python -m benchmarks.serving [--model FOLDER_OR_BASE] [--seconds 60] [--write PAGE]

Two servers, one after the other, on loopback and on all cores:

- ours: `python -m app.server`, which batches its readers and streams words;
- plain: `transformers.generate` behind a FastAPI route, as the GPT-2 project this one began with served its model: a
  thread for each request, an answer once the whole poem is there.

Each is read by one reader and by four at once, who ask for one poem after the other. Then fifty clients read from ours
for `--seconds`, and its answers are counted and its memory looked at.
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
WORDS = 80  # that ours adds to the line
TOKENS = 100  # that plain adds, about as many words
POEMS = 3  # that each reader asks for
CROWD = 50


def serve_plain(folder: str, port: int) -> None:
    """The other server."""
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
    """A server as a process of its own, once it is ready."""
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
class Reading:
    """What a reader sees of one poem: seconds until its first new word is there, and until its end."""

    first_word: float
    whole: float
    tokens: int


async def read_ours(client: httpx.AsyncClient) -> Reading:
    start, text, first_word = time.perf_counter(), "", 0.0
    wish = {"first_line": LINE, "max_words": WORDS}
    async with client.stream("POST", "/api/poems/stream", json=wish) as response:
        async for line in response.aiter_lines():
            text += json.loads(line)["text"] if '"kind":"words"' in line else ""
            if not first_word and len(text.split()) > len(LINE.split()):
                first_word = time.perf_counter() - start
    return Reading(first_word, time.perf_counter() - start, 0)


async def read_plain(client: httpx.AsyncClient) -> Reading:
    start = time.perf_counter()
    response = await client.post("/generate", params={"prompt": LINE})
    seconds = time.perf_counter() - start
    return Reading(seconds, seconds, response.json()["tokens"])


async def measure(port: int, readers: int, read: Callable[[httpx.AsyncClient], Awaitable[Reading]]) -> Row:
    """Readers who ask at once: seconds to the first word, median and worst, and a poem; tokens a second of them all."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=None) as client:

        async def reader() -> list[Reading]:
            return [await read(client) for _ in range(POEMS)]

        before, start = await written(client), time.perf_counter()
        readings = [reading for part in await asyncio.gather(*(reader() for _ in range(readers))) for reading in part]
        seconds = time.perf_counter() - start
        tokens = sum(reading.tokens for reading in readings) or await written(client) - before
    first = [reading.first_word for reading in readings]
    whole = statistics.median(reading.whole for reading in readings)
    return readers, f"{statistics.median(first):.2f}", f"{max(first):.2f}", f"{whole:.1f}", f"{tokens / seconds:.1f}"


async def written(client: httpx.AsyncClient) -> int:
    """Tokens that our server has written so far, by its own figures; 0 for the other server, which keeps none."""
    lines = (await client.get("/metrics")).text.splitlines()
    return sum(int(float(line.split()[-1])) for line in lines if line.startswith("estrofa_tokens_total"))


async def crowd(port: int, server: psutil.Process, seconds: float) -> list[Row]:
    """What fifty clients are answered, who come back as soon as they may, and the memory before and after."""
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
        for part in (seconds / 6, seconds * 5 / 6):  # the first fills buffers that then stay
            deadline = time.monotonic() + part
            await asyncio.gather(*(reader(client, deadline) for _ in range(CROWD)))
            memory.append(server.memory_info().rss / 1e6)
    counts = [(f"answers with status {status}", f"{count:,}") for status, count in sorted(answers.items())]
    marks = [
        (f"MB after {part} of the time", f"{size:,.0f}") for part, size in zip(("a sixth", "all"), memory, strict=True)
    ]
    return counts + marks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="models/poet" if Path("models/poet").is_dir() else load_params().base)
    parser.add_argument("--seconds", type=float, default=60, help="how long the crowd reads")
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
        met = asyncio.run(crowd(port, server, arguments.seconds))
    plain = [sys.executable, "-m", "benchmarks.serving", "--model", folder, "--plain", str(port)]
    with running(plain, port, {}):
        for readers in (1, 4):
            rows.append(("plain", *asyncio.run(measure(port, readers, read_plain))))
    header = ("server", "readers", "s to the first word, median", "worst", "s a poem, median", "tokens/s, all readers")
    tables = f"## {Path(folder).name}, read by one and by four\n\n{markdown(header, rows)}"
    tables += f"\n## {CROWD} clients for {arguments.seconds:.0f} s\n\n{markdown(('', 'ours'), met)}"
    print(tables)
    if arguments.write:
        write_page(arguments.write, "Reading from one model, alone and in company", "benchmarks.serving", tables)
    return None


if __name__ == "__main__":
    main()
