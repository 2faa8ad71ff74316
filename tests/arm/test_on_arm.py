"""What devices run, as 64-bit ARM: the deployed component, and the tests of its stages."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from local_core.device.watcher import Watcher
from local_core.run.shared_cloud import SharedCloud
from local_core.run.target import Target
from models import store
from tests.conftest import REPOSITORY
from tests.e2e.rig import Rig
from tests.waiting import eventually

DETECTOR = "ssdlite-mobilenet-v2-coco-onnx"
SECONDS = 1200.0
"""The most that installing and starting may take; emulated, they take ten times as long."""
STAGES = "artifact or decoders or engines or geometry or onnx_runtime or postprocess or preprocess"
"""Modules of tests, as pytest's ``-k``: the model's engine, preprocessing, and every decoder."""


def test_bundled_component_is_installed_without_an_index_and_predicts(
    arm_python: Path, shared: SharedCloud, watcher: Watcher
) -> None:
    target = Target("Arm", store.unpacked(DETECTOR), DETECTOR, "static", "envelope", 0.2)
    device = {
        "PATH": os.pathsep.join([str(arm_python.parent), os.environ["PATH"]]),
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
        "PIP_EXTRA_INDEX_URL": "",
    }
    rig = Rig(shared, watcher, shared.prepare(target), environment=device)
    try:
        rig.deploy(modelRuntime="onnxruntime", architecture="aarch64", dependencies="bundled")
        rig.start()
        eventually(lambda: len(watcher.on(rig.prediction_topic)) >= 4, SECONDS)
        found = [json.loads(message.payload) for message in watcher.on(rig.prediction_topic)]
        assert rig.verdict() == ("SUCCEEDED", "SUCCESSFUL")
    finally:
        rig.stop()
        rig.destroy()
    labels = {one["label"] for message in found for one in message["predictions"]}
    assert {"cup", "cat", "person"} <= labels


def test_stages_from_image_to_predictions(arm_python: Path) -> None:
    done = subprocess.run(
        [REPOSITORY / ".ci" / "device-tests", "-x", "-k", STAGES],
        env={**os.environ, "DEVICE_PYTHON": str(arm_python)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4_000:]
    assert " passed" in done.stdout
