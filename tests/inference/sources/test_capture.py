"""The states of a captured source, with captures that end, fail, hang and come back."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable, ClassVar

import numpy as np
import pytest

from inference.backoff import Backoff
from inference.errors import FrameError
from inference.sources.cameras.attempt import AccessRefusedError, Capture, EndOfVideo, Still
from inference.sources.cameras.capture import CapturePolicy, CaptureSource, Limits
from inference.sources.cameras.pyav import open_video
from inference.sources.frame import NoFrameError
from inference.sources.status import LOST, STOPPED, STREAMING
from tests.waiting import eventually

from .servers import next_frame, require_frame

IMPATIENT = Limits(open_seconds=0.1, read_seconds=0.1, look_seconds=0.01, stuck_threads=2)
PICTURE = np.zeros((4, 6, 3), np.uint8)


class Script:
    """A capture that does what the test says, one item a grab; after the last one it waits."""

    frame_rate = 0.0
    lead_seconds: float | None = 0.0
    gates: ClassVar[list[threading.Event]] = []

    def __init__(self, *items: Any) -> None:
        self.items = list(items)
        self.gate = threading.Event()
        self.gates.append(self.gate)
        self.closed = False
        self.item: Any = None
        self.retrieved = 0

    def grab(self) -> None:
        if not self.items:
            self.gate.wait(5)
            raise OSError("the script is over")
        item = self.items.pop(0)
        if isinstance(item, threading.Event):
            item.wait(5)
            self.grab()
            return
        if isinstance(item, Exception):
            raise item
        self.item = item() if callable(item) else item

    def retrieve(self) -> Still:
        self.retrieved += 1
        return Still(self.item, None, 1.0)

    def close(self) -> None:
        self.closed = True


class Openers:
    """Opens each of the captures in turn; an exception is raised; then there is no camera."""

    def __init__(self, *captures: Any) -> None:
        self.captures = list(captures)
        self.opened = 0

    def __call__(self) -> Capture:
        self.opened += 1
        one = self.captures.pop(0) if self.captures else OSError("no camera")
        if isinstance(one, Exception):
            raise one
        if callable(one):
            one()
        result: Capture = one
        return result


Make = Callable[..., CaptureSource]


@pytest.fixture
def make() -> Iterator[Make]:
    """Builds sources with small limits, and closes them."""
    made: list[CaptureSource] = []

    def build(opener: Callable[[], Any], **options: Any) -> CaptureSource:
        options.setdefault("limits", Limits(look_seconds=0.01))
        options.setdefault("backoff", Backoff(first=0.01, cap=0.02))
        made.append(CaptureSource("camera:0", opener, **options))
        return made[-1]

    yield build
    for gate in Script.gates:
        gate.set()
    for source in made:
        source.close()


def status(source: CaptureSource) -> Any:
    return source.statuses()[0]


def test_the_newest_frame_wins_and_drops_are_counted(make: Make) -> None:
    source = make(lambda: Script(*[np.full((4, 6, 3), n, np.uint8) for n in range(10)]))
    eventually(lambda: status(source).frames == 10, 2)
    frame = require_frame(source)
    assert (frame.id, frame.image[0, 0, 0]) == (10, 9)
    assert (status(source).dropped, status(source).state) == (9, STREAMING)


def test_a_frame_that_nobody_is_about_to_ask_for_is_not_decoded(make: Make) -> None:
    def tick() -> Any:
        time.sleep(0.01)
        return PICTURE

    script = Script(*[tick] * 1000)
    source = make(lambda: script)
    waits = []
    for _ in range(3):
        started = time.monotonic()
        require_frame(source)
        waits.append(time.monotonic() - started)
        time.sleep(0.5)
    assert script.retrieved < status(source).frames / 2
    assert status(source).frames - status(source).dropped in (3, 4)  # one may be ready
    assert max(waits) < 0.2
    assert status(source).state == STREAMING


def test_the_first_frame_after_a_loss_is_decoded_though_nobody_asks(make: Make) -> None:
    come, unplug = threading.Event(), threading.Event()
    source = make(Openers(Script(PICTURE, come, PICTURE, unplug, OSError("gone")), Script(PICTURE)))
    require_frame(source)
    time.sleep(0.5)
    come.set()
    require_frame(source)
    unplug.set()  # the next is not expected to be asked for within 0.4 s
    eventually(lambda: (status(source).reopened, status(source).state) == (1, STREAMING), 0.3)


def test_a_refusal_is_not_asked_about_again_at_once(make: Make) -> None:
    opener = Openers(*[AccessRefusedError("401 Unauthorized")] * 2)
    make(opener, limits=Limits(look_seconds=0.01, refused_seconds=0.4))
    time.sleep(0.2)
    assert opener.opened == 1
    eventually(lambda: opener.opened == 2, 1)


def test_no_frame_at_present_is_said_after_a_bounded_wait(make: Make) -> None:
    source = make(Openers(Script(PICTURE)))
    require_frame(source)
    started = time.monotonic()
    with pytest.raises(NoFrameError, match="camera:0: streaming"):
        source.read()
    assert 0.4 < time.monotonic() - started < 1.0
    with pytest.raises(NoFrameError):
        source.poll()


def test_a_lost_source_is_opened_again_and_says_why(make: Make) -> None:
    unplug = threading.Event()
    first = Script(PICTURE, unplug, OSError("unplugged"))
    opener = Openers(first, OSError("still away"), Script(PICTURE))
    source = make(opener, backoff=Backoff(first=0.1, cap=0.1))
    require_frame(source)
    unplug.set()
    eventually(lambda: status(source).state == LOST, 1)
    assert status(source).reason == "unplugged"
    eventually(lambda: status(source).reason == "still away", 1)
    assert require_frame(source).id == 2
    assert (status(source).state, status(source).reason, status(source).reopened) == (
        STREAMING,
        "",
        2,
    )


def test_waits_between_tries_grow(make: Make) -> None:
    opener = Openers()
    make(opener, backoff=Backoff(first=0.05, cap=10, rng=lambda: 0.0))
    time.sleep(0.5)  # tries at 0, 0.05, 0.15, 0.35, 0.75 s
    assert 3 <= opener.opened <= 4


def test_damaged_frames_are_counted_and_skipped(make: Make) -> None:
    damaged = [
        None,
        np.zeros((0, 0, 3), np.uint8),
        np.zeros((4, 6, 3), np.float32),
        np.zeros((4, 6), np.uint8),
        "no picture",
        FrameError("torn"),
    ]
    source = make(Openers(Script(*damaged, PICTURE)))
    assert require_frame(source).image.shape == (4, 6, 3)
    assert (status(source).failed, status(source).frames) == (6, 1)


def test_a_stream_of_nothing_but_damage_is_lost(make: Make) -> None:
    source = make(Openers(Script(*[None] * 200)), backoff=Backoff(first=9, cap=9))
    eventually(lambda: status(source).state == LOST, 2)
    assert status(source).reason.startswith("100 damaged frames in a row")
    assert status(source).failed == 100


def test_an_open_that_never_returns_is_left_behind_and_tried_again(make: Make) -> None:
    gate = threading.Event()
    late = Script(PICTURE)
    calls = 0

    def opener() -> Capture:
        nonlocal calls
        calls += 1
        if calls == 1:
            gate.wait(10)
            return late
        return Script(PICTURE)

    source = make(opener, limits=IMPATIENT)
    require_frame(source)
    assert (status(source).reopened, status(source).stuck) == (1, 1)
    gate.set()
    eventually(lambda: late.closed, 1)  # what it opened at last is closed, and never read
    assert late.items


def test_a_read_that_never_returns_is_left_behind(make: Make) -> None:
    source = make(
        Openers(Script(PICTURE), Script(PICTURE, PICTURE)),
        backoff=Backoff(first=1, cap=1),
        limits=IMPATIENT,
    )
    require_frame(source)
    eventually(lambda: status(source).state == LOST, 2)
    assert "reading a frame has hung" in status(source).reason


def test_the_number_of_stuck_threads_is_bounded_and_ends_with_their_return(
    make: Make, tmp_path: Path
) -> None:
    """Opening a pipe that nobody writes to hangs in the kernel, below FFmpeg: the real thing."""
    pipe = tmp_path / "camera.mp4"
    os.mkfifo(pipe)
    calls = 0

    def tick() -> Any:
        time.sleep(0.01)
        return PICTURE

    def opener() -> Capture:
        nonlocal calls
        calls += 1
        return open_video(str(pipe)) if calls <= 2 else Script(*[tick] * 10_000)

    source = make(opener, limits=IMPATIENT)
    eventually(lambda: "2 threads hang in its driver" in status(source).reason, 5)
    time.sleep(0.1)
    assert (calls, status(source).stuck, status(source).state) == (2, 2, LOST)
    pipe.open("wb").close()
    require_frame(source)
    eventually(lambda: status(source).stuck == 0, 2)


def test_close_leaves_a_stuck_thread_behind_within_two_seconds(make: Make) -> None:
    gate = threading.Event()
    source = make(lambda: gate.wait(10))
    started = time.monotonic()
    source.close()
    assert time.monotonic() - started < 2
    assert (source.read(), status(source).state, status(source).reason) == (None, STOPPED, "closed")
    gate.set()


def test_close_ends_both_threads_and_accounts_for_the_last_frame(make: Make) -> None:
    before = threading.active_count()
    script = Script(PICTURE)
    source = make(Openers(script))
    eventually(lambda: status(source).frames == 1, 1)
    script.gate.set()
    source.close()
    assert script.closed
    assert threading.active_count() == before
    assert (status(source).frames, status(source).dropped) == (1, 1)


def test_whatever_a_binding_raises_is_a_loss_without_credentials(make: Make) -> None:
    error = RuntimeError("cannot open rtsp://admin:hunter2@camera/?token=abc")
    source = make(Openers(error), backoff=Backoff(first=9, cap=9))
    eventually(lambda: status(source).state == LOST, 1)
    assert status(source).reason == "RuntimeError: cannot open rtsp://***@camera/?token=***"


def test_a_video_without_repeat_loses_no_frame_and_ends(make: Make) -> None:
    script = Script(*[PICTURE] * 20, EndOfVideo())
    source = make(Openers(script), policy=CapturePolicy(live=False, retry=False))
    frames = 0
    while next_frame(source) is not None:
        frames += 1
    assert (frames, status(source).dropped, status(source).reason) == (20, 0, "ended")


def test_a_video_with_repeat_begins_again_without_being_lost(make: Make) -> None:
    opener = Openers(*[Script(PICTURE, EndOfVideo()) for _ in range(3)])
    source = make(opener, policy=CapturePolicy(repeat=True), backoff=Backoff(first=9, cap=9))
    eventually(lambda: status(source).frames == 3, 1)
    assert status(source).reopened == 0


@pytest.mark.parametrize("rate", [0.0, 90_000.0, float("nan")])
def test_a_video_that_knows_no_frame_rate_plays_at_a_usual_one(make: Make, rate: float) -> None:
    script = Script(*[PICTURE] * 1000)
    script.frame_rate = rate
    source = make(lambda: script, policy=CapturePolicy(paced=True, repeat=True))
    time.sleep(0.5)
    assert 5 < status(source).frames < 20


def test_a_video_that_cannot_be_read_once_ends_with_the_reason(make: Make) -> None:
    source = make(
        Openers(OSError("it is not a video")), policy=CapturePolicy(live=False, retry=False)
    )
    assert next_frame(source) is None
    assert (status(source).state, status(source).reason) == (STOPPED, "it is not a video")


def test_too_little_memory_for_a_frame_costs_only_that_frame(make: Make) -> None:
    source = make(Openers(Script(MemoryError(), PICTURE)))
    require_frame(source)
    assert (status(source).failed, status(source).reopened) == (1, 0)
