"""The API's routes: poems, whole or word by word; blind comparisons; the models and how the server does."""

import asyncio
import secrets
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Path, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from app import schema
from app.meters import Meters
from app.scribe import Scribe, Writing
from app.shelf import Poet, Shelf
from app.votes import Comparison, Votes, shuffled
from pipeline.common.params import Params
from pipeline.common.stage import BadInput
from pipeline.metrics.text import language_of
from pipeline.modeling import prompt

PATIENCE = 0.5  # seconds between two looks whether the client is still there
BETWEEN_LOOKS = 0.05  # seconds, at two poems at once
FAILED = "The model failed while writing."

router = APIRouter()


@dataclass(frozen=True)
class Service:
    """What the routes stand on; one a server, in `app.state.service`."""

    params: Params
    shelf: Shelf
    scribe: Scribe
    votes: Votes
    meters: Meters
    voices: dict[str, list[str]]  # authors and styles to choose from


def _service(request: Request) -> Service:
    return request.app.state.service


Serving = Annotated[Service, Depends(_service)]


def _problems(**meanings: str) -> dict[int | str, dict[str, Any]]:
    """Statuses, written `_404`, and what they mean, for the OpenAPI page."""
    return {int(name[1:]): {"model": schema.Problem, "description": text} for name, text in meanings.items()}


INVALID = _problems(
    _400="the body is no text",
    _411="the body's length is not said",
    _413="the body is too long",
    _422="a value that is not allowed, or that the model cannot meet",
)
REFUSALS = INVALID | _problems(
    _404="no model has this role, or writes this language",
    _429="too many poems are being written; Retry-After says when to come back",
    _500="the model failed while writing",
)


@dataclass(frozen=True)
class Draft:
    """A poem that is being written, and what of its request was decided here."""

    writing: Writing
    language: str
    seed: int

    def begun(self) -> schema.Begun:
        return schema.Begun(language=self.language, seed=self.seed, model=self.writing.poet.named)

    def answer(self) -> schema.PoemAnswer:
        poem = self.writing.poem
        return schema.PoemAnswer(text=poem.text, ended=poem.ended, **self.begun().model_dump(exclude={"kind"}))


def draft(params: Params, wish: schema.Wish, poet: Poet, seed: int) -> Draft:
    """What a request asks for, as the generator takes it.

    Raises:
        HTTPException: it asks for a language that is none of the models'.
    """
    known = tuple(params.languages)
    language = wish.language or language_of(wish.first_line, known) or known[0]
    if language not in known:
        raise HTTPException(404, f"No model writes in {language!r}. Choose from {', '.join(known)}.")
    common = {"language": language, "title": wish.title, "first_line": wish.first_line}
    asked = prompt.Request(author=wish.author, style=wish.style, **common)
    if wish.blend:
        second = prompt.Request(author=wish.blend.author, style=wish.blend.style, **common)
        asked = [(asked, 1 - wish.blend.weight), (second, wish.blend.weight)]
    names = ("max_words", "stanzas", "temperature", "top_p", "top_k")
    changes = {name: getattr(wish, name) for name in names if getattr(wish, name) is not None}
    sampling = params.generation.model_copy(update=changes)
    words = len(wish.first_line.split()) + sampling.max_words
    return Draft(Writing(poet, asked, sampling.model_copy(update={"max_words": words}), seed), language, seed)


def seed_of(wish: schema.Wish) -> int:
    """The seed asked for, or one by lot."""
    return secrets.randbelow(schema.LARGEST_SEED + 1) if wish.seed is None else wish.seed


@asynccontextmanager
async def open_writings(service: Service, request: Request, writings: list[Writing]) -> AsyncIterator[None]:
    """Have poems written, at most for as long as the block lasts; it is entered when all of them have begun.

    Raises:
        HTTPException: a model cannot meet its request.
        Busy: there is no room for them.
    """
    service.scribe.submit(writings)
    try:
        for writing in writings:
            while not (writing.text or writing.done):
                await _more(writing, request)
            if isinstance(writing.fault, BadInput):
                raise HTTPException(422, str(writing.fault))
        yield
    finally:
        for writing in writings:
            service.scribe.cancel(writing)


async def _more(writing: Writing, request: Request) -> None:
    """Wait until there may be more of a poem, or until its reader has left."""
    await writing.changed(PATIENCE)
    if await request.is_disconnected():
        raise HTTPException(499, "The client left.")


async def open_poem(wish: schema.PoemRequest, request: Request, service: Serving) -> AsyncIterator[Draft]:
    """The poem of a request; it is written no further once the response is over, however that came."""
    opened = draft(service.params, wish, await service.shelf.poet(wish.model), seed_of(wish))
    async with open_writings(service, request, [opened.writing]):
        yield opened


OpenPoem = Annotated[Draft, Depends(open_poem)]


@router.post("/api/poems", responses=REFUSALS, tags=["poems"])
async def write_poem(opened: OpenPoem, request: Request) -> schema.PoemAnswer:
    """Write a poem and answer with all of it."""
    while not opened.writing.done:
        await _more(opened.writing, request)
    if opened.writing.fault:
        raise HTTPException(500, FAILED)
    return opened.answer()


@router.post("/api/poems/stream", responses=REFUSALS, tags=["poems"])
async def stream_poem(opened: OpenPoem) -> AsyncIterable[schema.StreamedPoem]:
    """Write a poem and send it word by word, a JSON object a line: `begun`, then `words`, and at last `poem`.

    The poem at last is what counts: where a limit cut it off, it lacks the line it broke off in.
    """
    yield opened.begun()
    async for text in words(opened.writing):
        yield schema.Words(text=text)
    yield opened.answer() if opened.writing.poem else schema.Fault(detail=FAILED)


async def words(writing: Writing) -> AsyncIterator[str]:
    """What is added to a poem, in whole words, until it is done."""
    sent = 0
    while not writing.done:
        if text := whole_words(writing.text)[sent:]:
            yield text
            sent += len(text)
        await writing.changed(PATIENCE)


def whole_words(text: str) -> str:
    """A text without the word it may have broken off in."""
    return text[: 1 + max(text.rfind(" "), text.rfind("\n"))]


Pair = tuple[Comparison, dict[schema.Side, Draft]]


async def open_comparison(wish: schema.ComparisonRequest, request: Request, service: Serving) -> AsyncIterator[Pair]:
    """The two poems of a comparison, from the same seed."""
    first, second = [await service.shelf.poet(role) for role in wish.models]
    if first is second:
        raise HTTPException(409, f"Both are {first.name} version {first.version}. Choose two different models.")
    comparison, seed = shuffled(first, second), seed_of(wish)
    drafts = {side: draft(service.params, wish, poet, seed) for side, poet in comparison.sides.items()}
    async with open_writings(service, request, [each.writing for each in drafts.values()]):
        yield comparison, drafts


@router.post(
    "/api/comparisons", responses=REFUSALS | _problems(_409="both roles have the same model"), tags=["comparisons"]
)
async def compare(
    pair: Annotated[Pair, Depends(open_comparison)], service: Serving
) -> AsyncIterable[schema.StreamedComparison]:
    """Write the same poem with two models, on sides drawn by lot, word by word; the last line has the id to vote with.

    Which model wrote which is told in answer to the vote.
    """
    comparison, drafts = pair
    sent, writings = dict.fromkeys(drafts, 0), {side: each.writing for side, each in drafts.items()}
    while writings:
        for side, writing in list(writings.items()):
            if writing.poem:
                yield schema.BlindPoem(side=side, text=writing.poem.text)
                del writings[side]
            elif writing.fault:
                yield schema.Fault(detail=FAILED)
                return
            elif text := whole_words(writing.text)[sent[side] :]:
                yield schema.BlindWords(side=side, text=text)
                sent[side] += len(text)
        await asyncio.sleep(BETWEEN_LOOKS)
    yield schema.Ballot(id=service.votes.open(comparison))


@router.post(
    "/api/comparisons/{comparison}/vote",
    responses=INVALID
    | _problems(
        _404="no such comparison", _409="it was decided otherwise", _503="the registry does not answer; vote again"
    ),
    tags=["comparisons"],
)
async def vote(
    comparison: Annotated[str, Path(max_length=64)], cast: schema.Vote, service: Serving
) -> schema.VoteAnswer:
    """Say which poem is better, and learn who wrote them; the same vote again changes nothing."""
    tallies, new = await asyncio.to_thread(service.votes.cast, comparison, cast.choice)
    service.meters.votes.inc(new)
    return schema.VoteAnswer(**tallies)


@router.get("/api/models", tags=["server"])
async def models(service: Serving) -> schema.Models:
    """The models by role. Challenger and base are loaded when they are first asked for."""
    return schema.Models(models=service.shelf.served())


@router.get("/health", responses={503: {"model": schema.Alive}}, tags=["server"])
async def health(service: Serving, response: Response) -> schema.Alive:
    """Whether the server works at all."""
    alive = service.scribe.alive()
    response.status_code = 200 if alive else 503
    return schema.Alive(alive=alive)


@router.get("/ready", responses={503: {"model": schema.Readiness}}, tags=["server"])
async def ready(service: Serving, response: Response) -> schema.Readiness:
    """Whether poems can be had; a `fault` beside a model means that a newer one did not load."""
    ready = service.scribe.alive() and "champion" in service.shelf.poets
    response.status_code = 200 if ready else 503
    return schema.Readiness(ready=ready, models=service.shelf.served())


@router.get("/metrics", response_class=PlainTextResponse, tags=["server"])
async def metrics(service: Serving) -> Response:
    """Figures for Prometheus."""
    return Response(generate_latest(service.meters.registry), media_type=CONTENT_TYPE_LATEST)
