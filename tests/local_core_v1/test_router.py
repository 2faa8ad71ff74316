"""Messages go where subscriptions lead, and nowhere else; invocations wait for their function."""

from __future__ import annotations

import queue
import threading
from pathlib import Path

import pytest

from local_core.v1.group import Subscription
from local_core.v1.invocations import Invocation, InvocationQueue, QueueFullError, Result
from local_core.v1.logs import CoreLog
from local_core.v1.router import RouterService, UnknownFunctionError
from tests.local_core_v1.support import FUNCTION, OTHER


class Bench:
    """A router that notes what reaches the cloud."""

    def __init__(self, root: Path, *subscriptions: tuple[str, str, str]) -> None:
        self.cloud: list[tuple[str, bytes, int]] = []
        self.log = root / "router.log"
        self.offline = False
        self.router = RouterService(
            [Subscription(*one) for one in subscriptions],
            to_cloud=self._to_cloud,
            log=CoreLog(self.log),
        )

    def _to_cloud(self, topic: str, payload: bytes, qos: int) -> None:
        if self.offline:
            raise ConnectionError("the broker is away")
        self.cloud.append((topic, payload, qos))


def test_message_with_a_subscription_reaches_the_cloud(tmp_path: Path) -> None:
    bench = Bench(tmp_path, (FUNCTION, "mli/+/c", "cloud"))
    bench.router.publish(FUNCTION, "mli/predictions/c", b"[]")
    assert bench.cloud == [("mli/predictions/c", b"[]", 1)]
    assert bench.router.counters.delivered == 1


@pytest.mark.parametrize(
    ("source", "topic"), [(FUNCTION, "mli/c"), (OTHER, "mli/a/c"), ("cloud", "mli/a/c")]
)
def test_message_without_a_subscription_goes_nowhere(
    tmp_path: Path, source: str, topic: str
) -> None:
    bench = Bench(tmp_path, (FUNCTION, "mli/+/c", "cloud"))
    bench.router.publish(source, topic, b"")
    assert not bench.cloud
    assert bench.router.counters.refused == 1
    assert f"on {topic}: the message is dropped" in bench.log.read_text()
    assert "[WARN]-no subscription from" in bench.log.read_text()


def test_message_reaches_every_target_once(tmp_path: Path) -> None:
    bench = Bench(
        tmp_path, (FUNCTION, "a/#", "cloud"), (FUNCTION, "a/b", "cloud"), (FUNCTION, "+/b", OTHER)
    )
    inbox = InvocationQueue()
    bench.router.attach(OTHER, inbox)
    bench.router.publish(FUNCTION, "a/b", b"1")
    assert len(bench.cloud) == 1
    work = inbox.take(0, lambda: True, 1)
    assert work is not None
    assert (work.payload, dict(work.custom)) == (b"1", {"source": FUNCTION, "subject": "a/b"})


def test_message_of_the_cloud_reaches_its_function(tmp_path: Path) -> None:
    bench = Bench(tmp_path, ("cloud", "cmd/+", FUNCTION), ("cloud", "cmd/+", OTHER))
    assert bench.router.cloud_filters == ("cmd/+",)
    inbox = InvocationQueue()
    bench.router.attach(FUNCTION, inbox)
    bench.router.from_cloud("cmd/go", b"{}")
    work = inbox.take(0, lambda: True, 1)
    assert work is not None
    assert work.custom["subject"] == "cmd/go"


def test_message_that_the_cloud_cannot_take_is_lost_and_logged(tmp_path: Path) -> None:
    bench = Bench(tmp_path, (FUNCTION, "a", "cloud"))
    bench.offline = True
    bench.router.publish(FUNCTION, "a", b"", all_or_error=True)
    assert bench.router.counters.lost == 1
    assert "is lost at cloud: the broker is away" in bench.log.read_text()


def test_full_queue_is_an_error_only_for_who_asked(tmp_path: Path) -> None:
    bench = Bench(tmp_path, (FUNCTION, "a", OTHER))
    bench.router.attach(OTHER, InvocationQueue(size=1))
    bench.router.publish(FUNCTION, "a", b"")
    bench.router.publish(FUNCTION, "a", b"")
    with pytest.raises(QueueFullError):
        bench.router.publish(FUNCTION, "a", b"", all_or_error=True)
    assert bench.router.counters.lost == 2


def test_unknown_function_cannot_be_invoked(tmp_path: Path) -> None:
    with pytest.raises(UnknownFunctionError, match="Other:3"):
        Bench(tmp_path).router.invoke(OTHER, Invocation(b""))


def test_work_is_taken_in_order_and_finished_once() -> None:
    inbox = InvocationQueue()
    process = inbox.renew()
    first, second = Invocation(b"1"), Invocation(b"2")
    inbox.accept(first)
    inbox.accept(second)
    assert inbox.take(process, lambda: True, 1) is first
    inbox.finish(first.id, Result(b"done"))
    inbox.finish(first.id, Result(b"again"))
    inbox.finish("unknown", Result())
    assert first.done.result(0) == Result(b"done")
    assert not second.done.done()


def test_new_process_gets_the_work_that_waits_and_the_old_ones_has_failed() -> None:
    inbox = InvocationQueue()
    old = inbox.renew()
    taken, waiting = Invocation(b"1"), Invocation(b"2")
    inbox.accept(taken)
    inbox.take(old, lambda: True, 1)
    new = inbox.renew()
    inbox.accept(waiting)
    assert taken.done.result(0).error == "Unhandled"
    assert inbox.take(old, lambda: True, 1) is None
    assert inbox.take(new, lambda: True, 1) is waiting


def test_client_that_hung_up_takes_no_work() -> None:
    inbox = InvocationQueue()
    work = Invocation(b"")
    inbox.accept(work)
    assert inbox.take(0, lambda: False, 1) is None
    assert inbox.take(0, lambda: True, 1) is work


def test_close_wakes_who_waits_and_fails_what_is_left() -> None:
    inbox = InvocationQueue()
    got: queue.SimpleQueue[Invocation | None] = queue.SimpleQueue()
    thread = threading.Thread(target=lambda: got.put(inbox.take(0, lambda: True, 60)))
    thread.start()
    inbox.close()
    thread.join(5)
    assert got.get(timeout=0) is None


@pytest.mark.parametrize("context", ["", "!", "bm8=", "W10=", "eyJjdXN0b20iOiA1fQ=="])
def test_client_context_without_an_object_is_empty(context: str) -> None:
    assert Invocation(b"", context).custom == {}
