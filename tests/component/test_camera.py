"""A camera that goes dark and comes back, as a stream that a real server serves."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from inference.names import telemetry_topic
from tests.component.camera import Camera
from tests.component.conftest import CORE, Rig
from tests.waiting import eventually

pytestmark = pytest.mark.slow


@pytest.fixture
def camera(photographs: Path) -> Iterator[Camera]:
    made = Camera((photographs / "coffee.jpg").read_bytes())
    made.plug_in()
    yield made
    made.unplug()


def test_a_camera_that_goes_is_named_and_comes_back_by_itself(rig: Rig, camera: Camera) -> None:
    rig.configure(imageSource=f"http://user:secret@127.0.0.1:{camera.port}/stream.mjpg")
    rig.start()
    rig.await_predictions(3)
    camera.unplug()
    eventually(lambda: rig.faults() == ["no camera"], seconds=10)
    camera.plug_in()
    eventually(lambda: rig.faults() == [], seconds=15)
    rig.await_predictions(2)
    assert rig.stop() == 0
    last = rig.broker.on(telemetry_topic(CORE))[-1]
    [source] = last["sources"]
    assert source["reopened"] >= 1
    assert last["frames"]["failed"] == 0
    told = rig.log.read_text() + str(rig.broker.arrived)
    assert "secret" not in told


def test_a_wrong_password_is_reported_and_corrected_while_running(rig: Rig, camera: Camera) -> None:
    camera.password = "right"
    address = f"127.0.0.1:{camera.port}/stream.mjpg"
    rig.configure(imageSource=f"http://user:hunter2@{address}")
    rig.start()
    eventually(lambda: rig.faults() == ["no camera"], seconds=15)
    last = rig.broker.on(telemetry_topic(CORE))[-1]
    [source] = last["sources"]
    assert source["reason"] == "401 Unauthorized: check user and password in imageSource"
    rig.merge(imageSource=f"http://user:right@{address}")
    rig.await_predictions(2)
    assert rig.stop() == 0
    told = rig.log.read_text() + str(rig.broker.arrived)
    assert "hunter2" not in told
    assert "user:right" not in told


def test_a_camera_that_hangs_does_not_spoil_the_end(rig: Rig, camera: Camera) -> None:
    rig.configure(imageSource=json.dumps(["static", f"http://127.0.0.1:{camera.port}/x.mjpg"]))
    rig.start()
    rig.await_predictions(4)
    camera.freeze()
    time.sleep(2.0)  # FFmpeg waits for more, in a thread that cannot be interrupted
    assert rig.stop() == 0
    assert "terminate called" not in rig.log.read_text()


def test_the_source_changes_while_running(rig: Rig, camera: Camera) -> None:
    rig.configure(messageFormat="envelope")
    rig.start()
    rig.await_predictions(2)
    rig.merge(imageSource=f"http://127.0.0.1:{camera.port}/stream.mjpg")
    eventually(lambda: "127.0.0.1" in rig.predictions()[-1]["frame"]["source"], seconds=15)
    rig.merge(imageSource='["test-pattern:64x48", "static"]')
    eventually(lambda: rig.predictions()[-1]["frame"]["width"] == 64, seconds=15)
    eventually(lambda: rig.predictions()[-1]["frame"]["width"] > 64, seconds=15)
    assert rig.stop() == 0
