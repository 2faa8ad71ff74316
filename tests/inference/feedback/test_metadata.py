"""What a sample's object says of itself: within S3's limit, and as it was, whatever is in it."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.feedback.configuration import (
    ENTROPY,
    RANDOM_SAMPLING,
    FeedbackConfiguration,
    StrategyConfiguration,
)
from inference.feedback.metadata import (
    MAX_METADATA_BYTES,
    Reason,
    SampleOrigin,
    decoded_text,
    metadata_size,
    model_folder,
    object_metadata,
)
from inference.pipeline.results import FrameResult
from inference.sources import Frame
from inference.vision.postprocess import Prediction
from inference.vision.scores import Scores

SHA = "035c8152" * 8
ORIGIN = SampleOrigin("Demo", "ssdlite-mobilenet-v2-coco", SHA, "b1d0c5a2f3e4")
FRAME = Frame(4, "coffee.jpg", np.zeros((4, 6, 3), np.uint8), b"file", 1_795_000_000.25, 1.0)
CUP = Prediction("cup", 0.9603041, (0.287912, 0.05112, 0.68895, 0.609984))
S3_LIMIT = 2_048

_text = st.text(max_size=400)
_share = st.floats(0, 1)
_prediction = st.builds(
    Prediction, _text, _share, st.none() | st.tuples(_share, _share, _share, _share)
)
_reason = st.builds(Reason, st.text(max_size=63), st.just(ENTROPY), _share, _share)


def result(*predictions: Prediction) -> FrameResult:
    return FrameResult(4, "coffee.jpg", 6, 4, 0.0, predictions, {}, lambda: Scores((), (), False))


def test_a_sample_says_where_it_comes_from_why_it_was_kept_and_what_was_predicted() -> None:
    entropy = FeedbackConfiguration("Entropy", "", strategy=StrategyConfiguration(ENTROPY, 1.0))
    chance = FeedbackConfiguration("Half", "", strategy=StrategyConfiguration(RANDOM_SAMPLING, 0.5))
    reasons = [Reason.of(entropy, 1.234567), Reason.of(chance, None)]
    assert object_metadata(ORIGIN, FRAME, result(CUP), reasons) == {
        "mli": "1",
        "core": "Demo",
        "frame": "4",
        "captured-at": "2026-11-18T11:06:40.250+00:00",
        "source": '"coffee.jpg"',
        "size": "6x4",
        "model": '"ssdlite-mobilenet-v2-coco"',
        "model-sha256": SHA,
        "configuration": "b1d0c5a2f3e4",
        "strategies": '[["Entropy","ENTROPY",1.2346,1.0],["Half","RANDOM_SAMPLING",null,0.5]]',
        "predictions": '[["cup",0.9603,[0.2879,0.0511,0.6889,0.61]]]',
        "predictions-left-out": "0",
    }


def test_the_size_is_that_of_the_stored_image() -> None:
    reduced = replace(FRAME, source_size=(600, 400))
    assert object_metadata(ORIGIN, reduced, result(), [])["size"] == "600x400"
    encoded_again = replace(reduced, data=None)
    assert object_metadata(ORIGIN, encoded_again, result(), [])["size"] == "6x4"


def test_predictions_that_do_not_fit_are_counted_and_no_room_is_wasted() -> None:
    found = object_metadata(ORIGIN, FRAME, result(*[CUP] * 100), [])
    kept = json.loads(found["predictions"])
    assert len(kept) + int(found["predictions-left-out"]) == 100
    assert len(kept) > 20
    one = len('["cup",0.9603,[0.2879,0.0511,0.689,0.61]],')
    assert MAX_METADATA_BYTES - one < metadata_size(found) <= MAX_METADATA_BYTES


def test_the_last_prediction_that_fits_exactly_is_kept() -> None:
    room = MAX_METADATA_BYTES - metadata_size(object_metadata(ORIGIN, FRAME, result(), []))
    longest = "x" * (room - len('["",0.5]'))
    fits = object_metadata(ORIGIN, FRAME, result(Prediction(longest, 0.5)), [])
    assert metadata_size(fits) == MAX_METADATA_BYTES
    assert fits["predictions-left-out"] == "0"
    over = object_metadata(ORIGIN, FRAME, result(Prediction(longest + "x", 0.5)), [])
    assert (over["predictions"], over["predictions-left-out"]) == ("[]", "1")


@given(
    core=_text,
    model=_text,
    source=_text,
    predictions=st.lists(_prediction, max_size=60),
    reasons=st.lists(_reason, max_size=30),
)
def test_any_metadata_fits_and_is_safe_in_a_header(
    core: str, model: str, source: str, predictions: list[Prediction], reasons: list[Reason]
) -> None:
    origin = SampleOrigin(core, model, SHA * 3, "c" * 500)
    frame = replace(FRAME, source=source, id=10**18)
    found = object_metadata(origin, frame, result(*predictions), reasons)
    sent = sum(len(key) + len(value.encode()) for key, value in found.items())
    assert sent <= metadata_size(found) <= MAX_METADATA_BYTES < S3_LIMIT
    for value in found.values():
        assert all(" " <= character <= "~" for character in value)
        assert value == " ".join(value.split()), "signing folds and strips spaces"
        assert "=?" not in value, "S3 would decode an encoded word"
    kept = json.loads(found["predictions"])
    assert [item[0] for item in kept] == [one.label for one in predictions][: len(kept)]
    assert len(kept) + int(found["predictions-left-out"]) == len(predictions)
    assert source.endswith(decoded_text(found["source"]))


@pytest.mark.parametrize(
    "label",
    [
        "Größe",
        "咖啡",
        "a  b",
        " ",
        "\x7f\x1b[31m",
        "=?utf-8?q?=41?=",
        "\ud800",
        "<b>\r\nX: 1",
        '"]',
    ],
)
def test_a_hostile_label_comes_back_as_it_was(label: str) -> None:
    found = object_metadata(ORIGIN, FRAME, result(Prediction(label, 0.5)), [])
    assert json.loads(found["predictions"]) == [[label, 0.5]]


def test_the_end_of_a_long_source_is_kept() -> None:
    source = object_metadata(ORIGIN, replace(FRAME, source="ü" * 300 + "/e.jpg"), result(), [])
    text = decoded_text(source["source"])
    assert text.endswith("ü/e.jpg")
    assert len(source["source"]) <= 300


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("ssdlite-mobilenet-v2-coco", "ssdlite-mobilenet-v2-coco-035c8152035c"),
        ("org/fruit:2.1", "org-fruit-2-1-035c8152035c"),
        ("../..", "035c8152035c"),
        ("咖啡", "035c8152035c"),
    ],
)
def test_the_folder_of_a_model_is_one_safe_name(name: str, folder: str) -> None:
    assert model_folder(name, SHA) == folder
