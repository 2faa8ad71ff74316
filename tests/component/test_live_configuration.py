"""Changes of the configuration reach the running component, or are refused and reported."""

from __future__ import annotations

import json
import queue
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from inference.names import TELEMETRY_SECONDS, preview_topic, telemetry_topic
from local_core.ipc.authorization import MQTT_PROXY, PUBSUB
from models import store
from tests.component.conftest import COMPONENT, CORE, FEEDBACK, MODEL, Rig
from tests.local_core.support import policy
from tests.waiting import eventually

pytestmark = pytest.mark.slow


def labels(rig: Rig) -> int:
    """Return how many predictions the newest message has."""
    return len(rig.predictions()[-1])


def newest_faults(rig: Rig) -> str:
    """Return the faults in the newest telemetry, with their reasons; nothing before the first."""
    return str([one["health"]["faults"] for one in rig.broker.on(telemetry_topic(CORE))][-1:])


def test_a_threshold_takes_effect_without_a_restart(rig: Rig) -> None:
    rig.start()
    rig.await_predictions(4)
    assert rig.process is not None
    before = rig.process.pid
    rig.merge(confidenceThreshold=0.0, topK=3)
    eventually(lambda: labels(rig) == 3)
    rig.merge(confidenceThreshold=1.0)
    eventually(lambda: labels(rig) == 0)
    assert rig.process.pid == before
    assert rig.process.poll() is None
    assert rig.stop() == 0


def test_live_pictures_begin_and_end_without_a_restart(rig: Rig) -> None:
    rig.configure(messageFormat="envelope")
    rig.start()
    rig.await_predictions(3)
    assert rig.broker.on(preview_topic(CORE)) == []
    rig.merge(previewInterval=1)
    eventually(lambda: len(rig.broker.on(preview_topic(CORE))) >= 2)
    previews = rig.broker.on(preview_topic(CORE))
    head, _, jpeg = previews[-1].partition(b"\n")
    shown = json.loads(head)
    [twin] = eventually(
        lambda: [one for one in rig.predictions() if one["frame"] == shown["frame"]]
    )
    assert twin["timestamp"] == shown["timestamp"]
    assert cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR).shape[2] == 3
    rig.merge(previewInterval=0)
    eventually(lambda: len(reports := rig.broker.on(telemetry_topic(CORE))) >= 3
               and reports[-1]["configuration"] == reports[0]["configuration"])  # fmt: skip
    assert rig.broker.on(telemetry_topic(CORE))[-2]["publish"]["previews"]["failed"] == 0
    count = len(rig.broker.on(preview_topic(CORE)))
    rig.await_predictions(30)
    assert len(rig.broker.on(preview_topic(CORE))) == count
    assert rig.unsent(preview_topic(CORE)) == []


def test_a_bad_value_is_refused_and_reported_and_the_old_one_stays(rig: Rig) -> None:
    rig.configure(confidenceThreshold=0.0, topK=2)
    rig.start()
    rig.await_predictions()
    rig.merge(topK="many", messageFormat="envelope")
    eventually(lambda: rig.faults() == ["bad configuration"])
    [fault] = rig.broker.on(telemetry_topic(CORE))[-1]["health"]["faults"]
    assert "topK='many': must be a whole number from 1 to 100" in fault
    rig.await_predictions()
    assert labels(rig) == 2
    rig.merge(topK=1)
    eventually(lambda: rig.faults() == [] and isinstance(rig.predictions()[-1], dict))


def test_the_next_value_that_is_refused_is_reported_at_once(rig: Rig) -> None:
    rig.start()
    rig.await_predictions()
    rig.merge(topK="many")
    eventually(lambda: "topK='many'" in newest_faults(rig), seconds=20)
    rig.merge(topK="more")
    eventually(lambda: "topK='more'" in newest_faults(rig), seconds=20)


def test_a_core_name_cannot_change_and_a_missing_source_is_refused(rig: Rig) -> None:
    rig.start()
    rig.await_predictions()
    for change in ({"coreName": "other"}, {"coreName": CORE, "imageSource": "/none"}):
        rig.merge(**change)
        eventually(lambda: rig.faults() == ["bad configuration"])
        rig.await_predictions()
        rig.merge(coreName=CORE, imageSource="static")
        eventually(lambda: rig.faults() == [])


def test_another_component_hears_predictions_on_the_local_topic(rig: Rig) -> None:
    access = policy(["SubscribeToTopic"], ["line1/#"])
    heard: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    other = rig.bench.client("com.example.Other", {"accessControl": {PUBSUB: access}})
    other.subscribe_to_topic(
        topic="line1/#", on_stream_event=lambda event: heard.put(event.binary_message.message)
    )
    rig.configure(
        localTopic="line1/seen",
        accessControl={
            MQTT_PROXY: policy(["PublishToIoTCore"], ["*"]),
            PUBSUB: policy(["PublishToTopic"], ["line1/seen"]),
        },
    )
    rig.start()
    rig.await_predictions()
    assert isinstance(json.loads(heard.get(timeout=20)), list)
    rig.broker.away = True  # the device's own topic needs no cloud
    while not heard.empty():
        heard.get()
    heard.get(timeout=20)
    rig.broker.away = False
    rig.merge(localTopic="elsewhere")  # for which the component has no permission
    text = "nothing is published on the local topic elsewhere: the nucleus refused"
    eventually(lambda: text in rig.log.read_text())
    rig.await_predictions(3)
    assert rig.faults() in ([], ["no broker"])


def test_an_accelerator_that_is_not_there_leaves_the_old_model_at_work(rig: Rig) -> None:
    rig.model = store.unpacked(MODEL)
    rig.start()
    rig.await_predictions()
    rig.merge(accelerator="gpu")
    eventually(lambda: rig.faults() == ["bad configuration"], seconds=20)
    rig.await_predictions()
    assert "on gpu" in rig.broker.on(telemetry_topic(CORE))[-1]["health"]["faults"][0]


def test_a_new_model_takes_over_only_when_it_is_loaded_and_checked(
    rig: Rig, tmp_path: Path
) -> None:
    rig.model = store.unpacked(MODEL)
    candidate = Path(shutil.copytree(rig.model, tmp_path / "candidate"))
    (candidate / "SHA256SUMS").unlink()
    (candidate / "compiled.meta").unlink()
    rig.configure(messageFormat="envelope")
    rig.start()
    rig.await_predictions(2)
    assert rig.process is not None
    pid, first = rig.process.pid, rig.predictions()[-1]["model"]["sha256"]
    rig.merge(modelOverride=str(tmp_path / "none"))
    eventually(lambda: rig.faults() == ["bad configuration"])
    rig.await_predictions()
    assert rig.predictions()[-1]["model"]["sha256"] == first
    rig.merge(modelOverride=str(candidate))
    eventually(lambda: rig.predictions()[-1]["model"]["sha256"] != first, seconds=20)
    assert rig.process.pid == pid
    assert rig.stop() == 0
    assert rig.broker.on(telemetry_topic(CORE))[-1]["model"]["sha256"] != first
    ids = [payload["frame"]["id"] for payload in rig.predictions()]
    assert ids == list(range(1, len(ids) + 1))


def test_a_model_for_the_other_engine_takes_over_where_that_is_installed(
    rig: Rig,
) -> None:
    """As on this machine; a device has one engine, and refuses the other's models."""
    candidate = rig.model / "model.onnx"
    rig.model = store.unpacked(MODEL)
    rig.configure(messageFormat="envelope")
    rig.start()
    rig.await_predictions(2)
    first = rig.predictions()[-1]["model"]["sha256"]
    rig.merge(modelOverride=str(candidate))
    eventually(lambda: rig.predictions()[-1]["model"]["sha256"] != first, seconds=20)
    assert rig.stop() == 0
    assert {"onnxruntime", "component", "python"} == set(
        rig.broker.on(telemetry_topic(CORE))[-1]["versions"]
    )


def memory_when_reported(rig: Rig) -> int:
    """Return the resident memory in telemetry at a new fault, after freed memory was returned."""
    rig.merge(topK="many")
    eventually(lambda: rig.faults() == ["bad configuration"])
    resident = int(rig.broker.on(telemetry_topic(CORE))[-1]["memoryBytes"])
    rig.merge(topK=5)
    eventually(lambda: rig.faults() == [])
    return resident


def test_a_model_that_was_replaced_leaves_the_memory(rig: Rig, tmp_path: Path) -> None:
    rig.model = store.unpacked(MODEL)
    candidate = Path(shutil.copytree(rig.model, tmp_path / "candidate"))
    rig.configure(messageFormat="envelope", inferenceInterval=0.2)
    rig.start()
    rig.await_predictions(5)
    before = memory_when_reported(rig)
    rig.merge(modelOverride=str(candidate), confidenceThreshold=0.0)
    eventually(lambda: len(rig.predictions()[-1]["predictions"]) == 5, seconds=20)
    rig.await_predictions(3)
    grown = memory_when_reported(rig) - before
    assert grown < (candidate / "compiled.params").stat().st_size


def test_the_publish_policy_and_feedback_change_while_running(rig: Rig) -> None:
    rig.configure(imageSource="static", confidenceThreshold=1.0)
    rig.start()
    rig.await_predictions()
    rig.merge(publishWhen="detections")
    eventually(lambda: "is in use" in rig.log.read_text())
    count = len(rig.predictions())
    rig.merge(feedbackConfiguration=FEEDBACK)
    eventually(lambda: len(rig.samples()) >= 3, seconds=20)
    assert len(rig.predictions()) <= count + 1


def test_a_core_of_a_fleet_takes_its_name_from_its_thing(rig: Rig) -> None:
    rig.configure(coreName="*")
    rig.start()
    rig.await_predictions(2)


def test_samples_of_a_core_of_a_fleet_go_below_its_thing_s_name(rig: Rig) -> None:
    (configuration,) = FEEDBACK.values()
    prefix = configuration["s3-prefix"]
    before = set(rig.samples())
    rig.configure(coreName="*", imageSource="static", feedbackConfiguration=FEEDBACK)
    rig.start()
    added = eventually(lambda: set(rig.samples()) - before, seconds=20)
    (folder,) = {key.rpartition("/")[0] for key in added}
    assert folder.startswith(f"{prefix}/{CORE}_Core/{MODEL}-")


def test_telemetry_has_the_numbers_and_the_versions(rig: Rig) -> None:
    rig.model = store.unpacked(MODEL)
    rig.install("1.2.3")
    rig.environment["GGC_VERSION"] = "2.18.1"
    rig.start()
    rig.await_predictions(5)
    assert rig.stop() == 0
    last = rig.broker.on(telemetry_topic(CORE))[-1]
    frames = last["frames"]
    assert frames["read"] == frames["predicted"] + frames["failed"] == len(rig.predictions())
    assert last["latencyMs"]["inference"]["p95"] >= last["latencyMs"]["inference"]["p50"] > 0
    assert last["memoryBytes"] > 50 << 20
    assert last["health"] == {"status": "ok", "faults": []}
    assert last["versions"].keys() == {"dlr", "libdlr", "python", "nucleus", "component"}
    assert (last["versions"]["component"], last["versions"]["nucleus"]) == ("1.2.3", "2.18.1")
    assert (last["component"], last["intervalSeconds"]) == (COMPONENT, TELEMETRY_SECONDS)
    assert rig.bench.states == [("DlrInference.core1", "RUNNING")]
