"""The entry point of the first generation: the unmodified SDK, a real model, real photographs."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

from edge_functions import CODE_FOLDER
from inference.feedback.configuration import default_configuration
from inference.pipeline.results import FrameResult
from inference.settings import InferenceSettings
from inference.sources import Frame
from inference.v1.environment import RESOURCE_PREFIX, FunctionEnvironment
from inference.v1.feedback import ConnectorFeedback
from inference.vision.scores import Scores
from models import store
from tests.inference.v1_core import Call, V1Core

CONNECTOR = "arn:aws:lambda:eu-west-1:aws:function:MLFeedback"
CLASSIFIER, DETECTOR = "efficientnet-lite0-imagenet", "ssdlite-mobilenet-v2-coco"
PROGRAM = "import lambda_function, time; time.sleep(60)"
LOGGED = f"import logging; logging.basicConfig()\n{PROGRAM}"


@contextmanager
def function(
    core: V1Core,
    model: str,
    variables: Mapping[str, str] = MappingProxyType({}),
    *,
    feedback: bool = True,
    code: Path = CODE_FOLDER,
    program: str = PROGRAM,
) -> Iterator[subprocess.Popen[str]]:
    settings = InferenceSettings(
        core_name="Demo",
        inference_interval=0.05,
        feedback=default_configuration() if feedback else None,
    )
    path = store.unpacked(model)
    environment = FunctionEnvironment(
        settings, f"/{path.name}", model, CONNECTOR if feedback else None
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=code,
        env={
            **os.environ,
            **core.variables,
            **environment.to_variables(),
            RESOURCE_PREFIX: str(path.parent),
            **variables,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def wait_for_calls(core: V1Core, process: subprocess.Popen[str], count: int) -> None:
    deadline = time.monotonic() + 30
    while len(core.calls()) < count:
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, "no calls in time"
        time.sleep(0.05)


def predictions(core: V1Core) -> list[Call]:
    topic = "mli/predictions/Demo"
    return [call for call in core.calls() if call.custom.get("subject") == topic]


def test_predictions_and_samples_of_every_frame_leave_by_the_sdk(
    tmp_path: Path, photographs: Path
) -> None:
    core = V1Core(tmp_path)
    with function(core, CLASSIFIER) as process:
        wait_for_calls(core, process, 20)
    messages, requests = predictions(core), [c for c in core.calls() if c.arn == CONNECTOR]
    images = [path.read_bytes() for path in sorted(photographs.iterdir()) if path.suffix == ".jpg"]
    assert len(images) == 4
    for number, image in enumerate(images):
        message, samples = messages[number], requests[3 * number : 3 * number + 3]
        assert (message.arn, message.kind) == ("router", "Event")
        assert message.custom["subject"] == "mli/predictions/Demo"
        assert message.custom["queueFullPolicy"] == "AllOrError"
        (best, *_) = json.loads(message.payload)
        assert {sample.arn for sample in samples} == {CONNECTOR}
        assert {sample.kind for sample in samples} == {"Event"}
        assert all(sample.payload == image for sample in samples)
        ids = [sample.custom["ConfigId"] for sample in samples]
        assert ids == ["RandomSamplingConfiguration", "LC50", "Entropy"]
        for sample in samples:
            prediction = sample.custom["ModelPrediction"]
            assert len(prediction) == 1000
            assert sum(prediction) == pytest.approx(1, abs=1e-3)
            assert max(prediction) == pytest.approx(float(best["confidence"]), abs=1e-6)
            assert sample.custom["Metadata"]["frame"] == str(number + 1)
            assert sample.custom["Metadata"]["core"] == "Demo"


def test_detector_s_scores_sum_to_one_for_entropy_only(tmp_path: Path) -> None:
    core = V1Core(tmp_path)
    with function(core, DETECTOR) as process:
        wait_for_calls(core, process, 6)
    samples = {
        call.custom["ConfigId"]: call.custom["ModelPrediction"]
        for call in [call for call in core.calls() if call.arn == CONNECTOR][:3]
    }
    assert sum(samples["Entropy"]) == pytest.approx(1)
    assert samples["LC50"] == samples["RandomSamplingConfiguration"]
    assert samples["LC50"] == sorted(samples["LC50"], reverse=True)


def test_without_feedback_the_connector_is_left_alone(tmp_path: Path) -> None:
    core = V1Core(tmp_path)
    with function(core, CLASSIFIER, feedback=False) as process:
        wait_for_calls(core, process, 3)
    assert {call.arn for call in core.calls()} == {"router"}


@pytest.mark.parametrize(
    ("refused", "told"),
    [("router", "messages wait, the first on mli/"), (CONNECTOR, "was not offered to LC50")],
)
def test_a_refusal_is_reported_and_does_not_stop_the_function(
    tmp_path: Path, refused: str, told: str
) -> None:
    core = V1Core(tmp_path)
    with function(core, CLASSIFIER, {"REFUSED": refused}) as process:
        wait_for_calls(core, process, 12)
        process.kill()
        log = process.communicate()[0]
    assert "Queue.Full" in log
    assert told in log
    assert {call.arn for call in core.calls()} == {"router", CONNECTOR}


def test_sigterm_ends_the_function_in_order(tmp_path: Path) -> None:
    core = V1Core(tmp_path)
    with function(core, CLASSIFIER, {"INFERENCE_INTERVAL": "0"}, program=LOGGED) as process:
        wait_for_calls(core, process, 12)
        began = time.monotonic()
        process.terminate()
        log = process.communicate(timeout=15)[0]
    assert process.returncode == 0
    assert time.monotonic() - began < 8
    assert "stopping on SIGTERM" in log
    ended = re.search(r"predicted=(\d+), failed=0.*; 0 messages were not sent", log)
    assert ended is not None
    assert len(predictions(core)) == int(ended[1])
    assert len([call for call in core.calls() if call.arn == CONNECTOR]) == 3 * int(ended[1])


def test_sigterm_while_there_is_nothing_to_stop_ends_the_process_at_once(tmp_path: Path) -> None:
    core = V1Core(tmp_path)
    never = (
        "import inference.v1.function as v1; "
        "v1.run = lambda *_: print('begun', flush=True) or v1.time"
    )
    with function(core, CLASSIFIER, program=f"{never}.sleep(60)\n{LOGGED}") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.terminate()
        log = process.communicate(timeout=5)[0]
    assert process.returncode == 0
    assert "stopping on SIGTERM" in log


@pytest.mark.parametrize("hangs", ["router", CONNECTOR])
def test_sigterm_ends_the_function_in_time_while_the_core_hangs(tmp_path: Path, hangs: str) -> None:
    core = V1Core(tmp_path)
    limits = "import inference.stopping as s; s.DRAIN_SECONDS = 1.5; s.LIMIT_SECONDS = 3.5"
    with function(core, CLASSIFIER, {"HANGS": hangs}, program=f"{limits}\n{LOGGED}") as process:
        wait_for_calls(core, process, 2)
        began = time.monotonic()
        process.terminate()
        log = process.communicate(timeout=15)[0]
    assert time.monotonic() - began < 5
    assert process.returncode == (0 if hangs == "router" else 1)
    told = "messages were not sent" if hangs == "router" else "something hangs"
    assert told in log


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({"TOP_K": "0"}, "topK='0': must be a whole number from 1 to 100"),
        ({"MODEL_PATH": "/nothing"}, "nothing: there is no such file or folder"),
        ({"MODEL_PROFILE": "no-such-profile"}, "must be one of"),
        ({"IMAGE_SOURCE": "/nowhere"}, "is neither a folder, nor an image"),
        ({"PYTHONPATH": ""}, "cannot be used (No module named 'greengrass_common'"),
    ],
)
def test_wrong_set_up_ends_the_process_with_one_line(
    tmp_path: Path, variables: dict[str, str], reason: str
) -> None:
    core = V1Core(tmp_path)
    program = f"import inference.v1.function as v1; v1._PAUSE_BEFORE_RESTART_SECONDS = 0\n{PROGRAM}"
    with function(core, CLASSIFIER, variables, program=program) as process:
        log = process.communicate(timeout=30)[0]
    assert process.returncode == 1
    lines = [line for line in log.splitlines() if "the function failed: " in line]
    assert len(lines) == 1
    assert reason in lines[0]
    assert "Traceback" not in log
    assert core.calls() == []


def test_profile_that_is_not_built_in_stands_in_the_function_s_folder(tmp_path: Path) -> None:
    code = tmp_path / "code"
    shutil.copytree(CODE_FOLDER, code)
    (code / "model_profile").mkdir()
    profiles = code / "inference" / "profiles"
    profile = json.loads((profiles / f"{CLASSIFIER}.json").read_text())
    shutil.copy(profiles / profile["labels"], code / "model_profile")
    (code / "model_profile" / "profile.json").write_text(json.dumps({**profile, "topK": 1}))
    core = V1Core(tmp_path)
    own = {"MODEL_PROFILE": "model_profile/profile.json"}
    with function(core, CLASSIFIER, own, feedback=False, code=code) as process:
        wait_for_calls(core, process, 2)
    assert len(json.loads(predictions(core)[0].payload)) == 1


def test_import_only_starts_the_thread() -> None:
    """A core waits for the import to end: NumPy, OpenCV and DLR are imported by the thread."""
    program = (
        "import sys, inference.v1.function as v1; v1.start = lambda variables: None; "
        "import lambda_function; "
        "print(lambda_function.function_handler({}, None),"
        " *(name for name in ('cv2', 'numpy', 'dlr', 'greengrasssdk') if name in sys.modules))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=CODE_FOLDER, capture_output=True, text=True, check=True
    )
    assert result.stdout == "None\n"


def offer(feedback: ConnectorFeedback, data: bytes | None) -> None:
    image = np.full((8, 8, 3), 127, np.uint8)
    frame = Frame(7, "camera:0", image, data, 1_600_000_000.25, 1.0)
    scores = Scores(("cat",), (1.0,), True)
    feedback(frame, FrameResult(7, "camera:0", 8, 8, frame.captured_at, [], {}, lambda: scores))


def test_camera_s_frame_is_offered_as_jpeg() -> None:
    offered: list[bytes] = []
    feedback = ConnectorFeedback(
        "Demo",
        default_configuration().all,
        lambda _id, data, _scores, _metadata: offered.append(data),
    )
    offer(feedback, None)
    assert [data[:3] for data in offered] == [b"\xff\xd8\xff"] * 3
    assert feedback.counters.sent == 3


def test_failed_request_is_counted_and_the_others_are_made(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def request(config_id: str, *_: object) -> None:
        if config_id == "LC50":
            raise OSError("Queue.Full")

    feedback = ConnectorFeedback("Demo", default_configuration().all, request)
    offer(feedback, b"bytes")
    assert (feedback.counters.sent, feedback.counters.failed) == (2, 1)
    assert "frame 7: was not offered to LC50: Queue.Full" in caplog.text


def test_requirements_are_pinned_as_those_of_the_second_generation() -> None:
    def pins(name: str) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for line in (CODE_FOLDER / name).read_text().splitlines():
            pin = re.match(r"([a-z-]+)==([0-9.]+)", line)
            if pin and not re.search(r'python_version (>|==) "3\.(9|1\d)"', line):
                found.setdefault(pin[1], set()).add(pin[2])
        return found

    first = pins("requirements-v1.txt")
    second = {**pins("requirements.txt"), **pins("requirements-dlr.txt")}
    assert first.keys() == {"av", "dlr", "greengrasssdk", "numpy", "opencv-python-headless"}
    for package in first.keys() & second.keys():
        assert first[package] <= second[package]
