"""ERRORED is for what a restart or a deployment fixes; the nucleus gives up after three."""

from __future__ import annotations

import queue
import shutil
import sys
from pathlib import Path

import pytest

from edge_functions import CODE_FOLDER
from inference.names import telemetry_topic
from local_core.nucleus.artifacts import ArtifactError
from local_core.nucleus.core import LocalCore
from local_core.nucleus.deployment import ComponentDeployment
from local_core.nucleus.identity import CoreIdentity
from local_core.nucleus.lifecycle import State, StateChange
from local_core.nucleus.recipe import Recipe
from models import store
from tests.component.conftest import COMPONENT, CORE, FEEDBACK, MODEL, Rig
from tests.local_core.support import MQTT, InMemoryCloud, policy
from tests.waiting import eventually

pytestmark = pytest.mark.slow

NO_LIBRARY = 'raise ImportError("libGL.so.1: cannot open shared object file")'


def ends_with_one(rig: Rig) -> str:
    """Start the component, see it end with status 1, and return the one line of its log."""
    rig.start()
    assert rig.process is not None
    assert rig.process.wait(timeout=20) == 1
    rig.process = None
    text = rig.log.read_text()
    assert "Traceback" not in text
    [line] = [line for line in text.splitlines() if line.startswith("ERROR")]
    return line


def test_a_bad_configuration_at_the_start_is_reported_and_reported(rig: Rig) -> None:
    rig.configure(topK="many", imageSource="/nowhere")
    rig.install("1.2.3")
    assert "topK='many': must be a whole number" in ends_with_one(rig)
    assert rig.faults() == ["bad configuration"]
    assert [one["component"] for one in rig.broker.on(telemetry_topic(CORE))] == [COMPONENT]
    assert rig.states() == ["ERRORED"]


def test_a_core_without_a_name_has_no_topic_and_reports_all_the_same(rig: Rig) -> None:
    rig.configure(coreName="not a name")
    assert "coreName='not a name'" in ends_with_one(rig)
    assert rig.broker.arrived == []
    assert rig.states() == ["ERRORED"]


def test_a_missing_library_is_named_with_its_package(rig: Rig, tmp_path: Path) -> None:
    (tmp_path / "cv2.py").write_text(NO_LIBRARY)
    rig.environment["PYTHONPATH"] = str(tmp_path)
    assert "the shared library libGL.so.1 is missing: apt-get install libgl1" in ends_with_one(rig)
    assert rig.faults() == ["missing library"]
    assert rig.states() == ["ERRORED"]


def test_neither_camera_nor_broker_nor_bucket_is_an_error_for_the_nucleus(rig: Rig) -> None:
    feedback = {"all": {**FEEDBACK["all"], "s3-bucket-name": "no-such-bucket"}}
    sources = '["static", "http://127.0.0.1:9/stream.mjpg"]'
    rig.configure(imageSource=sources, feedbackConfiguration=feedback)
    rig.broker.away = True
    rig.start()
    rig.await_no_broker()
    rig.broker.away = False
    eventually(lambda: {"no camera", "no bucket"} <= set(rig.faults()), seconds=15)
    assert rig.states() == ["RUNNING"]
    assert rig.process is not None
    assert rig.process.poll() is None
    assert "no broker" in str(rig.broker.on(telemetry_topic(CORE)))


class NoArtifacts:
    """The component is run from this repository."""

    def fetch(self, uri: str, destination: Path) -> bool:
        raise ArtifactError(f"{uri} is not there")


def test_the_nucleus_tries_three_times_and_leaves_it_broken(tmp_path: Path) -> None:
    model = Path(shutil.copytree(store.unpacked(MODEL), tmp_path / "model"))
    (model / "compiled.params").write_bytes(b"damaged")
    command = f"{sys.executable} {CODE_FOLDER / 'component.py'} run --profile {MODEL}"
    recipe = Recipe.parse(
        {
            "RecipeFormatVersion": "2020-01-25",
            "ComponentName": COMPONENT,
            "ComponentVersion": "1.0.0",
            "ComponentConfiguration": {
                "DefaultConfiguration": {
                    "coreName": CORE,
                    "inferenceInterval": 0.05,
                    "accessControl": {MQTT: policy(["PublishToIoTCore"], ["*"])},
                }
            },
            "Manifests": [
                {
                    "Platform": {"os": "linux", "runtime": "*"},
                    "Lifecycle": {"run": f"exec {command} --work {{work:path}} --model {model}"},
                }
            ],
        }
    )
    events: queue.SimpleQueue[StateChange] = queue.SimpleQueue()
    core = LocalCore(
        CoreIdentity("core1_Core", tmp_path / "core"),
        fetcher=NoArtifacts(),
        cloud=InMemoryCloud(),
        on_change=events.put,
    )
    with core:
        core.deploy([ComponentDeployment(recipe)])
        changes = [events.get(timeout=20)]
        while changes[-1].state is not State.BROKEN:
            changes.append(events.get(timeout=20))
        log = core.log_of(COMPONENT).read_text()
    states = [change.state for change in changes]
    running, errored = State.RUNNING, State.ERRORED
    assert states == [running, errored, running, errored, running, State.BROKEN]
    assert {change.reason for change in changes[1::2]} == {"run reported ERRORED"}
    assert log.count("compiled.params: is truncated or changed") == 3
