"""What the tests of ``mli watch`` share."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence

import pytest

from local_core.cloud import LocalCloud

Publishing = Callable[[Sequence[tuple[str, bytes]]], None]


@pytest.fixture
def publishing(cloud: LocalCloud) -> Iterator[Publishing]:
    """Publish payloads on topics every 50 ms, until the test ends."""
    ended, threads = threading.Event(), list[threading.Thread]()

    def start(messages: Sequence[tuple[str, bytes]]) -> None:
        def publish() -> None:
            data = cloud.client("iot-data")
            while not ended.wait(0.05):
                for topic, payload in messages:
                    data.publish(topic=topic, qos=1, payload=payload)

        threads.append(threading.Thread(target=publish))
        threads[-1].start()

    yield start
    ended.set()
    for thread in threads:
        thread.join()
