"""A real browser for tests: Chromium as the system has it, or as `playwright install chromium` brought it."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-gpu")


@pytest.fixture(scope="module")  # no longer: while it is open, no other test of the process can run an event loop
def browser() -> Iterator[Browser]:
    """Headless Chromium. Where there is none, the test is skipped; in CI, it fails."""
    with sync_playwright() as playwright:
        bundled = playwright.chromium.executable_path
        found = next(filter(None, map(shutil.which, NAMES)), bundled if Path(bundled).exists() else None)
        if found is None:
            give_up = pytest.fail if os.environ.get("CI") else pytest.skip
            give_up("no Chromium or Chrome here; `playwright install chromium` brings one")
        browser = playwright.chromium.launch(executable_path=found, args=QUIET, chromium_sandbox=False)
        yield browser
        browser.close()
