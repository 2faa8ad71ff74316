"""Several sources on one core: fair turns, unique ids, a state each."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from inference.errors import FrameError
from inference.sources import Frame, FrameSource, NoFrameError, SourceStatus, open_source
from inference.sources.frame import WAIT_SECONDS
from inference.sources.pattern import draw
from inference.sources.several import SeveralSources

from .servers import jpeg, require_frame


class Feed(FrameSource):
    """Frames that the test puts in."""

    def __init__(self, name: str, *frames: object, ends: bool = False) -> None:
        self.name = name
        self.frames = list(frames)
        self.ends = ends
        self.wake: Callable[[], None] = lambda: None

    def read(self) -> Frame | None:
        raise AssertionError("several sources are polled, never waited for")

    def poll(self) -> Frame | None:
        if not self.frames and self.ends:
            return None
        if not self.frames:
            raise NoFrameError(self.name)
        item = self.frames.pop(0)
        if isinstance(item, Exception):
            raise item
        return Frame(1, self.name, item, None, 0.0, 0.0)

    def call_on_frame(self, wake: Callable[[], None]) -> None:
        self.wake = wake


def test_each_source_with_a_frame_gets_its_turn_before_any_gets_two() -> None:
    source = SeveralSources([Feed("a", *range(5)), Feed("b", 1), Feed("c", *range(3))])
    frames = [require_frame(source) for _ in range(9)]
    assert "".join(frame.source for frame in frames) == "abcacacaa"
    assert [frame.id for frame in frames] == list(range(1, 10))


class Still(FrameSource):
    """Fetches a frame when it is polled, and keeps it until it is polled again."""

    fetches_on_request = True

    def __init__(self, name: str, seconds: float = 0.02, reason: str = "") -> None:
        self.name = name
        self.seconds = seconds
        self.status = SourceStatus(name, reason=reason)
        self.fetched_at = float("inf")

    def read(self) -> Frame | None:
        raise AssertionError("several sources are polled, never waited for")

    def poll(self) -> Frame | None:
        now = time.monotonic()
        if now >= self.fetched_at:
            fetched_at, self.fetched_at = self.fetched_at, float("inf")
            return Frame(1, self.name, 1, None, fetched_at, 0.0)
        self.fetched_at = min(self.fetched_at, now + self.seconds)
        raise NoFrameError(self.name)

    def statuses(self) -> tuple[SourceStatus, ...]:
        return (self.status,)


def test_a_still_is_fetched_when_it_is_its_turn_and_is_not_old_when_it_is_used() -> None:
    source = SeveralSources([Still(name) for name in "abc"])
    served = []
    for _ in range(7):
        frame = require_frame(source)
        assert time.monotonic() - frame.captured_at < 0.3
        served.append(frame.source)
        time.sleep(0.4)
    assert "".join(served) == "abcabca"


@pytest.mark.parametrize(("reason", "most"), [("it is lost", 0.6), ("", 2.5)])
def test_a_still_that_does_not_come_holds_up_the_others_for_a_moment_at_most(
    reason: str, most: float
) -> None:
    source = SeveralSources([Still("a", 1e9, reason), Still("b"), Feed("c", 1), Still("d")])
    started = time.monotonic()
    assert sorted(require_frame(source).source for _ in range(3)) == ["b", "c", "d"]
    assert time.monotonic() - started < most


def test_a_damaged_frame_costs_only_its_source_a_turn() -> None:
    source = SeveralSources([Feed("a", FrameError("torn"), 1), Feed("b", 1, 2)])
    with pytest.raises(FrameError, match="torn"):
        source.read()
    assert "".join(require_frame(source).source for _ in range(3)) == "bab"


def test_it_ends_when_all_have_ended() -> None:
    source = SeveralSources([Feed("a", 1, ends=True), Feed("b", 1, 2, ends=True)])
    assert [require_frame(source).source for _ in range(3)] == ["a", "b", "b"]
    assert source.read() is None


def test_it_waits_a_bounded_time_and_wakes_for_a_frame() -> None:
    feed = Feed("a")
    source = SeveralSources([feed, Feed("b")])
    started = time.monotonic()
    with pytest.raises(NoFrameError, match="a; b"):
        source.read()
    assert WAIT_SECONDS <= time.monotonic() - started < 2 * WAIT_SECONDS

    def arrive() -> None:
        feed.frames.append(1)
        feed.wake()

    threading.Timer(0.15, arrive).start()
    assert require_frame(source).source == "a"


def test_real_sources_side_by_side_and_a_lost_one_holds_up_none(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg())
    source = open_source(f'["{tmp_path}", "test-pattern:64x48", "camera:99"]', repeat=True)
    started = time.monotonic()
    names = Counter(Path(require_frame(source).source).name for _ in range(20))
    assert names == {"a.jpg": 10, "test-pattern:64x48": 10}
    assert time.monotonic() - started < 1
    states = [status.state for status in source.statuses()]
    assert states[:2] == ["streaming", "streaming"]
    assert states[2] in ("connecting", "lost")
    source.close()
    assert {status.state for status in source.statuses()} == {"stopped"}
    assert time.monotonic() - started < 3


def test_the_test_pattern_moves_and_has_the_size_that_was_asked_for() -> None:
    source = open_source("test-pattern:320x200", repeat=True)
    first, second = require_frame(source), require_frame(source)
    assert first.image.shape == (200, 320, 3)
    assert (first.image != second.image).any()
    assert (second.image == draw(2, 320, 200)).all()
    source.close()
    assert source.read() is None
