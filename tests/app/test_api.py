"""The API writes poems, whole and streamed, for many readers at once, and rejects what it cannot do."""

import asyncio
from contextlib import suppress

import httpx
import psutil
import pytest
import schemathesis
import torch
from hypothesis import settings

from app.api import prepare
from app.schema import PoemRequest
from app.server import create_app
from app.settings import Settings
from pipeline.modeling.prompt import Request
from tests.support.made_up import changed_params, wait_until
from tests.support.served import metric, new_version, params_of, running, running_slowly, serving, streamed

LINE = "the river keeps its silver"
LONG = {"first_line": LINE, "max_words": 400, "temperature": 5.0, "top_p": 1.0, "top_k": 0, "seed": 0}  # 724 tokens


@pytest.fixture(scope="module")
def address(served_store, tiny_bases):
    """A server with a model in every role."""
    new_version("api", tiny_bases["llama"], "champion")
    new_version("api", tiny_bases["gemma3"], "challenger")
    with running(params_of("api", tiny_bases["gpt2"])) as address:
        yield address


@pytest.fixture
def api(address):
    with httpx.Client(base_url=address, timeout=300) as client:
        yield client


def test_a_poem_starts_with_the_first_line_and_names_who_wrote_it(api):
    answer = api.post("/api/poems", json={"first_line": "el río guarda su plata bajo piedras", "seed": 7}).json()
    assert answer["text"].startswith("el río guarda su plata")
    assert answer["language"] == "es"
    assert answer["seed"] == 7
    assert answer["model"] == {"name": "api", "version": "1"}


def test_a_poem_without_a_first_line_is_in_the_language_asked_for(api):
    assert api.post("/api/poems", json={"language": "es"}).json()["language"] == "es"


def test_the_same_seed_gives_the_same_poem_alone_and_in_a_batch(address, api):
    request = {"first_line": LINE, "seed": 5}
    alone = api.post("/api/poems", json=request).json()

    async def together():
        async with httpx.AsyncClient(base_url=address, timeout=300) as client:
            asked = [client.post("/api/poems", json=request | {"seed": seed}) for seed in range(10)]
            return [response.json() for response in await asyncio.gather(*asked)]

    poems = asyncio.run(together())
    assert poems[5]["text"] == alone["text"]
    assert len({poem["text"] for poem in poems}) > 5


def test_a_random_seed_can_be_asked_for_again(api):
    first = api.post("/api/poems", json={"first_line": LINE}).json()
    assert api.post("/api/poems", json={"first_line": LINE, "seed": first["seed"]}).json() == first


def test_a_stream_begins_with_the_writer_adds_whole_words_and_ends_with_the_poem(api):
    request = {"first_line": LINE, "seed": 5}
    begun, *words, poem = streamed(api, **request)
    assert begun == {"kind": "begun", "language": "en", "seed": 5, "model": {"name": "api", "version": "1"}}
    assert {event["kind"] for event in words} == {"words"}
    assert all(event["text"][-1] in " \n" for event in words)
    assert len(words) > 1
    assert poem == api.post("/api/poems", json=request).json()
    shared = min(len(poem["text"]), sum(len(event["text"]) for event in words))
    assert "".join(event["text"] for event in words)[:shared] == poem["text"][:shared]


@pytest.mark.parametrize(
    "change",
    [
        {"author": "Nobody"},
        {"style": "ballad"},
        {"title": "Stones"},
        {"temperature": 2.0},
        {"top_p": 0.1},
        {"top_k": 2},
        {"max_words": 3},
        {"language": "es"},
        {"model": "base"},
        {"model": "challenger"},
        {"blend": {"style": "ballad", "weight": 0.9}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_field_of_a_request_changes_the_poem(api, change):
    request = {"first_line": LINE, "seed": 5}
    assert (
        api.post("/api/poems", json=request | change).json()["text"]
        != api.post("/api/poems", json=request).json()["text"]
    )


def test_a_blend_asks_for_both_parts_with_their_weights():
    async def asked():
        wanted = PoemRequest(first_line=LINE, author="Nobody", title="Rain", blend={"style": "ballad", "weight": 0.25})
        return prepare(changed_params({}), wanted, None, seed=0).job.asked

    common = {"language": "en", "title": "Rain", "first_line": LINE}
    first, second = Request(author="Nobody", **common), Request(style="ballad", **common)
    assert asyncio.run(asked()) == [(first, 0.75), (second, 0.25)]


def test_no_more_words_are_added_than_asked_for(api):
    for seed in range(5):
        text = api.post("/api/poems", json={"first_line": LINE, "max_words": 4, "seed": seed}).json()["text"]
        assert len(text.split()) <= len(LINE.split()) + 4


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"max_words": 0}, "body.max_words: Input should be greater than or equal to 1"),
        ({"max_words": 10**9}, "body.max_words"),
        ({"temperature": -1}, "body.temperature"),
        ({"top_k": True}, "body.top_k: Value error, true and false are no values here"),
        ({"first_line": "rain " * 200}, "body.first_line: String should have at most 500 characters"),
        ({"author": "x" * 200}, "body.author"),
        ({"blend": {"style": "ode", "weight": 1}}, "body.blend.weight"),
        ({"model": "queen"}, "body.model"),
        ({"verses": 3}, "body.verses: Extra inputs are not permitted"),
    ],
)
def test_a_value_that_is_not_allowed_is_named(api, body, problem):
    response = api.post("/api/poems", json=body)
    assert response.status_code == 422
    assert problem in response.json()["detail"]


def test_a_language_that_no_model_writes_is_rejected_with_a_list_of_those_they_do(api):
    response = api.post("/api/poems", json={"language": "fr"})
    assert (response.status_code, response.json()["detail"]) == (
        404,
        "No model writes in 'fr'. Set language to one of en, es.",
    )


@pytest.mark.parametrize("line", ["Demain, dès l'aube, à l'heure où blanchit la campagne", "дождь идет"])
def test_a_line_in_another_language_is_not_taken_for_one_the_models_write(api, line):
    asked = api.post("/api/poems", json={"first_line": line})
    assert asked.status_code == 404
    assert asked.json()["code"] == "language_not_written"
    assert asked.json()["detail"].endswith("Set language to one of en, es.")
    assert api.post("/api/poems", json={"first_line": line, "language": "es"}).json()["language"] == "es"


def test_a_body_that_is_too_long_or_of_unknown_length_is_rejected(api):
    assert api.post("/api/poems", content=b" " * 100_000).status_code == 413
    assert api.post("/api/poems", content=iter([b"{}"])).status_code == 411


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/poems", LONG),
        ("/api/poems/stream", LONG),
        ("/api/comparisons", LONG | {"models": ["champion", "base"]}),
    ],
)
def test_a_poem_is_cancelled_when_its_reader_disconnects(served_store, tiny_bases, path, body):
    async def ask_and_leave(address, begun):
        async with httpx.AsyncClient(base_url=address, timeout=300) as client:
            asked = asyncio.create_task(client.post(path, json=body))
            await asyncio.to_thread(wait_until, begun)
            asked.cancel()
            with suppress(asyncio.CancelledError):
                await asked

    with (
        running_slowly(params_of("nobody", tiny_bases["gpt2"]), model=tiny_bases["llama"]) as address,
        httpx.Client(base_url=address, timeout=300) as api,
    ):
        asyncio.run(ask_and_leave(address, lambda: metric(api, "estrofa_poems_queued") > 0))
        wait_until(lambda: metric(api, 'estrofa_poems_total{outcome="cancelled"}') > 0)
        wait_until(lambda: metric(api, "estrofa_poems_queued") == 0)


def test_a_full_queue_is_answered_429_with_the_time_to_retry(served_store, tiny_bases):
    with (
        running_slowly(params_of("nobody", tiny_bases["llama"]), model=tiny_bases["llama"], queue_size=2) as address,
        httpx.Client(base_url=address, timeout=300) as api,
        api.stream("POST", "/api/poems/stream", json=LONG),
        api.stream("POST", "/api/poems/stream", json=LONG),
    ):
        rejected = api.post("/api/poems", json={})
        assert rejected.status_code == 429
        assert int(rejected.headers["Retry-After"]) >= 1
        assert "2 poems are already queued. Try again in" in rejected.json()["detail"]
        assert metric(api, 'estrofa_poems_total{outcome="queue_full"}') == 1


def test_a_model_that_fails_while_writing_loses_only_its_poems(served_store, tiny_bases):
    request = {"first_line": LINE, "seed": 1}
    app = create_app(params_of("nobody", tiny_bases["llama"]), Settings(model=tiny_bases["llama"]))
    with serving(app) as address, httpx.Client(base_url=address, timeout=300) as api:
        good = api.post("/api/poems", json=request).json()
        head = app.state.service.model_pool.models["champion"].model.lm_head
        weight = head.weight
        head.weight = torch.nn.Parameter(weight[:, :5])
        assert api.post("/api/poems", json=request).status_code == 500
        assert streamed(api, **request)[-1] == {"kind": "error", "detail": "The model failed while writing. Try again."}
        head.weight = weight
        assert api.post("/api/poems", json=request).json() == good
        assert metric(api, 'estrofa_poems_total{outcome="failed"}') == 2


@pytest.mark.slow
def test_many_readers_get_no_errors_and_memory_stays_flat(served_store, tiny_bases):
    async def reader(client, poems, statuses):
        for _ in poems:
            while True:
                response = await client.post("/api/poems", json={"first_line": LINE, "max_words": 5})
                statuses.append(response.status_code)
                if response.status_code != 429:
                    break
                await asyncio.sleep(0.05)

    async def crowd(address, poems):
        statuses = []
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=address, timeout=300, limits=limits) as client:
            left = iter(range(poems))
            await asyncio.gather(*(reader(client, left, statuses) for _ in range(50)))
        return statuses

    with running(params_of("nobody", tiny_bases["llama"]), model=tiny_bases["llama"], queue_size=16) as address:
        asyncio.run(crowd(address, 100))
        before = psutil.Process().memory_info().rss
        statuses = asyncio.run(crowd(address, 300))
        grown = psutil.Process().memory_info().rss - before
    assert set(statuses) == {200, 429}
    assert grown < 20e6


DESCRIBED = schemathesis.openapi.from_dict(create_app(changed_params({}), Settings()).openapi())


@DESCRIBED.parametrize()
@settings(max_examples=20)
def test_the_api_does_what_its_description_says(case, address):
    writes = isinstance(case.body, dict) and not case.path.endswith("/vote")
    if writes and case.body.get("max_words", 1) in range(1, 401):
        case.body["max_words"] = 3  # short poems, for the sake of time
    case.call_and_validate(base_url=address)
