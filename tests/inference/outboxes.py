"""An outbox whose broker may be away, and what waits on disk."""

from __future__ import annotations

from inference.backoff import Backoff
from inference.names import prediction_topic
from inference.outgoing.backlog import Backlog
from inference.outgoing.lines import QueuedMessage
from inference.outgoing.outbox import Outbox

PREDICTIONS = prediction_topic("core1")


class Broker:
    """Takes messages unless it is away."""

    def __init__(self) -> None:
        self.taken: list[QueuedMessage] = []
        self.is_away = True

    def __call__(self, topic: str, payload: bytes) -> None:
        if self.is_away:
            raise OSError("broker away")
        self.taken.append((topic, payload))

    def on(self, topic: str) -> list[bytes]:
        return [payload for name, payload in self.taken if name == topic]


def outbox(broker: Broker, backlog: Backlog | None, capacity: int = 1_000) -> Outbox:
    return Outbox(broker, capacity=capacity, backoff=Backoff(first=0.01, cap=0.02), backlog=backlog)


def all_of(backlog: Backlog) -> list[QueuedMessage]:
    """Take everything from a backlog."""
    found = []
    while (message := backlog.take()) is not None:
        found.append(message)
        backlog.done()
    return found


def payload(number: int, size: int) -> bytes:
    return b'{"frame": %d, "rest": "%s"}' % (number, b"x" * size)
