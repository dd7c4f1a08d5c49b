"""The page, in the reader's language."""

from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any, get_args

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.templating import Jinja2Templates
from ruamel.yaml import YAML

from app import schema

HERE = Path(__file__).parent
POLICY = "default-src 'self'; img-src 'self' blob: data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"

router = APIRouter(include_in_schema=False)
templates = Jinja2Templates(HERE / "templates")


@cache
def interfaces() -> dict[str, dict[str, Any]]:
    """The words of the interface, by language; a language more is a file more in `texts`."""
    return {path.stem: YAML(typ="safe").load(path.read_text("utf-8")) for path in sorted((HERE / "texts").iterdir())}


def preferred(accept_language: str) -> str:
    """The interface's language that a browser likes best, by its Accept-Language; English where it likes none."""
    wishes = []
    for place, part in enumerate(accept_language.split(",")):
        tag, _, quality = part.strip().partition(";q=")
        try:
            wishes.append((-float(quality or 1), place, tag[:2].lower()))
        except ValueError:
            continue
    return next((tag for _, _, tag in sorted(wishes) if tag in interfaces()), "en")


@router.get("/")
async def home(request: Request) -> Response:
    """On to the page in the reader's language."""
    language = preferred(request.headers.get("accept-language", ""))
    return RedirectResponse(request.url_for("read", language=language).path, 307, {"Vary": "Accept-Language"})


@router.get("/{language}", response_class=HTMLResponse)
async def read(request: Request, language: str) -> Response:
    """The page."""
    if language not in interfaces():
        raise HTTPException(404, "There is no such page.")
    service = request.app.state.service
    context = {
        "language": language,
        "interfaces": {code: texts["name"] for code, texts in interfaces().items()},
        "texts": interfaces()[language],
        "poem_languages": service.params.languages,
        "defaults": service.params.generation,
        "limits": {
            "opening": schema.LONGEST_OPENING,
            "field": schema.LONGEST_FIELD,
            "words": schema.MOST_WORDS,
            "seed": schema.LARGEST_SEED,
        },
        "rivals": list(combinations(get_args(schema.Role), 2)),
        "voices": service.voices,
    }
    headers = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
    return templates.TemplateResponse(request, "page.html", context, headers=headers)
