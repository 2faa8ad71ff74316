"""The page in a real browser."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import urlsplit

import pytest

from inference.vision.postprocess import Prediction
from mli.view.board import MOST_CORES

from .conftest import CUP, Viewed
from .opened_page import open_page, state, titled

pytestmark = pytest.mark.browser

HOSTILE = (
    "<script>window.hacked = 1</script>",
    "<img src=x onerror='window.hacked = 1'>",
    "\u202eright to left\u2066",
    "x" * 10_000,
    "javascript:window.hacked=1",
    "größe – кошка 猫",
)


def test_page_says_why_each_sample_was_kept(page: Any, viewed: Viewed) -> None:
    viewed.keep(1, "LC50", [0.41, 0.2], "chelsea.jpg")
    viewed.keep(1, "Entropy", [0.25, 0.25, 0.25, 0.25], "chelsea.jpg")
    viewed.keep(2, "RandomSamplingConfiguration", [0.9], "coffee.jpg")
    viewed.keep(3, "Other", [0.9], "coffee.jpg")
    open_page(page, viewed)
    page.locator("#samples li").nth(2).wait_for()
    texts = page.locator("#samples li").all_inner_texts()
    assert len(texts) == 3, "a frame that two strategies keep is shown once"
    assert "Other" in texts[0]
    assert "random, 50% of all frames" in texts[1]
    assert "LC50: best score 0.41 ≤ 0.5" in texts[2]
    assert "Entropy: entropy 1.39 > 1" in texts[2]


def test_hostile_labels_are_text(page: Any, viewed: Viewed) -> None:
    page.set_viewport_size({"width": 320, "height": 700})
    for frame, label in enumerate(HOSTILE, start=1):
        # Longer than a message: what another client may publish on the topic.
        item = {"prediction": label, "confidence": "0.9", "box": [0, 0, 1, 1]}
        viewed.board.receive("mli/predictions/Demo", json.dumps([item]).encode())
        viewed.predict(
            frame, Prediction(label[:4000], 0.5, (0.1, 0.1, 0.9, 0.9)), source=label[:200]
        )
        viewed.keep(frame, label[:200], [0.5], "coffee.jpg")
    viewed.telemetry(health={"status": HOSTILE[0], "faults": list(HOSTILE)})
    open_page(page, viewed)
    page.locator("#samples rect.box").nth(len(HOSTILE) - 1).wait_for(state="attached")
    page.locator("#health", has_text="<script>").wait_for()
    assert page.evaluate("() => window.hacked") is None
    assert page.locator("main img, main script, main a").count() == 0
    everything = page.locator("body").inner_text()
    assert "<script>window.hacked" in everything
    assert "\u202e" not in everything
    assert "\\u202e" in everything
    assert "größe" in everything
    assert "x" * 200 not in everything
    width = page.evaluate("() => document.documentElement.scrollWidth")
    assert width <= 320, "nothing scrolls sideways"


def test_states(page: Any, viewed: Viewed) -> None:
    open_page(page, viewed)
    state(page, "empty")
    viewed.predict(1, CUP)
    viewed.preview(1, CUP)
    state(page, "live")
    picture = page.locator("#live canvas")
    assert picture.evaluate("e => getComputedStyle(e).opacity") == "1"
    viewed.board.set_connection(False, "the connection broke (reset); connecting again …")
    state(page, "connecting")
    page.locator("#hint", has_text="the connection broke").wait_for()
    assert picture.evaluate("e => getComputedStyle(e).opacity") != "1", "it must not look live"
    viewed.board.set_connection(True, "connected again")
    state(page, "live")
    viewed.offset += 160  # a core whose interval is not known yet
    state(page, "stale")
    page.locator("#state", has_text="Silent for 3 min").wait_for()
    viewed.predict(2, CUP)
    state(page, "live")


def test_silence_is_read_aloud_once(page: Any, viewed: Viewed) -> None:
    viewed.predict(1, CUP)
    open_page(page, viewed)
    viewed.offset += 200
    page.locator("#state", has_text="Silent for 3 min").wait_for()
    page.evaluate(
        "() => { window.changes = 0; const seen = new MutationObserver(() => { changes += 1; });"
        " for (const part of document.querySelectorAll('[role=status]'))"
        " seen.observe(part, {childList: true, characterData: true, subtree: true}); }"
    )
    for seconds, text in ((4_000, "67 min"), (40_000, "11 h"), (400_000, "5 days")):
        viewed.offset = seconds
        page.locator("#state", has_text=f"Silent for {text}").wait_for()
    assert page.evaluate("() => window.changes") == 0


def test_page_comes_back_after_an_interruption(page: Any, viewed: Viewed) -> None:
    opened: list[Any] = []

    def pass_on(route: Any) -> None:
        route.connect_to_server()
        opened.append(route)

    page.route_web_socket(re.compile(r".*/live"), pass_on)
    viewed.predict(1, CUP)
    open_page(page, viewed)
    state(page, "live")
    opened[0].close()
    state(page, "disconnected")
    viewed.predict(2, Prediction("after it", 0.9))
    state(page, "live")
    page.locator("#rows", has_text="after it").wait_for()
    assert len(opened) == 2


def test_page_without_its_server_says_so(
    page: Any, viewed: Viewed, capfd: pytest.CaptureFixture[str]
) -> None:
    viewed.predict(1, CUP)
    viewed.telemetry()
    open_page(page, viewed)
    state(page, "live")
    viewed.server.__exit__(None, None, None)
    state(page, "disconnected")
    page.wait_for_timeout(2500)
    assert float(page.locator("#rows td").first.inner_text().removesuffix(" s")) > 2, "it ages"
    age = re.search(r"telemetry ([0-9.]+) s old", page.locator("#health").inner_text())
    assert age is not None and float(age[1]) > 2
    assert "Traceback" not in capfd.readouterr().err


def test_connection_that_closes_before_its_last_state_is_painted(page: Any, viewed: Viewed) -> None:
    slow = "window.requestAnimationFrame = (paint) => setTimeout(paint, 700);"
    page.add_init_script(slow)
    viewed.predict(1, CUP)
    open_page(page, viewed)
    state(page, "live")
    viewed.server.__exit__(None, None, None)
    state(page, "disconnected")
    page.wait_for_timeout(1000)  # the fixture fails the test for what the page raises


def test_nothing_is_asked_of_other_hosts(page: Any, viewed: Viewed) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda socket: asked.append(socket.url))
    viewed.predict(4, CUP)
    viewed.keep(4, "LC50", [0.4], "coffee.jpg")
    viewed.telemetry()
    open_page(page, viewed)
    page.locator("#samples rect.box").wait_for(state="attached")
    assert len(asked) > 6
    assert {urlsplit(url).netloc for url in asked} == {f"127.0.0.1:{viewed.server.port}"}
    assert urlsplit(page.url).query == "", "the token does not stay in the address"


def test_hundreds_of_messages_per_second_arrive_in_bounded_states(
    page: Any, viewed: Viewed
) -> None:
    open_page(page, viewed)
    for frame in range(3000):
        viewed.predict(frame, CUP)
    viewed.predict(3000, Prediction("the last one", 0.9))
    page.locator("#rows tr", has_text="the last one").wait_for()
    assert page.locator("#rows tr").count() == 12
    assert page.locator("#charts polyline").count() == 4


def test_page_works_by_keyboard(page: Any, viewed: Viewed) -> None:
    viewed.predict(1, CUP)
    open_page(page, viewed)
    state(page, "live")
    names = []
    for _ in range(3):
        page.keyboard.press("Tab")
        names.append(page.evaluate("() => document.activeElement.id"))
    assert names == ["cores", "pause", "boxes"]
    page.locator("#pause").focus()
    page.keyboard.press("Enter")
    page.locator("#state", has_text="Paused").wait_for()
    viewed.predict(2, Prediction("while paused", 0.9))
    page.wait_for_timeout(1000)
    assert page.locator("#rows", has_text="while paused").count() == 0
    page.keyboard.press("Enter")
    page.locator("#rows", has_text="while paused").wait_for()


def test_a_new_core_leaves_the_chosen_one_in_the_list(page: Any, viewed: Viewed) -> None:
    for name in ("A", "B"):
        viewed.board.receive(f"mli/predictions/{name}", b"[]")
    open_page(page, viewed)
    cores = page.locator("#cores")
    cores.focus()
    cores.select_option("B")
    titled(page, "B")
    viewed.board.receive("mli/predictions/C", b"[]")
    page.locator("#cores option").nth(2).wait_for(state="attached")
    assert (cores.input_value(), page.title()) == ("B", "B · mli view")


def test_the_chosen_core_stays_after_a_reload_and_in_a_link(page: Any, viewed: Viewed) -> None:
    for name in ("A", "B", "C"):
        viewed.board.receive(f"mli/predictions/{name}", b"[]")
    open_page(page, viewed)
    state(page, "live")
    page.locator("#cores").select_option("B")
    titled(page, "B")
    page.reload()
    state(page, "live")
    assert page.title() == "B · mli view", "from the first state on"
    page.goto(f"{viewed.server.address}#C")
    titled(page, "C")
    page.evaluate("() => { location.hash = 'A'; }")
    titled(page, "A")


def test_cores_are_in_order_and_the_first_heard_is_shown(page: Any, viewed: Viewed) -> None:
    open_page(page, viewed)
    state(page, "empty")
    cores = page.locator("#cores")
    cores.focus()
    for name in ("line-10", "line-2", "line-1"):
        viewed.board.receive(f"mli/predictions/{name}", b"[]")
    titled(page, "line-10")
    cores.locator("option").nth(2).wait_for(state="attached")
    assert cores.locator("option").all_inner_texts() == ["line-1", "line-2", "line-10"]
    assert cores.input_value() == "line-10"


def test_cameras_that_differ_in_their_host_have_different_names(page: Any, viewed: Viewed) -> None:
    for frame, host in enumerate(("one", "two")):
        viewed.predict(frame, CUP, source=f"rtsp://{host}.local/stream1")
    open_page(page, viewed)
    page.locator("#rows tr").nth(1).wait_for()
    shown = page.locator("#rows td:nth-child(2)").all_inner_texts()
    assert shown == ["two.local/stream1", "one.local/stream1"]


def test_choosing_a_core_ends_the_pause(page: Any, viewed: Viewed) -> None:
    """Its settings would stand beside the pictures of the other one."""
    for name in ("A", "B"):
        viewed.board.receive(f"mli/predictions/{name}", b"[]")
    open_page(page, viewed)
    state(page, "live")
    page.locator("#pause").click()
    page.locator("#cores").select_option("B")
    page.locator("#pause[aria-pressed=false]").wait_for()
    titled(page, "B")


def test_page_says_that_there_are_more_cores_than_it_shows(page: Any, viewed: Viewed) -> None:
    for number in range(MOST_CORES):
        viewed.board.receive(f"mli/predictions/C{number}", b"[]")
    open_page(page, viewed)
    state(page, "live")
    assert page.locator("#hint").is_hidden()
    viewed.board.receive("mli/predictions/Last", b"[]")
    page.locator("#hint", has_text=f"More than {MOST_CORES} cores").wait_for()
