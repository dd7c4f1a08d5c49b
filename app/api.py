"""The API: poems, whole or streamed word by word; blind comparisons and votes; models, health and metrics."""

import asyncio
import secrets
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import SystemRandom
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Path, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from app import schema
from app.generation_worker import GenerationJob, GenerationWorker
from app.language import language_after
from app.model_pool import LoadedModel, ModelPool
from app.telemetry import Telemetry
from app.votes import Votes
from pipeline.common.params import Params
from pipeline.common.stage import BadInput
from pipeline.generation.sequence import whole_words
from pipeline.modeling import prompt

UPDATE_SECONDS = 0.5  # after which a waiting request checks whether its client is still there
COMPARISON_POLL_SECONDS = 0.05  # how often the two poems of a comparison are checked for new words
FAILED = "The model failed while writing. Try again."

router = APIRouter()


@dataclass(frozen=True)
class Service:
    """What the routes use; each server has one, in `app.state.service`.

    Args:
        suggestions: lists of `authors` and `styles` that the page suggests.
    """

    params: Params
    model_pool: ModelPool
    worker: GenerationWorker
    votes: Votes
    telemetry: Telemetry
    suggestions: dict[str, list[str]]


def _service(request: Request) -> Service:
    return request.app.state.service


ServiceDep = Annotated[Service, Depends(_service)]


def _errors(**meanings: str) -> dict[int | str, dict[str, Any]]:
    """Status codes, written `_404`, and their meanings, for the OpenAPI page."""
    return {int(name[1:]): {"model": schema.Error, "description": text} for name, text in meanings.items()}


INVALID = _errors(
    _400="the body is not text",
    _411="the body has no Content-Length",
    _413="the body is too long",
    _422="a value is not allowed, or the model cannot follow it",
)
GENERATION_ERRORS = INVALID | _errors(
    _404="no model has this role yet, or none writes this language",
    _429="the queue is full; Retry-After says when to try again",
    _500="the model failed while writing",
    _503="the model could not be loaded",
)


class LanguageNotWritten(Exception):
    """A poem is asked for in a language that no model writes."""


@dataclass(frozen=True)
class PendingPoem:
    """A poem being written, and the language and seed chosen for it."""

    job: GenerationJob
    language: str
    seed: int

    def begun(self) -> schema.Begun:
        return schema.Begun(language=self.language, seed=self.seed, model=self.job.model.identity)

    def answer(self) -> schema.PoemAnswer:
        poem = self.job.poem
        return schema.PoemAnswer(text=poem.text, ended=poem.ended, **self.begun().model_dump(exclude={"kind"}))


def prepare(params: Params, wanted: schema.GenerationRequest, model: LoadedModel, seed: int) -> PendingPoem:
    """Turn a request of the API into a job for the generator.

    Raises:
        LanguageNotWritten: no model writes its language.
    """
    language = wanted.language or language_after(wanted.first_line, params)
    if language not in params.languages:
        what = f"in {language!r}" if language else "in the language of the first line"
        raise LanguageNotWritten(f"No model writes {what}. Set language to one of {', '.join(params.languages)}.")
    common = {"language": language, "title": wanted.title, "first_line": wanted.first_line}
    asked = prompt.Request(author=wanted.author, style=wanted.style, **common)
    if wanted.blend:
        second = prompt.Request(author=wanted.blend.author, style=wanted.blend.style, **common)
        asked = [(asked, 1 - wanted.blend.weight), (second, wanted.blend.weight)]
    names = ("max_words", "stanzas", "temperature", "top_p", "top_k")
    changes = {name: getattr(wanted, name) for name in names if getattr(wanted, name) is not None}
    sampling = params.generation.model_copy(update=changes)
    max_words = len(wanted.first_line.split()) + sampling.max_words
    job = GenerationJob(model, asked, sampling.model_copy(update={"max_words": max_words}), seed)
    return PendingPoem(job, language, seed)


def seed_or_random(wanted: schema.GenerationRequest) -> int:
    """The seed of a request, or a random one."""
    return secrets.randbelow(schema.MAX_SEED + 1) if wanted.seed is None else wanted.seed


@asynccontextmanager
async def running(service: Service, request: Request, jobs: list[GenerationJob]) -> AsyncIterator[None]:
    """Submit jobs and enter the block once all have begun; on leaving it, cancel those that are not done.

    Raises:
        HTTPException: a model cannot follow its request.
        QueueFull: there is no room for all of them.
    """
    service.worker.submit(jobs)
    try:
        for job in jobs:
            while not (job.text or job.done):
                await _wait_for_update(job, request)
            if isinstance(job.error, BadInput):
                raise HTTPException(422, str(job.error))
        yield
    finally:
        for job in jobs:
            service.worker.cancel(job)


async def _wait_for_update(job: GenerationJob, request: Request) -> None:
    """Wait until there may be more of a poem, or until its client has disconnected."""
    await job.wait_for_update(UPDATE_SECONDS)
    if await request.is_disconnected():
        raise HTTPException(499, "The client disconnected.")


async def open_poem(wanted: schema.PoemRequest, request: Request, service: ServiceDep) -> AsyncIterator[PendingPoem]:
    """The poem of a request, cancelled when the response ends for whatever reason."""
    pending = prepare(service.params, wanted, await service.model_pool.get(wanted.model), seed_or_random(wanted))
    async with running(service, request, [pending.job]):
        yield pending


OpenPoem = Annotated[PendingPoem, Depends(open_poem)]


@router.post("/api/poems", responses=GENERATION_ERRORS, tags=["poems"])
async def write_poem(pending: OpenPoem, request: Request) -> schema.PoemAnswer:
    """Write a poem and return it whole."""
    while not pending.job.done:
        await _wait_for_update(pending.job, request)
    if pending.job.error:
        raise HTTPException(500, FAILED)
    return pending.answer()


@router.post("/api/poems/stream", responses=GENERATION_ERRORS, tags=["poems"])
async def stream_poem(pending: OpenPoem) -> AsyncIterable[schema.PoemEvent]:
    """Write a poem and stream it, one JSON object per line: `begun`, then `words` as they come, and `poem` at the end.

    The text of `poem` is final: if a limit cut the poem off, its unfinished last line is left out. If the model fails,
    the last event is `error`.
    """
    yield pending.begun()
    async for text in new_words(pending.job):
        yield schema.NewWords(text=text)
    yield pending.answer() if pending.job.poem else schema.StreamError(detail=FAILED)


async def new_words(job: GenerationJob) -> AsyncIterator[str]:
    """What is added to a poem, in whole words, until it is done."""
    sent = 0
    while not job.done:
        if text := whole_words(job.text)[sent:]:
            yield text
            sent += len(text)
        await job.wait_for_update(UPDATE_SECONDS)


Pair = dict[schema.Side, PendingPoem]


async def open_comparison(
    wanted: schema.ComparisonRequest, request: Request, service: ServiceDep
) -> AsyncIterator[Pair]:
    """The two poems of a comparison, on random sides and with the same seed."""
    models = [await service.model_pool.get(role) for role in wanted.models]
    if models[0] is models[1]:
        same = f"{models[0].name} version {models[0].version}"
        raise HTTPException(409, f"Both models are {same}. Choose two different models.")
    SystemRandom().shuffle(models)
    seed = seed_or_random(wanted)
    pair: Pair = {
        side: prepare(service.params, wanted, model, seed)
        for side, model in zip(("left", "right"), models, strict=True)
    }
    async with running(service, request, [pending.job for pending in pair.values()]):
        yield pair


@router.post(
    "/api/comparisons",
    responses=GENERATION_ERRORS | _errors(_409="both roles have the same model"),
    tags=["comparisons"],
)
async def compare(
    pair: Annotated[Pair, Depends(open_comparison)], service: ServiceDep
) -> AsyncIterable[schema.ComparisonEvent]:
    """Have two models write the same request, on random sides; the last event has the id to vote with.

    The answer to the vote says which model wrote which poem.
    """
    sent, writing = dict.fromkeys(pair, 0), {side: pending.job for side, pending in pair.items()}
    while writing:
        for side, job in list(writing.items()):
            if job.poem:
                yield schema.BlindPoem(side=side, text=job.poem.text)
                del writing[side]
            elif job.error:
                yield schema.StreamError(detail=FAILED)
                return
            elif text := whole_words(job.text)[sent[side] :]:
                yield schema.BlindWords(side=side, text=text)
                sent[side] += len(text)
        await asyncio.sleep(COMPARISON_POLL_SECONDS)
    yield schema.Ballot(id=service.votes.open({side: pending.job.model for side, pending in pair.items()}))


@router.post(
    "/api/comparisons/{comparison}/vote",
    responses=INVALID
    | _errors(
        _404="no such comparison", _409="it has a different vote", _503="the registry does not answer; vote again"
    ),
    tags=["comparisons"],
)
async def vote(
    comparison: Annotated[str, Path(max_length=64)], cast: schema.Vote, service: ServiceDep
) -> schema.VoteAnswer:
    """Vote for the better poem and learn which model wrote which; the same vote again changes nothing."""
    counts, new = await asyncio.to_thread(service.votes.cast, comparison, cast.choice)
    service.telemetry.votes.inc(new)
    return schema.VoteAnswer(**counts)


@router.get("/api/models", tags=["server"])
async def models(service: ServiceDep) -> schema.Models:
    """The models by role. Challenger and base are loaded on first use."""
    return schema.Models(models=service.model_pool.status())


@router.get("/health", responses={503: {"model": schema.Health}}, tags=["server"])
async def health(service: ServiceDep, response: Response) -> schema.Health:
    """Whether the process works."""
    alive = service.worker.is_alive()
    response.status_code = 200 if alive else 503
    return schema.Health(alive=alive)


@router.get("/ready", responses={503: {"model": schema.Readiness}}, tags=["server"])
async def ready(service: ServiceDep, response: Response) -> schema.Readiness:
    """Whether poems can be written. A model with an `error` beside it is served because a newer one did not load."""
    ready = service.worker.is_alive() and "champion" in service.model_pool.models
    response.status_code = 200 if ready else 503
    return schema.Readiness(ready=ready, models=service.model_pool.status())


@router.get("/metrics", response_class=PlainTextResponse, tags=["server"])
async def metrics(service: ServiceDep) -> Response:
    """Metrics for Prometheus."""
    return Response(generate_latest(service.telemetry.registry), media_type=CONTENT_TYPE_LATEST)
