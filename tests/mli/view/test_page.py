"""The page in a real browser."""

from __future__ import annotations

import io
import itertools
import json
import re
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from PIL import Image

from inference.vision.postprocess import Prediction
from mli.view.board import MOST_CORES
from mli.view.pictures import Pictures
from mli.view.server import Server

from .conftest import CUP, TABLE, Viewed

pytestmark = pytest.mark.browser

HOSTILE = (
    "<script>window.hacked = 1</script>",
    "<img src=x onerror='window.hacked = 1'>",
    "\u202eright to left\u2066",
    "x" * 10_000,
    "javascript:window.hacked=1",
    "größe – кошка 猫",
)


def open_page(page: Any, viewed: Viewed) -> None:
    page.goto(viewed.server.address)


def state(page: Any, name: str) -> None:
    page.locator(f'body[data-state="{name}"]').wait_for()


def titled(page: Any, core: str) -> None:
    deadline = time.monotonic() + 10
    while page.title() != f"{core} · mli view":
        assert time.monotonic() < deadline, page.title()
        page.wait_for_timeout(50)


@pytest.mark.parametrize("ratio", [1, 2])
def test_boxes_are_where_the_message_says(chromium: Any, viewed: Viewed, ratio: int) -> None:
    context = chromium.new_context(device_scale_factor=ratio)
    page = context.new_page()
    viewed.predict(4, CUP, TABLE)
    viewed.keep(4, "LC50", [0.96, 0.77], "coffee.jpg")
    open_page(page, viewed)
    boxes = page.locator("#frames rect.box")
    boxes.nth(1).wait_for(state="attached")
    canvas = page.locator("#frames canvas").bounding_box()
    for place, prediction in enumerate((TABLE, CUP)):  # the larger one is painted first
        assert prediction.box is not None
        found = boxes.nth(place).evaluate(
            "e => (({left, top, right, bottom}) => [left, top, right, bottom])"
            "(e.getBoundingClientRect())"
        )
        wanted = [
            canvas["x"] + prediction.box[0] * canvas["width"],
            canvas["y"] + prediction.box[1] * canvas["height"],
            canvas["x"] + prediction.box[2] * canvas["width"],
            canvas["y"] + prediction.box[3] * canvas["height"],
        ]
        assert found == pytest.approx(wanted, abs=1.5)
    screen = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    left, middle = wanted[0] * ratio, (wanted[1] + wanted[3]) / 2 * ratio
    colour = boxes.nth(1).get_attribute("stroke")
    near = {screen.getpixel((round(left) + off, round(middle))) for off in range(-2, 3)}
    assert tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5)) in near
    context.close()


def test_labels_do_not_cover_each_other(page: Any, viewed: Viewed) -> None:
    viewed.predict(4, CUP, TABLE, Prediction("bowl", 0.5, CUP.box))
    viewed.keep(4, "LC50", [0.96, 0.77], "coffee.jpg")
    open_page(page, viewed)
    labels = page.locator("#samples text")
    labels.nth(2).wait_for(state="attached")
    tops = sorted(
        labels.nth(i).evaluate("e => e.getBoundingClientRect().top + 0") for i in range(3)
    )
    height = labels.nth(0).evaluate("e => e.getBoundingClientRect().height")
    assert all(b - a > 0.7 * height for a, b in itertools.pairwise(tops))


def test_no_label_hides_another_or_leaves_the_picture(page: Any, viewed: Viewed) -> None:
    crowd = [
        Prediction("person", 0.9 - x / 10 - y / 100, (x / 6, 0.9 - y / 12, x / 6 + 0.1, 1 - y / 12))
        for x in range(5)
        for y in range(5)
    ]
    long = Prediction("n03983396 pop bottle, soda bottle, or so", 0.95, (0.4, 0.1, 0.9, 0.9))
    viewed.predict(4, long, *crowd)
    viewed.keep(4, "LC50", [0.96, 0.77], "coffee.jpg")
    open_page(page, viewed)
    for place in ("#frames", "#samples"):
        labels = page.locator(f"{place} text")
        labels.nth(3).wait_for(state="attached")
        shortened = "…" if place == "#samples" else ""
        assert re.fullmatch(rf"n03983396 .+{shortened} 0\.95", labels.first.text_content())
        found = [one.bounding_box() for one in labels.all()]
        canvas = page.locator(f"{place} canvas").bounding_box()
        for box in found:
            assert box["x"] + box["width"] < canvas["x"] + canvas["width"] + 3
        for one, other in itertools.combinations(found, 2):
            apart = abs(one["y"] - other["y"]) > 0.7 * one["height"]
            left, right = sorted((one, other), key=lambda box: box["x"])
            assert apart or left["x"] + left["width"] < right["x"] + 6  # their outlines may touch


def test_a_tall_picture_does_not_fill_the_page(page: Any, viewed: Viewed) -> None:
    viewed.keep(1, "LC50", [0.4], "coffee.jpg")
    content = io.BytesIO()
    Image.new("RGB", (200, 4000)).save(content, "JPEG")
    viewed.objects["s3://bucket/LC50/1.jpg"] = content.getvalue()
    open_page(page, viewed)
    page.locator("#samples canvas[height='240']").wait_for()
    assert page.locator("#samples canvas").bounding_box()["height"] < 300


def test_picture_is_the_sample(page: Any, viewed: Viewed) -> None:
    viewed.predict(4, CUP)
    viewed.keep(4, "LC50", [0.96], "coffee.jpg")
    open_page(page, viewed)
    page.locator("#frames rect.box").wait_for(state="attached")
    seen = page.locator("#frames canvas").evaluate(
        "c => [c.width, c.height, ...c.getContext('2d').getImageData(300, 200, 1, 1).data]"
    )
    with Image.open(viewed.photographs / "coffee.jpg") as photograph:
        assert seen[:2] == list(photograph.size)
        assert seen[2:5] == pytest.approx(photograph.getpixel((300, 200)), abs=12)


def test_caption_is_of_the_picture_that_is_painted(page: Any, viewed: Viewed) -> None:
    """Pictures come later than the state that names them, or not at all."""
    viewed.predict(1, CUP, source="coffee.jpg")
    viewed.keep(1, "LC50", [0.4], "coffee.jpg")
    open_page(page, viewed)
    page.locator("#frames rect.box").wait_for(state="attached")
    caption = page.locator("#frames p", has_text="frame 1 · coffee.jpg")
    caption.wait_for()
    page.route(re.compile("/pictures/"), lambda route: None)  # never answered
    viewed.predict(2, CUP, source="chelsea.jpg")
    viewed.keep(2, "LC50", [0.4], "chelsea.jpg")
    page.locator("#samples li").nth(1).wait_for()
    page.wait_for_timeout(500)
    assert caption.count() == 1


def test_a_sample_that_waited_for_a_connection_says_so(page: Any, viewed: Viewed) -> None:
    for name, ago in (("LC50", 3 * 3600), ("Entropy", 1), ("Random", -3600)):
        captured = datetime.now(UTC) - timedelta(seconds=ago)
        about = {"core": "Demo", "frame": name, "captured-at": captured.isoformat()}
        message = {"source-ref": f"s3://b/{name}", "config-id": name, "metadata": about}
        viewed.board.receive("feedback/message/prediction", json.dumps(message).encode())
    open_page(page, viewed)
    page.locator("#samples li").nth(2).wait_for()
    lines = [text.replace("\n", " ") for text in page.locator("#samples li").all_inner_texts()]
    assert re.search(r" came [0-9.]+ s ago, 3 h after it was taken · frame LC50", lines[2])
    assert re.search(r" [0-9.]+ s old · frame Entropy", lines[1])
    assert re.search(r" [0-9.]+ s old · frame Random", lines[0]), "its clock is ahead"


def test_a_live_picture_has_the_boxes_of_its_own_frame(page: Any, viewed: Viewed) -> None:
    viewed.preview(7, CUP)
    open_page(page, viewed)
    page.locator("#live rect.box").wait_for(state="attached")
    page.locator("#live p", has_text="frame 7 · coffee.jpg").wait_for()
    assert page.locator("#no-sample").is_visible()
    size = page.locator("#live canvas").evaluate("c => [c.width, c.height]")
    assert size[0] / size[1] == pytest.approx(1.5, abs=0.02)
    viewed.preview(8, CUP)
    viewed.predict(8, CUP, TABLE)  # an envelope has all predictions, and keypoints
    page.locator("#live p", has_text="frame 8").wait_for()
    page.locator("#live rect.box").nth(1).wait_for(state="attached")
    page.locator("#state", has_text="Live").wait_for()


def test_a_live_picture_that_is_none_is_not_passed_on(page: Any, viewed: Viewed) -> None:
    viewed.board.receive("mli/preview/Demo", b'{"frame": {"id": 1}}\n<svg onload="x()"/>')
    open_page(page, viewed)
    page.locator("#live .problem", has_text="it is not an image").wait_for()


def test_a_sample_after_one_that_cannot_be_shown_is_not_held_up(page: Any, viewed: Viewed) -> None:
    viewed.keep(1, "LC50", [0.4], "coffee.jpg")
    viewed.objects["s3://bucket/LC50/1.jpg"] = b"nothing"
    open_page(page, viewed)
    problem = page.locator("#frames .problem")
    problem.filter(has_text="No picture: it is not an image").wait_for()
    viewed.keep(2, "LC50", [0.4], "coffee.jpg")
    page.locator("#frames p", has_text="frame 2").wait_for()
    page.locator("#frames .problem:empty").wait_for(state="attached", timeout=2_000)


def test_a_picture_that_does_not_come_leaves_the_one_before_it(page: Any, viewed: Viewed) -> None:
    viewed.predict(1, CUP)
    viewed.keep(1, "LC50", [0.4], "coffee.jpg")
    open_page(page, viewed)
    page.locator("#frames rect.box").wait_for(state="attached")
    viewed.keep(2, "LC50", [0.4], "coffee.jpg")
    viewed.objects["s3://bucket/LC50/2.jpg"] = b"nothing"
    problem = page.locator("#frames .problem", has_text="No newer picture: it is not an image")
    problem.wait_for()
    assert page.locator("#frames rect.box").count() == 1
    assert "frame 1" in page.locator("#frames p").last.inner_text()
    back = problem.evaluate("e => getComputedStyle(e).backgroundColor")
    assert back == "rgb(255, 255, 255)", "text on a picture could not be read"


def test_another_core_does_not_have_the_pictures_of_the_one_before(
    page: Any, viewed: Viewed
) -> None:
    viewed.predict(1, CUP)
    viewed.keep(1, "LC50", [0.4], "coffee.jpg")
    message = {"source-ref": "s3://none/1.jpg", "config-id": "LC50", "metadata": {"core": "Other"}}
    viewed.board.receive("feedback/message/prediction", json.dumps(message).encode())
    open_page(page, viewed)
    page.locator("#frames rect.box").wait_for(state="attached")
    page.locator("#cores").select_option("Other")
    page.locator("#frames .problem", has_text="No picture: s3://none").wait_for()
    assert page.locator("#frames canvas").evaluate("c => [c.width, c.height]") == [3, 2]


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


def test_keypoints_that_come_after_the_boxes_are_painted(page: Any, viewed: Viewed) -> None:
    viewed.preview(7, CUP)
    open_page(page, viewed)
    page.locator("#live rect.box").wait_for(state="attached")
    posed = Prediction("cup", CUP.score, CUP.box, keypoints=((0.5, 0.5, 0.9),))
    viewed.predict(7, posed)
    page.locator("#live circle").wait_for(state="attached")


def test_a_picture_that_is_gone_when_it_is_asked_for(page: Any, viewed: Viewed) -> None:
    """As for a tab that slept: the last state that it got names pictures of before."""
    asked: list[str] = []

    def late(route: Any) -> None:
        asked.append(route.request.url)
        if len(asked) == 1:
            viewed.preview(2, CUP)
        route.continue_()

    page.route(re.compile("/pictures/"), late)
    viewed.preview(1, CUP)
    open_page(page, viewed)
    page.locator("#live p", has_text="frame 2").wait_for(timeout=4_000)
    for _ in range(100):  # the picture is asked for after the text is there
        if len(set(asked)) == 2:
            break
        page.wait_for_timeout(50)
    assert len(set(asked)) == 2
    assert page.locator("#live .problem").inner_text() == ""


def test_pictures_that_do_not_come_hold_up_nothing_else(page: Any, viewed: Viewed) -> None:
    """A browser has six connections to the page's server, whatever the number of its tabs."""
    ending = threading.Event()

    def silent(uri: str) -> Any:
        ending.wait(30)
        raise TimeoutError("S3 does not answer")

    pictures = Pictures(silent)
    with Server(viewed.board, pictures) as server:
        for frame in range(12):
            viewed.keep(frame, "LC50", [0.4], "coffee.jpg")
        page.goto(server.address)
        page.locator("#samples li").nth(11).wait_for()
        page.wait_for_timeout(500)
        other = page.context.new_page()
        other.goto(server.address, timeout=10_000)
        state(other, "live")
        viewed.preview(1, CUP)
        other.locator("#live rect.box").wait_for(state="attached", timeout=10_000)
        other.close()
        ending.set()


def test_page_says_that_there_are_more_cores_than_it_shows(page: Any, viewed: Viewed) -> None:
    for number in range(MOST_CORES):
        viewed.board.receive(f"mli/predictions/C{number}", b"[]")
    open_page(page, viewed)
    state(page, "live")
    assert page.locator("#hint").is_hidden()
    viewed.board.receive("mli/predictions/Last", b"[]")
    page.locator("#hint", has_text=f"More than {MOST_CORES} cores").wait_for()
