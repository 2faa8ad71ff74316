"""Columns of ``watch``, its colours, and cores that fall silent."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.names import FEEDBACK_PREDICTION_TOPIC
from local_core.cloud import LocalCloud
from mli.errors import MliError
from mli.watch.awaited import Awaited
from mli.watch.columns import Columns, cut, cut_start, width_of
from mli.watch.display import Message
from mli.watch.silence import Silences, silent_after
from tests.mli.support import Commands

NOW = datetime(2026, 11, 27, 9, 5, 7, tzinfo=UTC)
STAGES = {"capture": 1.0, "inference": 31.04}


def envelope(label: str, *, source: str = "images/coffee.jpg") -> dict[str, Any]:
    return {
        "frame": {"id": 4, "source": source},
        "latencyMs": STAGES,
        "predictions": [{"label": label, "score": 0.96}],
    }


def message(content: Any, core: str = "A", kind: str = "predictions") -> Message:
    found = Message.parse(f"mli/{kind}/{core}", json.dumps(content).encode(), NOW)
    assert found is not None
    return found


def test_columns_stay_where_they_are() -> None:
    columns = Columns()
    lines = [
        columns.line(message(envelope("cup"), "Demo"), 2.13),
        columns.line(
            message(envelope("猫", source="a" * 40 + ".jpg"), "a-longer-name-of-a-core"), 0.5
        ),
        columns.line(message(envelope("dog"), "Demo"), None),
        columns.line(message([], "Demo"), None),
    ]
    assert lines[0] == "09:05:07 Demo           32.0 ms coffee.jpg         cup 0.96  2.13/s"
    assert lines[1].endswith("  32.0 ms …aaaaaaaaaaaaa.jpg 猫 0.96  0.50/s")
    assert lines[2].index("dog") == lines[1].index("猫") == lines[3].index("nothing found")


def test_the_list_format_has_no_empty_columns() -> None:
    line = Columns().line(message([{"prediction": "cup", "confidence": "0.96"}]), None)
    assert line == "09:05:07 A            cup 0.96"


@pytest.mark.parametrize(
    ("cells", "line"),
    [
        (200, "09:05:07 A              32.0 ms coffee.jpg         cup 0.96  2.13/s"),
        (80, "09:05:07 A              32.0 ms coffee.jpg         cup 0.96  2.13/s"),
        (60, "09:05:07 A              32.0 ms cup 0.96  2.13/s"),
        (40, "09:05:07 A          cup 0.96  2.13/s"),
        (20, "09:05:07 A     cup …"),
    ],
)
def test_a_narrow_terminal_has_fewer_columns(cells: int, line: str) -> None:
    assert Columns().line(message(envelope("cup")), 2.13, cells) == line


@given(st.integers(1, 120), st.text(max_size=60), st.text(max_size=40), st.none() | st.just(1.0))
def test_no_line_is_wider_than_the_terminal(
    cells: int, label: str, source: str, rate: float | None
) -> None:
    line = Columns().line(message(envelope(label, source=source)), rate, cells)
    assert width_of(line) <= cells
    assert line.isprintable()


def test_cutting_counts_wide_letters_twice() -> None:
    assert (width_of("猫a"), width_of("e\u0301")) == (3, 1)
    assert (cut("猫猫猫", 5), cut("abc", 3), cut("abc", 2), cut("abc", 0)) == (
        "猫猫…",
        "abc",
        "a…",
        "",
    )
    assert cut_start("/long/path.jpg", 9) == "…path.jpg"


@pytest.mark.parametrize(
    ("gaps", "seconds"), [([], 150), ([0.2], 15), ([0.2] * 10, 15), ([30], 60), ([3600, 1], 150)]
)
def test_a_core_is_silent_by_its_own_pauses(gaps: list[float], seconds: float) -> None:
    assert silent_after(gaps) == seconds


def test_silence_is_said_at_once_and_when_it_has_doubled() -> None:
    silences = Silences()
    for second in range(3):
        silences.heard("A", float(second))
    silences.heard("B", 2.0)
    told = []
    for second in range(3, 100):
        if second % 10 == 0:
            silences.heard("B", float(second))
        told += [(second, core, pause) for core, pause in silences.news(float(second))]
    assert told == [(17, "A", 15.0), (32, "A", 30.0), (62, "A", 60.0)]
    silences.heard("A", 100.0)
    assert silences.news(101.0) == []


def test_messages_that_name_no_core_are_of_nobody_who_could_be_silent() -> None:
    silences = Silences()
    sample = Message.parse(FEEDBACK_PREDICTION_TOPIC, b'{"source-ref": "s3://b/k"}', NOW)
    assert sample is not None
    silences.heard(sample.core_name, 0.0)
    silences.heard(sample.core_name, 1.0)
    assert silences.news(1000.0) == []


def test_each_prediction_has_the_whole_time_and_the_last_fault_is_named() -> None:
    awaited = Awaited(count=2, timeout=10.0, since=0.0)
    awaited.heard(message([]), 9.0)
    awaited.heard(message({"health": {"status": "ok"}}, kind="telemetry"), 18.0)
    assert not awaited.is_late(18.9)
    assert awaited.is_late(19.0)
    with pytest.raises(MliError, match=r"^1 of 2 .* in the last 10 s: `mli status A` shows why$"):
        awaited.check(19.0, "A")
    ill = {"health": {"status": "degraded", "faults": ["model: no file", "no camera: x"]}}
    awaited.heard(message(ill, kind="telemetry"), 19.0)
    with pytest.raises(MliError, match=r"A reports model: no file; no camera: x$"):
        awaited.check(19.0, "A")
    awaited.heard(message([]), 20.0)
    assert awaited.is_complete()
    awaited.check(99.0, "A")


def test_without_a_number_nothing_is_awaited() -> None:
    awaited = Awaited(count=None, timeout=10.0, since=0.0)
    assert (awaited.is_late(99.0), awaited.is_complete()) == (False, False)
    awaited.check(99.0, "A")


def test_nobody_is_silent_while_there_is_no_connection() -> None:
    silences = Silences()
    silences.heard("A", 0.0)
    for second in range(300):
        silences.disconnected(float(second))
        assert silences.news(float(second)) == []
    assert silences.news(448.0) == []
    assert silences.news(449.0) == [("A", 150.0)]


@contextmanager
def watching(cells: int, **variables: str) -> Iterator[Callable[[re.Pattern[str]], str]]:
    """Run ``watch --all`` in a terminal; yield what waits for a text in it."""
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "mli", "watch", "--all"]
    plain = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    environment = {**plain, "COLUMNS": str(cells), "TERM": "xterm", **variables}
    running = subprocess.Popen(
        command, stdin=follower, stdout=follower, stderr=follower, env=environment,
        start_new_session=True,
    )  # fmt: skip
    os.close(follower)
    seen = ""

    def until(wanted: re.Pattern[str]) -> str:
        nonlocal seen
        end = time.monotonic() + 60
        while not wanted.search(seen):
            assert time.monotonic() < end, seen
            if select.select([leader], [], [], 0.1)[0]:
                seen += os.read(leader, 4096).decode()
        return seen

    try:
        yield until
        running.send_signal(signal.SIGINT)
        until(re.compile("messages? of 1 core in"))
        assert running.wait(30) == 0
        assert "Traceback" not in seen
    finally:
        running.kill()
        running.wait()
        os.close(leader)


@pytest.mark.parametrize("no_colour", ["", "1"])
def test_colours_only_where_they_are_wanted(
    commands: Commands, cloud: LocalCloud, no_colour: str
) -> None:
    data = cloud.client("iot-data")
    ill = {"health": {"status": "degraded", "faults": ["no camera: \x1b[2J gone"]}}
    with watching(50, NO_COLOR=no_colour) as until:
        until(re.compile("connected to"))
        for topic, content in (
            ("predictions", envelope("cup")),
            ("telemetry", ill),
            ("predictions", envelope("last")),
        ):
            data.publish(topic=f"mli/{topic}/Tty", qos=1, payload=json.dumps(content))
        shown = until(re.compile("last 0.96"))
    lines = [line for line in shown.splitlines() if "Tty" in line]
    assert r"\x1b[2J" in shown or "…" in lines[1]
    assert all(width_of(re.sub(r"\x1b\[\d+m", "", line)) <= 50 for line in lines)
    codes = re.findall(r"\x1b\[\d*m", shown)
    assert codes == ([] if no_colour else ["\x1b[31m", "\x1b[0m"])
