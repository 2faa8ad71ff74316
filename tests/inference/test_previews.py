"""Live pictures: small, due now and then, and never in the way of anything else."""

from __future__ import annotations

import json
import threading
from contextlib import closing
from functools import partial

import cv2
import numpy as np
import pytest

from inference.errors import FrameError
from inference.names import MAX_MESSAGE_BYTES
from inference.outgoing.previews import Previews, PreviewSink, preview_message
from inference.pipeline.results import FrameResult
from inference.settings import InferenceSettings
from inference.sources import Frame
from inference.vision.postprocess import Prediction
from inference.vision.scores import Scores
from inference.vision.thumbnail import Thumbnails
from tests.waiting import eventually

NOISE = np.random.default_rng(0).integers(0, 256, (1080, 1920, 3), dtype=np.uint8)


def frame(number: int = 1, *, image: object = NOISE, origin: str = "") -> Frame:
    return Frame(number, "camera:0", image, None, 1_795_000_000.25, 0.1, origin)


def result(*predictions: Prediction) -> FrameResult:
    return FrameResult(
        1, "camera:0", 1920, 1080, 1_795_000_000.25, predictions, {}, lambda: Scores((), (), False)
    )


@pytest.mark.parametrize("shape", [(1080, 1920, 3), (4000, 30, 3), (1, 1, 3), (300, 451, 3)])
def test_any_picture_fits_into_a_message(shape: tuple[int, int, int]) -> None:
    image = np.ascontiguousarray(np.resize(NOISE, shape))
    many = [Prediction("ü" * 300, 0.5, (0.1, 0.2, 0.3, 0.4))] * 50
    payload = preview_message(frame(image=image), result(*many), Thumbnails())
    assert len(payload) <= MAX_MESSAGE_BYTES
    head, _, jpeg = payload.partition(b"\n")
    decoded = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    longest = max(shape[:2])
    assert decoded.shape[0] / decoded.shape[1] == pytest.approx(shape[0] / shape[1], rel=0.5)
    assert max(decoded.shape[:2]) <= min(400, longest)
    assert json.loads(head)["frame"] == {
        "id": 1, "source": "camera:0", "width": shape[1], "height": shape[0]
    }  # fmt: skip


def test_a_photograph_keeps_its_content() -> None:
    """A picture of a scene stays larger than noise does, and looks like the scene."""
    ramp = np.linspace(0, 255, 1920).astype(np.uint8)
    image = np.repeat(np.repeat(ramp[None, :, None], 1080, 0), 3, 2)
    cup = Prediction("cup", 0.96030, (0.28791, 0.05112, 0.68895, 0.60998))
    head, _, jpeg = preview_message(frame(image=image), result(cup), Thumbnails()).partition(b"\n")
    decoded = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert decoded.shape == (225, 400, 3)
    assert abs(int(decoded[100, 300, 0]) - 191) < 6
    said = json.loads(head)
    assert said["predictions"] == [["cup", 0.9603, [0.2879, 0.0511, 0.6889, 0.61]]]
    assert said["timestamp"].endswith(".250Z")


def test_thumbnails_refuse_what_cannot_fit() -> None:
    with pytest.raises(FrameError, match="does not fit into 20 bytes"):
        Thumbnails()(NOISE, 20)


def test_previews_are_due_by_interval_source_and_limit() -> None:
    offered: list[tuple[float, str]] = []
    clock = [1_000.0]
    sink = PreviewSink(
        lambda one, _: offered.append((clock[0] - 1_000, one.origin)), 10, lambda: clock[0]
    )
    for _ in range(120):  # a minute of two cameras, two frames per second each
        for origin in ("a", "b"):
            sink(frame(origin=origin), result())
        clock[0] += 0.5
    for origin, first in (("a", 0), ("b", 1)):
        assert [at for at, one in offered if one == origin] == [first + 10 * n for n in range(6)]


def test_a_source_that_follows_right_after_another_takes_turns_with_it() -> None:
    """Two stills, every ten seconds each."""
    offered: list[str] = []
    clock = [1_000.0]
    sink = PreviewSink(lambda one, _: offered.append(one.origin), 10, lambda: clock[0])
    for _ in range(12):
        for origin, seconds in (("a", 0.05), ("b", 9.95)):
            sink(frame(origin=origin), result())
            clock[0] += seconds
    assert offered.count("a") >= 5
    assert offered.count("b") >= 5


def test_many_sources_share_one_preview_per_second() -> None:
    offered: list[str] = []
    clock = [1_000.0]
    sink = PreviewSink(lambda one, _: offered.append(one.origin), 1, lambda: clock[0])
    for number in range(16 * 100):
        sink(frame(origin=str(number % 16)), result())
        clock[0] += 0.1
    assert len(offered) <= 160
    assert min(offered.count(str(source)) for source in range(16)) >= 5, "none starves"


def test_nothing_waits_for_a_preview_and_only_the_newest_remains() -> None:
    entered, go = threading.Event(), threading.Event()
    sent: list[bytes] = []

    def send(topic: str, payload: bytes) -> None:
        entered.set()
        go.wait(10)
        sent.append(payload)

    with closing(Previews(send, Thumbnails(), lambda: True)) as made:
        made.sink("Demo", 1)
        for number in range(1, 6):
            made.put("topic", frame(number), result())  # returns although nothing answers
            assert entered.wait(10)
        go.set()
        eventually(lambda: made.counters.sent == 2)
    ids = [json.loads(one.partition(b"\n")[0])["frame"]["id"] for one in sent]
    assert (ids, made.counters.dropped) == ([1, 5], 3)


def test_no_preview_is_made_while_messages_wait() -> None:
    encoded: list[object] = []

    def encode(image: object, room: int) -> bytes:
        encoded.append(image)
        return b""

    with closing(Previews(lambda topic, payload: None, encode, lambda: False)) as made:
        made.sink("Demo", 10)(frame(), result())
        eventually(lambda: made.counters.dropped == 1)
    assert encoded == []


def test_a_failure_is_counted_and_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def send(topic: str, payload: bytes) -> None:
        raise OSError("the nucleus is away")

    with closing(Previews(send, Thumbnails(), lambda: True)) as made:
        made.sink("Demo", 1)
        for number in range(1, 4):
            made.put("topic", frame(number), result())
            eventually(partial(_has_dropped, made, number))
        made.put("topic", frame(image=np.zeros((0, 0, 3), np.uint8)), result())
        eventually(lambda: made.counters.failed == 1)
    assert caplog.text.count("the nucleus is away") == 1


def _has_dropped(made: Previews, count: int) -> bool:
    return made.counters.dropped == count


@pytest.mark.parametrize(("given", "seconds"), [(10, 10.0), ("2.5", 2.5), (0, None), ("0", None)])
def test_interval_is_seconds_or_none(given: object, seconds: float | None) -> None:
    read = InferenceSettings.from_configuration({"coreName": "Demo", "previewInterval": given})
    assert read.preview_interval == seconds
    assert (read.digest() == InferenceSettings("Demo").digest()) == (seconds is None)
