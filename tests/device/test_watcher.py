"""The subscriber of a run, in a local cloud."""

from __future__ import annotations

import queue
from pathlib import Path

from local_core.device.watcher import Received, Watcher
from tests.device.conftest import Device

SECONDS = 20.0


def test_messages_are_kept_until_nobody_needs_them(device: Device, tmp_path: Path) -> None:
    got: queue.SimpleQueue[Received] = queue.SimpleQueue()
    with (
        device.connection() as connection,
        Watcher(
            device.cloud.client("iot"),
            broker=device.broker,
            root_ca=device.cloud.ca_path,
            folder=tmp_path,
            on_message=got.put,
            topics=("demo/#",),
        ) as watcher,
    ):
        assert connection.wait_until_connected(SECONDS)
        connection.publish_to_cloud("", "demo/a", 1, b"first")
        assert got.get(timeout=SECONDS).payload == b"first"
        assert [one.payload for one in watcher.on("demo/a")] == [b"first"]
        watcher.stop_keeping()
        connection.publish_to_cloud("", "demo/a", 1, b"second")
        assert got.get(timeout=SECONDS).payload == b"second"
        assert watcher.messages == []
