"""The connection to a nucleus that hangs, ends and returns, against a real IPC server."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from inference.component import nucleus as greengrass_ipc
from inference.component.live_configuration import LiveConfiguration
from inference.component.nucleus import Nucleus
from inference.schema import ConfigurationError, Fault
from local_core.ipc.dialect import CLASSIC, LITE, Dialect
from tests.component.conftest import COMPONENT, Broker
from tests.local_core.support import MQTT, Bench, policy
from tests.waiting import eventually

pytestmark = pytest.mark.slow


@pytest.fixture
def broker() -> Iterator[Broker]:
    made = Broker()
    yield made
    made.answers.set()


@pytest.fixture
def bench(broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    made = Bench(tmp_path / "s", cloud=broker)
    made.store.put(COMPONENT, {"coreName": "core1", "accessControl": {MQTT: policy(["*"], ["*"])}})
    monkeypatch.setenv("SVCUID", made.server.register(COMPONENT))
    monkeypatch.setenv("AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT", str(tmp_path / "s"))
    with made.served():
        yield made
        broker.answers.set()


def test_a_call_without_an_answer_fails_in_time_and_the_next_one_connects_again(
    bench: Bench, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(greengrass_ipc, "_SECONDS", 0.5)
    nucleus = Nucleus()
    broker.answers.clear()
    began = time.monotonic()
    with pytest.raises(OSError, match="TimeoutError"):
        nucleus.publish_to_iot_core("t", b"1")
    assert time.monotonic() - began < 2
    # The hanging connection was closed: this call does not wait behind the first one.
    assert nucleus.configuration()["coreName"] == "core1"
    broker.answers.set()
    nucleus.publish_to_iot_core("t", b"2")
    eventually(lambda: sorted(broker.on("t")) == [1, 2])
    nucleus.close()


def test_a_nucleus_that_is_gone_is_reported_and_its_return_is_noticed(bench: Bench) -> None:
    nucleus = Nucleus()
    changes: queue.SimpleQueue[str] = queue.SimpleQueue()
    nucleus.watch_configuration(lambda: changes.put("changed"))
    bench.server.disconnect_all()
    with pytest.raises(OSError, match="the nucleus"):
        nucleus.configuration()
    assert nucleus.configuration()["coreName"] == "core1"
    assert changes.get(timeout=5) == "changed"
    bench.store.merge(COMPONENT, (), {"topK": 3})
    assert changes.get(timeout=5) == "changed"
    nucleus.close()


def test_closing_does_not_wait_for_a_connection_that_is_being_made(bench: Bench) -> None:
    nucleus = Nucleus()
    begun = threading.Event()
    free = threading.Event()

    def hold() -> None:
        with nucleus._lock:
            begun.set()
            free.wait(10)

    threading.Thread(target=hold, daemon=True).start()
    assert begun.wait(5)
    began = time.monotonic()
    nucleus.close()
    assert time.monotonic() - began < 2
    free.set()


def test_a_configuration_that_cannot_be_read_now_is_read_later_and_not_refused() -> None:
    failures = [OSError("the call to the nucleus failed"), OSError("nor now")]
    applied: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def read() -> dict[str, Any]:
        if failures:
            raise failures.pop()
        return {"topK": 3}

    live = LiveConfiguration(read, applied.put, settle=0.01, retry=0.05)
    live.changed()
    assert applied.get(timeout=5) == {"topK": 3}
    assert live.refusal is None
    live.close()


def test_a_change_that_the_nucleus_does_not_report_is_read_all_the_same() -> None:
    values = {"topK": 1}
    applied: queue.SimpleQueue[Any] = queue.SimpleQueue()
    live = LiveConfiguration(lambda: dict(values), applied.put, settle=0.01, poll=0.05)
    assert applied.get(timeout=5) == {"topK": 1}
    values["topK"] = 3
    assert applied.get(timeout=5) == {"topK": 3}
    time.sleep(0.3)
    assert applied.empty()
    live.close()


def test_a_refused_configuration_is_reported_once_although_it_is_read_again_and_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    reads: list[int] = []

    def read() -> dict[str, Any]:
        reads.append(1)
        return {"topK": "many"}

    def refuse(values: Any) -> None:
        raise OSError("no such value")

    live = LiveConfiguration(read, refuse, settle=0.01, poll=0.02)
    eventually(lambda: len(reads) > 6)
    live.close()
    assert caplog.text.count("is refused, the old one stays") == 1
    assert live.refusal == "no such value"


def test_a_configuration_that_was_none_for_a_moment_is_refused_for_no_longer() -> None:
    values: list[Any] = [{"topK": 3}]
    applied: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def read() -> dict[str, Any]:
        if values[0] is None:
            raise ConfigurationError([Fault("configuration", None, "must be a JSON object")])
        return dict(values[0])

    live = LiveConfiguration(read, applied.put, settle=0.01, poll=0.02)
    applied.get(timeout=5)
    values[0] = None  # nucleus lite before 2.6 does not report either change
    eventually(lambda: live.refusal is not None)
    values[0] = {"topK": 3}
    eventually(lambda: live.refusal is None)
    live.close()


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ImportError("libX.so.1: cannot open shared object file"), "libX.so.1 is missing"),
        (MemoryError(), "MemoryError"),
        (RuntimeError("can't start new thread"), "can't start new thread"),
    ],
)
def test_after_any_failure_the_next_change_is_applied(error: Exception, reason: str) -> None:
    values: dict[str, Any] = {"topK": 1}
    applied: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def apply(values: Any) -> None:
        if values["topK"] == 2:
            raise error
        applied.put(values)

    live = LiveConfiguration(lambda: dict(values), apply, settle=0.01, poll=0.05)
    applied.get(timeout=5)
    values["topK"] = 2
    eventually(lambda: live.refusal is not None and reason in live.refusal)
    values["topK"] = 3
    assert applied.get(timeout=5) == {"topK": 3}
    eventually(lambda: live.refusal is None)
    live.close()


@pytest.mark.parametrize("dialect", [CLASSIC, LITE], ids=["classic", "lite"])
def test_a_token_that_is_refused_again_and_again_is_reported_and_an_absence_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dialect: Dialect
) -> None:
    monkeypatch.setattr(greengrass_ipc, "_REFUSED_SECONDS", 0.2)
    bench = Bench(tmp_path / "s", dialect=dialect)
    bench.store.put(COMPONENT, {"coreName": "core1"})
    monkeypatch.setenv("SVCUID", bench.server.register(COMPONENT))
    monkeypatch.setenv("AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT", str(tmp_path / "s"))
    refused: list[float] = []

    def call() -> None:
        with pytest.raises(OSError, match="the nucleus"):
            nucleus.configuration()

    with bench.served():
        nucleus = Nucleus()
        nucleus.watch_refusals(lambda: refused.append(time.monotonic()))
        elsewhere = bench.socket_path.rename(tmp_path / "elsewhere")
        bench.server.disconnect_all()
        away = time.monotonic()
        while time.monotonic() < away + 0.5:
            call()
        assert refused == []
        elsewhere.rename(bench.socket_path)
        assert nucleus.configuration() == {"coreName": "core1"}
        bench.server.register(COMPONENT)  # which forgets the token, as a new IPC daemon has
        bench.server.disconnect_all()
        call()
        began = time.monotonic()
        while not refused:
            call()
            assert time.monotonic() < began + 10
        assert refused[0] - began >= 0.1
    nucleus.close()
