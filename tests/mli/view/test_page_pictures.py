"""Pictures, boxes and labels on the page, in a real browser."""

from __future__ import annotations

import io
import itertools
import json
import re
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from PIL import Image

from inference.vision.postprocess import Prediction
from mli.view.pictures import Pictures
from mli.view.server import Server

from .conftest import CUP, TABLE, Viewed
from .opened_page import open_page, state

pytestmark = pytest.mark.browser


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
