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
def translations() -> dict[str, dict[str, Any]]:
    """The texts of the page by language. To add a language, add a file to `texts`."""
    return {path.stem: YAML(typ="safe").load(path.read_text("utf-8")) for path in sorted((HERE / "texts").iterdir())}


def preferred_language(accept_language: str) -> str:
    """The translation that an Accept-Language header prefers; English if there is none."""
    preferences = []
    for place, part in enumerate(accept_language.split(",")):
        tag, _, quality = part.strip().partition(";q=")
        try:
            preferences.append((-float(quality or 1), place, tag[:2].lower()))
        except ValueError:
            continue
    return next((tag for _, _, tag in sorted(preferences) if tag in translations()), "en")


@router.get("/")
async def home(request: Request) -> Response:
    """Redirect to the page in the reader's language."""
    language = preferred_language(request.headers.get("accept-language", ""))
    return RedirectResponse(request.url_for("show_page", language=language).path, 307, {"Vary": "Accept-Language"})


@router.get("/{language}", response_class=HTMLResponse)
async def show_page(request: Request, language: str) -> Response:
    """The page."""
    if language not in translations():
        raise HTTPException(404, "There is no such page.")
    service = request.app.state.service
    context = {
        "language": language,
        "page_languages": {code: texts["name"] for code, texts in translations().items()},
        "texts": translations()[language],
        "poem_languages": service.params.languages,
        "defaults": service.params.generation,
        "limits": {
            "first_line": schema.MAX_FIRST_LINE,
            "field": schema.MAX_FIELD,
            "words": schema.MAX_WORDS,
            "seed": schema.MAX_SEED,
        },
        "pairs": list(combinations(get_args(schema.Role), 2)),
        "suggestions": service.suggestions,
    }
    headers = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
    return templates.TemplateResponse(request, "page.html", context, headers=headers)
