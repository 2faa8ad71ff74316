"""The function of this app itself on the V1 core: real code, real model, and the core's SIGTERM."""

from __future__ import annotations

import io
import re
import tarfile
import time
import zipfile

import pytest

from edge_functions import CODE_FOLDER
from inference.feedback.configuration import FeedbackConfigurations
from inference.settings import InferenceSettings
from inference.v1.environment import FunctionEnvironment
from models import store
from tests.local_core_v1.support import (
    CONNECTOR,
    FEEDBACK,
    FUNCTION,
    World,
    connector_entry,
    feedback_map,
    function_entry,
    group,
    resource_entry,
)

MODEL = "efficientnet-lite0-imagenet"
TOPIC = "mli/predictions/Demo"


def code_archive() -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        for path in CODE_FOLDER.rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                opened.write(path, path.relative_to(CODE_FOLDER))
    return archive.getvalue()


def model_archive() -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as opened:
        opened.add(store.unpacked(MODEL), ".")
    return archive.getvalue()


@pytest.fixture
def inference(world: World) -> World:
    """A world with this app's function, its model, and a group that runs it."""
    world.code[FUNCTION] = code_archive()
    world.models["s3://bucket/model.tar.gz"] = model_archive()
    return world


def test_sigterm_finishes_the_frame_sends_what_waits_and_ends_the_function(
    inference: World,
) -> None:
    configurations = feedback_map(All=("RANDOM_SAMPLING", 1.0))
    environment = FunctionEnvironment(
        InferenceSettings(
            core_name="Demo",
            inference_interval=0.02,
            message_format="envelope",
            feedback=FeedbackConfigurations.parse(configurations),
        ),
        "/model",
        MODEL,
        FEEDBACK,
    )
    entry = function_entry(
        FUNCTION,
        ResourceAccessPolicies=[{"ResourceId": "model"}],
        Variables=environment.to_variables(),
    )
    documents = group(
        [entry],
        [(FUNCTION, "mli/#", "cloud"), (CONNECTOR, "feedback/message/#", "cloud")],
        [connector_entry(configurations)],
        [resource_entry()],
    )
    frames: list[int] = []
    with inference.core(documents, grace=10.0) as core:
        log = core.log_of(FUNCTION)
        while len(frames) < 8:
            topic, message = inference.next_message()
            frames += [message["frame"]["id"]] if topic == TOPIC else []
        began = time.monotonic()
    assert time.monotonic() - began < 8
    telemetry = []
    while not inference.published.empty():
        topic, message = inference.next_message()
        frames += [message["frame"]["id"]] if topic == TOPIC else []
        telemetry += [message] if topic == "mli/telemetry/Demo" else []
    text = log.read_text()
    assert "stopping on SIGTERM" in text
    ended = re.search(r"ended: .*predicted=(\d+), failed=0.*; 0 messages were not sent", text)
    assert ended is not None
    assert frames == list(range(1, int(ended[1]) + 1))
    assert telemetry[-1]["frames"]["predicted"] == len(frames)
    assert telemetry[-1]["sources"][0]["state"] == "stopped"
    assert "restarting" not in inference.system_log("runtime")
    assert telemetry[-1]["health"] == {"status": "ok", "faults": []}
