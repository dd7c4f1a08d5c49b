"""The page and the API as one server: `python -m app.server`, or `make serve`."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from fastapi_offline import FastAPIOffline
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from app import api, page
from app.generation_worker import GenerationWorker, QueueFull
from app.model_pool import LoadFailed, ModelPool, NoModel
from app.settings import Settings, load_settings
from app.suggestions import known_authors_and_styles
from app.telemetry import Telemetry
from app.votes import AlreadyDecided, UnknownComparison, VoteNotCounted, Votes
from pipeline.common.params import Params, load_params
from pipeline.common.stage import stage

STATIC = Path(__file__).parent / "static"
MAX_BODY = 32_768  # bytes
STATUS_OF = {NoModel: 404, LoadFailed: 503, UnknownComparison: 404, AlreadyDecided: 409, VoteNotCounted: 503}


def create_app(params: Params, settings: Settings) -> FastAPI:
    """The server as an ASGI application; it loads models when it starts."""
    telemetry = Telemetry()
    worker = GenerationWorker(settings.queue_size, telemetry)
    models = ModelPool(params, settings, telemetry)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        worker.start()
        following = asyncio.create_task(models.follow_registry())
        yield
        following.cancel()
        worker.stop()

    app = FastAPIOffline(
        title="Estrofa",
        description="Poems in English and Spanish from the models in the registry.",
        version="1",
        redoc_url=None,
        lifespan=lifespan,
        telemetry={"auto_configure": False},
    )
    app.state.service = api.Service(params, models, worker, Votes(), telemetry, known_authors_and_styles())
    app.include_router(api.router)
    app.include_router(page.router)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.add_middleware(BodyLimit)
    app.add_exception_handler(QueueFull, _queue_full)
    app.add_exception_handler(api.LanguageNotWritten, _language_not_written)
    app.add_exception_handler(RequestValidationError, _invalid)
    for error in STATUS_OF:
        app.add_exception_handler(error, _error)
    return app


class BodyLimit:
    """Rejects requests whose body is longer than any valid one, or whose length is unknown."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            status = 411 if "transfer-encoding" in headers else 413
            if status == 411 or int(headers.get("content-length", 0)) > MAX_BODY:
                detail = f"Send a body of at most {MAX_BODY} bytes, with its Content-Length."
                return await JSONResponse({"detail": detail}, status)(scope, receive, send)
        await self.app(scope, receive, send)


async def _queue_full(request: Request, error: QueueFull) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, 429, {"Retry-After": str(error.retry_after)})


async def _language_not_written(request: Request, error: api.LanguageNotWritten) -> JSONResponse:
    return JSONResponse({"detail": str(error), "code": "language_not_written"}, 404)


async def _error(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, STATUS_OF[type(error)])


async def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
    """The first validation error, in the form of all other errors."""
    first = error.errors()[0]
    detail = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return JSONResponse({"detail": detail.encode("utf-8", "replace").decode()}, 422)  # a key may hold lone surrogates


@stage
def main() -> None:
    settings, params = load_settings(), load_params()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s: %(message)s")
    uvicorn.run(create_app(params, settings), host=settings.host, port=settings.port, log_config=None)


if __name__ == "__main__":
    main()
