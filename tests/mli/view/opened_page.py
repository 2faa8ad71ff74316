"""The page in a browser, once it shows what a test waits for."""

from __future__ import annotations

import time
from typing import Any

from .conftest import Viewed


def open_page(page: Any, viewed: Viewed) -> None:
    page.goto(viewed.server.address)


def state(page: Any, name: str) -> None:
    page.locator(f'body[data-state="{name}"]').wait_for()


def titled(page: Any, core: str) -> None:
    deadline = time.monotonic() + 10
    while page.title() != f"{core} · mli view":
        assert time.monotonic() < deadline, page.title()
        page.wait_for_timeout(50)
