from __future__ import annotations

import os
import queue
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from local_core.nucleus import lifecycle
from local_core.nucleus.lifecycle import ComponentLifecycle, ComponentPlan, Script, State
from tests.local_core.support import SECONDS
from tests.waiting import eventually

PATH = {"PATH": os.environ["PATH"]}
GRACE = 0.3


class Life:
    """A component's life under test, with the states that it went through."""

    def __init__(
        self, root: Path, install: str | None, run: str | None, /, **limits: float
    ) -> None:
        self.root = root
        self.events: queue.SimpleQueue[lifecycle.StateChange] = queue.SimpleQueue()
        plan = ComponentPlan(
            component="com.A",
            folder=root / "work" / "com.A",
            log=root / "logs" / "com.A.log",
            install=self._script("install", install, limits),
            run=self._script("run", run, limits),
        )
        self.log = plan.log
        self.component = ComponentLifecycle(plan, self.events.put, stop_grace=GRACE)

    @staticmethod
    def _script(step: str, text: str | None, limits: Mapping[str, float]) -> Script | None:
        return None if text is None else Script(step, text, PATH, limits.get(step))

    def next(self) -> tuple[State, str]:
        event = self.events.get(timeout=SECONDS)
        return event.state, event.reason

    def until(self, wanted: State) -> list[State]:
        states = [self.next()[0]]
        while states[-1] != wanted:
            states.append(self.next()[0])
        return states

    def written_pid(self, name: str) -> int:
        file = self.root / "work" / "com.A" / name
        return int(eventually(lambda: file.exists() and file.read_text().strip()))


Start = Callable[..., Life]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    lives: list[Life] = []

    def begin(install: str | None, run: str | None, /, **limits: float) -> Life:
        life = Life(tmp_path, install, run, **limits)
        life.component.start()
        lives.append(life)
        return life

    yield begin
    for life in lives:
        life.component.request_stop()
        life.component.join()


def test_component_whose_log_cannot_be_written_is_broken(tmp_path: Path) -> None:
    """As on a full disk."""
    life = Life(tmp_path, None, "echo said")
    life.log.parent.mkdir()
    life.log.symlink_to("/dev/full")
    life.component.start()
    while (event := life.next())[0] is not State.BROKEN:
        assert event[0] in (State.RUNNING, State.ERRORED)
    assert event[1] == "run could not start: [Errno 28] No space left on device"
    life.component.join()


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_install_then_run_then_finished(start: Start) -> None:
    life = start("echo installed; pwd", "echo ran")
    assert life.until(State.FINISHED) == [State.NEW, State.RUNNING, State.FINISHED]
    log = life.log.read_text()
    assert f"installed\n{life.root / 'work' / 'com.A'}\n" in log
    assert "ran\n" in log


def test_component_without_run_is_finished_after_install(start: Start) -> None:
    assert start("true", None).until(State.FINISHED) == [State.NEW, State.FINISHED]


def test_output_of_both_streams_is_in_the_log(start: Start) -> None:
    life = start(None, "echo out; echo err >&2")
    life.until(State.FINISHED)
    assert {"out", "err"} <= set(life.log.read_text().splitlines())


def test_error_is_followed_by_a_restart(start: Start) -> None:
    life = start(None, "test -e again || { touch again; exit 3; }")
    states = life.until(State.FINISHED)
    assert states == [State.RUNNING, State.ERRORED, State.RUNNING, State.FINISHED]


def test_third_error_leaves_the_component_broken(start: Start) -> None:
    life = start("true", "echo x >> runs; exit 7")
    states = life.until(State.BROKEN)
    assert states.count(State.ERRORED) == 2
    assert (life.root / "work" / "com.A" / "runs").read_text() == "x\n" * 3
    life.component.join()
    assert life.events.empty()


def test_errors_long_ago_do_not_count(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "ERROR_RESET_SECONDS", 0.0)
    life = start(None, "echo x >> runs; test $(wc -l < runs) -ge 5")
    assert life.until(State.FINISHED).count(State.ERRORED) == 4


def test_failed_install_never_runs(start: Start) -> None:
    life = start("exit 1", "echo ran > ran")
    assert State.RUNNING not in life.until(State.BROKEN)
    assert not (life.root / "work" / "com.A" / "ran").exists()


def test_install_over_its_time_is_an_error_and_is_killed(start: Start) -> None:
    life = start("echo $$ > pid; exec sleep 60", None, install=0.2)
    assert life.next() == (State.NEW, "")
    pid = life.written_pid("pid")
    assert life.next() == (State.ERRORED, "install did not end within 0.2 s")
    assert not is_running(pid)


def test_reported_error_restarts_the_component(start: Start) -> None:
    life = start(None, "exec sleep 60")
    assert life.next() == (State.RUNNING, "")
    life.component.report_error()
    assert life.next() == (State.ERRORED, "run reported ERRORED")
    assert life.next() == (State.RUNNING, "")


def test_stop_ends_the_whole_group(start: Start) -> None:
    life = start(None, "sleep 60 & echo $! > child; echo $$ > parent; wait")
    pids = [life.written_pid("child"), life.written_pid("parent")]
    life.component.request_stop()
    life.component.join()
    assert not [pid for pid in pids if is_running(pid)]
    assert life.until(State.STOPPED) == [State.RUNNING, State.STOPPED]


def test_stop_kills_what_ignores_the_request(start: Start) -> None:
    life = start(None, "trap '' TERM; echo $$ > pid; while true; do sleep 0.05; done")
    pid = life.written_pid("pid")
    began = time.monotonic()
    life.component.request_stop()
    life.component.join()
    assert not is_running(pid)
    assert GRACE <= time.monotonic() - began < 2


def test_stop_gives_time_to_end_in_order(start: Start) -> None:
    life = start(
        None, "trap 'echo bye; exit 0' TERM; echo $$ > pid; while true; do sleep 0.05; done"
    )
    life.written_pid("pid")
    life.component.request_stop()
    life.component.join()
    assert life.log.read_text().endswith("bye\n")


def test_what_a_script_left_behind_is_killed(start: Start) -> None:
    life = start(None, "sleep 60 & echo $! > child")
    pid = life.written_pid("child")
    life.until(State.FINISHED)
    assert not is_running(pid)


def test_stop_during_install(start: Start) -> None:
    life = start("echo $$ > pid; exec sleep 60", "true")
    pid = life.written_pid("pid")
    life.component.request_stop()
    life.component.join()
    assert not is_running(pid)
    assert life.until(State.STOPPED) == [State.NEW, State.STOPPED]
