"""No serious fault for anyone who reads the page in another way."""

from __future__ import annotations

from typing import Any

import pytest

from tests.mli.view.axe import grave_violations
from tests.mli.view.conftest import CUP, TABLE, Viewed
from tests.mli.view.opened_page import open_page, state

pytestmark = pytest.mark.browser

WAYS: dict[str, dict[str, Any]] = {
    "desktop": {},
    "phone": {"viewport": {"width": 320, "height": 700}},
    "dark": {"color_scheme": "dark"},
    "dark phone": {"viewport": {"width": 320, "height": 700}, "color_scheme": "dark"},
    "forced colours": {"forced_colors": "active"},
}


def show(page: Any, viewport: dict[str, int] | None = None, **media: str) -> None:
    """Let the page be on a screen of this size, and follow these preferences."""
    if viewport is not None:
        page.set_viewport_size(viewport)
    page.emulate_media(**media)


def fill(viewed: Viewed) -> None:
    """Publish something for each part of the page."""
    for frame in range(1, 5):
        viewed.predict(frame, CUP, TABLE)
        viewed.keep(frame, "LC50", [0.41], "coffee.jpg")
    viewed.preview(4, CUP)
    viewed.telemetry(health={"status": "degraded", "faults": ["no camera: it is gone"]})


@pytest.mark.parametrize("way", WAYS)
def test_no_serious_fault(page: Any, viewed: Viewed, way: str) -> None:
    show(page, **WAYS[way])
    fill(viewed)
    open_page(page, viewed)
    page.locator("#samples rect.box").nth(3).wait_for(state="attached")
    page.locator("#live rect.box").nth(1).wait_for(state="attached")
    assert grave_violations(page) == []
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_fault_in_any_state(page: Any, viewed: Viewed, scheme: str) -> None:
    show(page, color_scheme=scheme)
    open_page(page, viewed)
    state(page, "empty")
    assert grave_violations(page) == []
    fill(viewed)
    page.locator("#samples rect.box").nth(3).wait_for(state="attached")
    viewed.offset += 600
    state(page, "stale")
    assert grave_violations(page) == []
    viewed.server.__exit__(None, None, None)
    state(page, "disconnected")
    assert grave_violations(page) == []
