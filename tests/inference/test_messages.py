"""Both message formats, the cap on their size, and which results are worth a message."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from inference.names import MAX_MESSAGE_BYTES
from inference.pipeline.results import EnvelopeEncoder, FrameResult, encode_list
from inference.pipeline.sinks import publish_policy
from inference.vision.postprocess import Prediction
from inference.vision.scores import Scores

BOTTLE = Prediction("n03983396 pop bottle, soda bottle", float(np.float32(0.21719395)))
CUP = Prediction("cup", 0.96, (0.1, 0.2, 0.333333333, 1.0))
ENVELOPE = EnvelopeEncoder(
    core_name="Toradex2", model_name="ssd", model_sha256="ab" * 32, configuration="0123456789ab"
)


def result(*predictions: Prediction, source: str = "photos/coffee.jpg") -> FrameResult:
    return FrameResult(
        frame_id=7,
        source=source,
        width=600,
        height=400,
        captured_at=1_795_000_000.1239,
        predictions=predictions,
        latency_ms={"capture": 3.14159, "inference": 20.0},
        scores=lambda: Scores((), (), True),
    )


def test_list_is_the_message_of_the_first_generation() -> None:
    assert encode_list(result(BOTTLE)).payload == (
        b'[{"confidence": "0.21719395", "prediction": "n03983396 pop bottle, soda bottle"}]'
    )


def test_a_detection_has_a_box() -> None:
    [item] = json.loads(encode_list(result(CUP)).payload)
    assert item == {"confidence": "0.96", "prediction": "cup", "box": [0.1, 0.2, 0.33333, 1.0]}


def test_a_pose_has_its_keypoints_in_both_formats() -> None:
    points = ((0.123456, 0.5, 0.98765), (0.0, 1.0, 0.0))
    pose = Prediction("person", 0.9, (0.1, 0.2, 0.3, 1.0), points)
    expected = [[0.1235, 0.5, 0.9877], [0.0, 1.0, 0.0]]
    assert json.loads(encode_list(result(pose)).payload)[0]["keypoints"] == expected
    assert json.loads(ENVELOPE(result(pose)).payload)["predictions"][0]["keypoints"] == expected


def test_nothing_seen_is_an_empty_list() -> None:
    assert encode_list(result()).payload == b"[]"


@pytest.mark.parametrize(("score", "text"), [(1.0, "1.0"), (0.0, "0.0"), (1e-6, "0.000001")])
def test_confidence_is_never_in_exponent_form(score: float, text: str) -> None:
    [item] = json.loads(encode_list(result(Prediction("x", score))).payload)
    assert item["confidence"] == text


def test_envelope_says_who_what_when_and_how_fast() -> None:
    assert json.loads(ENVELOPE(result(CUP)).payload) == {
        "schemaVersion": "1.0",
        "timestamp": "2026-11-18T11:06:40.123Z",
        "core": "Toradex2",
        "frame": {"id": 7, "source": "photos/coffee.jpg", "width": 600, "height": 400},
        "model": {"name": "ssd", "sha256": "ab" * 32},
        "configuration": "0123456789ab",
        "latencyMs": {"capture": 3.142, "inference": 20.0},
        "predictions": [{"label": "cup", "score": 0.96, "box": [0.1, 0.2, 0.33333, 1.0]}],
    }


@pytest.mark.parametrize("message_format", ["list", "envelope"])
def test_the_lowest_scores_are_cut_first_and_counted(message_format: str) -> None:
    encode = encode_list if message_format == "list" else ENVELOPE
    many = [Prediction(f"{'ä' * 60} {index}", 1 - index / 1000) for index in range(100)]
    message = encode(result(*many))
    decoded = json.loads(message.payload)
    items = decoded if message_format == "list" else decoded["predictions"]
    assert len(message.payload) <= MAX_MESSAGE_BYTES
    assert len(items) + message.left_out == 100
    labels = [item["prediction" if message_format == "list" else "label"] for item in items]
    assert labels == [prediction.label for prediction in many[: len(items)]]
    one_more = encode(result(*many[: len(items) + 1]))
    assert one_more.left_out == 1


def test_a_message_that_just_fits_is_whole() -> None:
    short = len(encode_list(result(Prediction("", 0.5))).payload)
    fits = Prediction("x" * (MAX_MESSAGE_BYTES - short), 0.5)
    assert len(encode_list(result(fits)).payload) == MAX_MESSAGE_BYTES
    too_long = Prediction("x" * (MAX_MESSAGE_BYTES - short + 1), 0.5)
    assert encode_list(result(too_long)).left_out == 1


def test_a_long_source_cannot_break_the_cap() -> None:
    message = ENVELOPE(result(CUP, source="/" + "ü" * 5000))
    assert len(message.payload) <= MAX_MESSAGE_BYTES
    assert message.left_out == 0


def test_a_change_is_of_the_labels_or_their_numbers_of_one_source() -> None:
    changes = publish_policy("changes")
    cup, dog = Prediction("cup", 0.9, None), Prediction("dog", 0.8, None)
    shown = [(), (cup,), (cup, dog), (dog, cup), (cup, cup, dog), (cup, cup), (), ()]
    accepted = [changes(result(*one)) for one in shown]
    assert accepted == [True, True, True, False, True, True, True, False]
    other = replace(result(), origin="1")
    assert [changes(other), changes(other), changes(result())] == [True, False, False]


def test_detections_are_published_and_nothing_is_not() -> None:
    detections, always = publish_policy("detections"), publish_policy("always")
    found = result(Prediction("cup", 0.9, None))
    assert [detections(result()), detections(found), detections(found)] == [False, True, True]
    assert [always(result()), always(found)] == [True, True]
