"""A real browser for tests: the system's Chromium, or the one that `playwright install chromium` installed."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image, ImageStat
from playwright.sync_api import Browser, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE = 300_000  # milliseconds; a busy machine is slow
QUIET = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-gpu")


@pytest.fixture(scope="module")  # while it is open, no other test of the process can run an event loop
def browser() -> Iterator[Browser]:
    """Headless Chromium. Without one the test is skipped; in CI it fails."""
    with sync_playwright() as playwright:
        bundled = playwright.chromium.executable_path
        found = next(filter(None, map(shutil.which, NAMES)), bundled if Path(bundled).exists() else None)
        if found is None:
            give_up = pytest.fail if os.environ.get("CI") else pytest.skip
            give_up("no Chromium or Chrome; run `playwright install chromium`")
        options = {"args": QUIET, "chromium_sandbox": False, "timeout": PATIENCE}
        browser = playwright.chromium.launch(executable_path=found, **options)
        yield browser
        browser.close()


@contextmanager
def opened(browser: Browser, file: Path, width: int = 1280, scheme: str = "light") -> Iterator[Page]:
    """A file as a user opens it, offline. Errors and requests in the browser fail the test."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
    page.set_default_timeout(PATIENCE)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", lambda request: complaints.append(f"requested {request.url}"))
    page.goto(file.as_uri())
    yield page
    page.close()
    assert not complaints


def brightness(page: Page, picture: Path) -> float:
    """Save a screenshot of the whole page, which pytest keeps, and return its mean brightness, from 0 to 255."""
    page.screenshot(path=picture, full_page=True)
    return ImageStat.Stat(Image.open(picture).convert("L")).mean[0]


def faults(page: Page) -> list[str]:
    """Violations of axe's rules on a page (WCAG 2, landmarks, headings, contrast), and whether it is too wide."""
    page.evaluate("document.querySelectorAll('details').forEach(details => details.open = true)")
    too_wide = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    found = Axe().run(page).response["violations"]
    return [f"{fault['id']}: {fault['nodes'][0]['html']}" for fault in found] + ["wider than the screen"] * too_wide
