"""Takes the pictures in docs/images: of a real run, its page and its contact sheet."""

from __future__ import annotations

import io
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from mli.local.runner import SHEET, STATE
from tests.browser import CHROMIUM

IMAGES = Path(__file__).parents[3] / "docs" / "images"
MOST_BYTES = 180_000
DETECTOR = "ssdlite"
_START_SECONDS = 900.0
_CHART_SECONDS = 65.0
"""Until the second telemetry message, from which a chart has a line."""


def main() -> None:
    """Run the demo, and stop it while a page is open."""
    if CHROMIUM is None:
        sys.exit("screenshots: there is no Chromium: sudo apt-get install chromium")
    SHEET.unlink(missing_ok=True)
    # An earlier run may have left samples for its own bucket, which is a fault on the page.
    shutil.rmtree(STATE, ignore_errors=True)
    command = [sys.executable, "-m", "mli", "run", "--view"]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        address = _address(run)
        time.sleep(_CHART_SECONDS)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            _take(browser, address, "phone", viewport={"width": 390, "height": 1100})
            _take(browser, address, "dark", color_scheme="dark")
            page = _take(browser, address, "desktop")
            run.send_signal(signal.SIGINT)
            page.locator('body[data-state="disconnected"]').wait_for(timeout=60_000)
            _save(page, "disconnected")
            browser.close()
    finally:
        run.send_signal(signal.SIGINT)
        run.wait(60)
    with Image.open(SHEET) as sheet:
        sheet.thumbnail((640, 1000))
        reduced = io.BytesIO()
        sheet.save(reduced, "JPEG", quality=78)
        _write("contact-sheet", reduced.getvalue())


def _address(run: subprocess.Popen[str]) -> str:
    """Return the page's address once both cores predict and the sheet is written."""
    deadline, address = time.monotonic() + _START_SECONDS, None
    assert run.stdout is not None
    for line in run.stdout:
        sys.stdout.write(line)
        found = re.search(r"http://127\S+token=\S+", line)
        address = found[0] if found else address
        if address and SHEET.exists():
            return address
        if time.monotonic() > deadline:
            break
    sys.exit("screenshots: the run did not start")


def _take(browser: Browser, address: str, name: str, **settings: Any) -> Page:
    context = browser.new_context(**{"viewport": {"width": 1000, "height": 1330}, **settings})
    page = context.new_page()
    page.goto(address)
    option = page.locator("#cores option").filter(has_text=DETECTOR)
    option.wait_for(state="attached", timeout=60_000)
    page.locator("#cores").select_option(option.get_attribute("value"))
    page.locator("#samples rect.box").nth(5).wait_for(state="attached", timeout=60_000)
    page.wait_for_timeout(2_000)
    page.locator("#frames p", has_text="coffee.jpg").wait_for(timeout=60_000)
    page.locator("#live rect.box").first.wait_for(state="attached", timeout=60_000)
    page.locator("#live p", has_text="chelsea.jpg").wait_for(timeout=60_000)
    page.locator("#settings-state", has_text="These are the settings").wait_for()
    _save(page, name)
    return page


def _save(page: Page, name: str) -> None:
    for quality in (85, 75, 65, 55, 45):
        content = page.screenshot(type="jpeg", quality=quality)
        if len(content) <= MOST_BYTES:
            break
    _write(f"view-{name}", content)


def _write(name: str, content: bytes) -> None:
    file = IMAGES / f"{name}.jpg"
    if len(content) > MOST_BYTES:
        sys.exit(f"screenshots: {file} would have {len(content):,} bytes")
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(content)
    print(f"{file}: {len(content):,} bytes")


if __name__ == "__main__":
    main()
