"""A browser to look at pages with: one per process, since Playwright permits no more."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
"""Debian's, or what GitHub's runners have."""


@pytest.fixture(scope="session")
def playwright() -> Iterator[Any]:
    """What starts browsers; without one here, the test is skipped."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium: sudo apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def chromium(playwright: Any) -> Iterator[Any]:
    """Debian's Chromium."""
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def window(chromium: Any) -> Iterator[Any]:
    """A window that stays open: the first tab of each costs a second of a processor."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    context.new_page()
    yield context
    context.close()


@pytest.fixture
def page(window: Any) -> Iterator[Any]:
    """A tab with nothing in it, whose errors fail the test."""
    opened = window.new_page()
    opened.set_default_timeout(20_000)
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    yield opened
    during = list(errors)  # what the end of the tab interrupts is not an error
    opened.close()
    window.clear_cookies()
    assert not during, f"the page raised: {during}"
