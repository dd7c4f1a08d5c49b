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
from app.meters import Meters
from app.scribe import Busy, Scribe
from app.settings import Settings, load_settings
from app.shelf import NotServed, Shelf
from app.voices import known_voices
from app.votes import AlreadyDecided, UnknownComparison, Votes
from pipeline.common.params import Params, load_params
from pipeline.common.stage import BadInput, stage

STATIC = Path(__file__).parent / "static"
LONGEST_BODY = 32_768  # bytes
STATUSES = {NotServed: 404, UnknownComparison: 404, AlreadyDecided: 409, BadInput: 503}


def create_app(params: Params, settings: Settings) -> FastAPI:
    """The server as an ASGI application; models are loaded when it starts."""
    meters = Meters()
    scribe = Scribe(settings.queue_size, meters)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        scribe.start()
        following = asyncio.create_task(app.state.service.shelf.follow())
        yield
        following.cancel()
        scribe.stop()

    app = FastAPIOffline(
        title="Estrofa",
        description="Poems in English and Spanish from the models of the registry.",
        version="1",
        redoc_url=None,
        lifespan=lifespan,
        telemetry={"auto_configure": False},
    )
    app.state.service = api.Service(params, Shelf(params, settings, meters), scribe, Votes(), meters, known_voices())
    app.include_router(api.router)
    app.include_router(page.router)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.add_middleware(BodyLimit)
    app.add_exception_handler(Busy, _busy)
    app.add_exception_handler(RequestValidationError, _invalid)
    for error in STATUSES:
        app.add_exception_handler(error, _refused)
    return app


class BodyLimit:
    """Refuses requests whose body is longer than any poem's wish, or of a length they do not say."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            status = 411 if "transfer-encoding" in headers else 413
            if status == 411 or int(headers.get("content-length", 0)) > LONGEST_BODY:
                problem = f"Say the body's length; it may be {LONGEST_BODY} bytes."
                return await JSONResponse({"detail": problem}, status)(scope, receive, send)
        await self.app(scope, receive, send)


async def _busy(request: Request, error: Busy) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, 429, {"Retry-After": str(error.retry_after)})


async def _refused(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, STATUSES[type(error)])


async def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
    """The first thing that is wrong with a request, in the form of all other problems."""
    fault = error.errors()[0]
    detail = f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"
    return JSONResponse({"detail": detail.encode("utf-8", "replace").decode()}, 422)  # keys sent may not even be text


@stage
def main() -> None:
    settings, params = load_settings(), load_params()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s: %(message)s")
    uvicorn.run(create_app(params, settings), host=settings.host, port=settings.port, log_config=None)


if __name__ == "__main__":
    main()
