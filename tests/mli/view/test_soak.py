"""The page at a high rate: neither its heap nor the browser grows."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.browser import CHROMIUM
from tests.mli.view.conftest import CUP, TABLE, Viewed
from tests.mli.view.opened_page import open_page, state

pytestmark = [pytest.mark.browser, pytest.mark.slow]

MESSAGES_PER_SECOND = 500
PICTURES_PER_SECOND = 5
_WARM_SECONDS, _SECONDS = 8.0, 16.0
_HEAP_GROWTH, _BROWSER_GROWTH = 3 * 2**20, 60 * 2**20
"""Pictures that stay decoded, of 600 × 400 pixels twice each, would be 100 MB or more."""


@contextmanager
def flooded(viewed: Viewed) -> Iterator[None]:
    """Publish hundreds of messages and some samples per second meanwhile."""
    stopping = threading.Event()

    def publish() -> None:
        began, frame = time.monotonic(), 0
        while not stopping.is_set():
            due = int((time.monotonic() - began) * MESSAGES_PER_SECOND)
            for _ in range(due - frame):
                frame += 1
                viewed.predict(frame, CUP, TABLE)
                if frame % (MESSAGES_PER_SECOND // PICTURES_PER_SECOND) == 0:
                    viewed.keep(frame, "LC50", [0.4], "coffee.jpg")
                    viewed.preview(frame, CUP)
                    viewed.telemetry()
            stopping.wait(0.05)

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def browser_bytes(profile: Path) -> int:
    """Return the resident memory of the browser with this profile, and of its children."""
    parents, own = {}, set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int(
                (folder / "stat").read_text().rpartition(")")[2].split()[1]
            )
            if str(profile).encode() in (folder / "cmdline").read_bytes():
                own.add(int(folder.name))
        except OSError:
            continue  # it ended meanwhile
    while more := {child for child, parent in parents.items() if parent in own} - own:
        own |= more
    pages = 0
    for identity in own:
        try:
            pages += int(Path(f"/proc/{identity}/statm").read_text().split()[1])
        except OSError:
            continue
    return pages * 4096


def test_memory_is_flat_at_hundreds_of_messages_per_second(
    viewed: Viewed, playwright: Any, tmp_path: Path
) -> None:
    context = playwright.chromium.launch_persistent_context(
        str(tmp_path), executable_path=CHROMIUM, args=["--no-sandbox"]
    )
    page = context.new_page()
    tools = context.new_cdp_session(page)

    def measured() -> tuple[int, int]:
        tools.send("HeapProfiler.collectGarbage")
        heap: Any = page.evaluate("() => performance.memory.usedJSHeapSize")
        return int(heap), browser_bytes(tmp_path)

    with flooded(viewed):
        open_page(page, viewed)
        state(page, "live")
        page.wait_for_timeout(_WARM_SECONDS * 1_000)
        heap, resident = measured()
        page.wait_for_timeout(_SECONDS * 1_000)
        heap_later, resident_later = measured()
        rate = float(page.locator("#rate").inner_text().removesuffix("/s"))
        state(page, "live")
    nodes = page.evaluate("() => document.querySelectorAll('*').length")
    context.close()
    print(f"heap {heap:,} -> {heap_later:,}, browser {resident:,} -> {resident_later:,}")
    assert rate > 0.8 * MESSAGES_PER_SECOND
    assert heap_later - heap < _HEAP_GROWTH
    assert resident_later - resident < _BROWSER_GROWTH
    assert nodes < 1_000
