"""What a model returns for one frame may be unusable; only a model that never works is broken."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any, Callable

import numpy as np
import pytest

from inference.errors import ModelError, OutputError
from inference.model.loaded import LoadedModel
from inference.model.profiles.profile import ModelProfile
from inference.pipeline import skipped
from inference.pipeline.pipeline import Pipeline
from inference.pipeline.results import FrameResult
from inference.serving.assembly import build_stages, check_outputs
from inference.settings import InferenceSettings
from inference.sources import Frame, FrameSource
from inference.vision.postprocess import Postprocessor
from tests.waiting import replace_time

from .conftest import MakeProfile

SETTINGS = InferenceSettings(core_name="test", inference_interval=0)
NAN = float("nan")

GOOD: dict[str, Any] = {
    "classification": [[[0.1, 0.7, 0.2]]],
    "gluoncv-ssd": [[[[1], [-1]]], [[[0.9], [-1]]], [[[1, 1, 4, 4], [-1, -1, -1, -1]]]],
    "sagemaker-ssd": [[[[1, 0.9, 0.1, 0.1, 0.5, 0.5], [-1, 0, 0, 0, 0, 0]]]],
}


def outputs_of(kind: str, *changes: tuple[int, tuple[int, ...], float]) -> list[Any]:
    """Return good outputs with some values changed: (output, index, value)."""
    outputs = [np.array(values, np.float32) for values in GOOD[kind]]
    for output, index, value in changes:
        outputs[output][index] = value
    return outputs


def profile_of(kind: str, make_profile: MakeProfile) -> ModelProfile:
    if kind == "classification":
        return make_profile()
    return make_profile(output={"kind": kind})


class Scripted:
    """Stands in for DLR: returns what ``answer`` says for the number of a run."""

    output_names = ()

    def __init__(self, answer: Callable[[int], list[Any]]) -> None:
        self._answer = answer
        self._runs = 0

    def run(self, tensor: Any) -> list[Any]:
        self._runs += 1
        return self._answer(self._runs)


class Images(FrameSource):
    """Frames without end, each either of one colour or of noise."""

    def __init__(self, *, plain: bool = False) -> None:
        noise = np.random.default_rng(1).integers(0, 256, (8, 8, 3), np.uint8)
        self._image: Any = np.zeros((8, 8, 3), np.uint8) if plain else noise
        self._reads = 0

    def read(self) -> Frame | None:
        self._reads += 1
        return Frame(self._reads, "test", self._image, None, captured_at=0.0, capture_ms=0.0)


def pipeline(
    profile: ModelProfile,
    answer: Callable[[int], list[Any]],
    results: list[FrameResult],
    *,
    plain: bool = False,
    interval: float = 0.0,
) -> Pipeline:
    model: Any = Scripted(answer)
    loaded = LoadedModel(profile, None, model)  # type: ignore[arg-type]
    keep: Callable[[Frame, FrameResult], None] = lambda frame, result: results.append(result)  # noqa: E731
    settings = replace(SETTINGS, inference_interval=interval)
    return Pipeline(build_stages(settings, loaded, [keep], source=Images(plain=plain)))


BAD: dict[str, Any] = {
    "a score that is not a number": [
        ("classification", [(0, (0, 1), NAN)]),
        ("gluoncv-ssd", [(1, (0, 0, 0), NAN)]),
        ("sagemaker-ssd", [(0, (0, 0, 1), NAN)]),
    ],
    "an infinite score": [
        ("classification", [(0, (0, 1), float("inf"))]),
        ("gluoncv-ssd", [(1, (0, 0, 0), float("inf"))]),
        ("sagemaker-ssd", [(0, (0, 0, 1), float("inf"))]),
    ],
    "a class id that is not a number": [
        ("gluoncv-ssd", [(0, (0, 0, 0), NAN)]),
        ("sagemaker-ssd", [(0, (0, 0, 0), NAN)]),
    ],
    "a class past the labels": [
        ("gluoncv-ssd", [(0, (0, 0, 0), 3)]),
        ("sagemaker-ssd", [(0, (0, 0, 0), 1e9)]),
    ],
    "a corner that is not a number": [
        ("gluoncv-ssd", [(2, (0, 0, 3), NAN)]),
        ("sagemaker-ssd", [(0, (0, 0, 2), NAN)]),
    ],
}
CASES = [
    pytest.param(kind, changes, id=f"{what}, {kind}")
    for what, cases in BAD.items()
    for kind, changes in cases
]


@pytest.mark.parametrize(("kind", "changes"), CASES)
def test_an_unusable_frame_every_tenth_costs_itself_alone(
    make_profile: MakeProfile, kind: str, changes: Any
) -> None:
    results: list[FrameResult] = []

    def answer(run: int) -> list[Any]:
        return outputs_of(kind, *changes) if run % 10 == 1 else outputs_of(kind)

    run = pipeline(profile_of(kind, make_profile), answer, results)
    run.run(frames=100)
    counters = run.counters
    assert (counters.read, counters.predicted, counters.failed) == (100, 90, 10)
    assert [one.predictions[0].label for one in results] == ["one"] * 90
    assert run.fault is None


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("gluoncv-ssd", [(1, (0, 1, 0), NAN), (2, (0, 1, 0), NAN)]),
        ("sagemaker-ssd", [(0, (0, 1, 1), NAN), (0, (0, 1, 4), float("inf"))]),
        ("gluoncv-ssd", [(0, (0, 1, 0), 2), (1, (0, 1, 0), 0.05), (2, (0, 1, 0), NAN)]),
        ("sagemaker-ssd", [(0, (0, 1, 0), 7), (0, (0, 1, 1), 0.05), (0, (0, 1, 3), NAN)]),
    ],
    ids=["unused", "unused, one output", "below the threshold", "the same, one output"],
)
def test_rows_that_nobody_asks_for_may_hold_anything(
    make_profile: MakeProfile, kind: str, changes: Any
) -> None:
    results: list[FrameResult] = []
    run = pipeline(profile_of(kind, make_profile), lambda _: outputs_of(kind, *changes), results)
    run.run(frames=3)
    assert [len(one.predictions) for one in results] == [1, 1, 1]
    assert [one.scores().labels for one in results] == [("one",)] * 3


def broken(run: int) -> list[Any]:
    return outputs_of("classification", (0, (0, 1), NAN))


def test_a_model_that_fails_on_ten_frames_from_the_start_is_broken(
    make_profile: MakeProfile,
) -> None:
    run = pipeline(make_profile(), broken, [])
    with pytest.raises(ModelError, match=r"failed on 10 frames in a row: .*a score .*not finite"):
        run.run(frames=100)
    assert (run.counters.read, run.counters.failed) == (10, 10)


def test_frames_of_one_colour_do_not_prove_a_model_broken(make_profile: MakeProfile) -> None:
    """A covered camera: whatever divides by the contrast fails on all of its frames."""
    run = pipeline(make_profile(), broken, [], plain=True)
    run.run(frames=30)
    assert run.counters.failed == 30
    assert run.fault is not None
    assert run.fault.startswith("30 frames in a row: ")


def test_a_model_that_has_predicted_outlives_any_number_of_bad_frames(
    make_profile: MakeProfile,
) -> None:
    faults: list[str | None] = []

    def answer(run: int) -> list[Any]:
        faults.append(pipe.fault)
        return outputs_of("classification") if run in (1, 30) else broken(run)

    pipe = pipeline(make_profile(), answer, [])
    pipe.run(frames=31)
    assert (pipe.counters.predicted, pipe.counters.failed) == (2, 29)
    assert faults[10] is None
    assert faults[11] is not None, "ten frames in a row failed"
    assert faults[30] is None, "a frame was predicted"


def test_a_runtime_that_fails_ten_times_in_a_row_ends_the_process(
    make_profile: MakeProfile,
) -> None:
    """A device that was lost, for example: a new process may get it back."""

    def answer(run: int) -> list[Any]:
        if run in (5, *range(8, 100)):
            raise ModelError("model x: the run failed: CUDA: unspecified launch failure")
        return outputs_of("classification")

    run = pipeline(make_profile(), answer, [])
    with pytest.raises(ModelError, match=r"failed on 10 frames in a row: .*unspecified launch"):
        run.run(frames=100)
    assert (run.counters.predicted, run.counters.failed) == (6, 11)


def test_a_frame_for_which_there_is_no_memory_costs_itself_alone(
    make_profile: MakeProfile, caplog: pytest.LogCaptureFixture
) -> None:
    def answer(run: int) -> list[Any]:
        if run == 2:
            raise MemoryError
        return outputs_of("classification")

    run = pipeline(make_profile(), answer, [])
    run.run(frames=3)
    assert (run.counters.predicted, run.counters.failed) == (2, 1)
    assert "frame skipped: there is not enough memory for it" in caplog.text


@pytest.mark.parametrize("kind", GOOD)
def test_a_run_on_zeros_that_gives_nothing_usable_is_a_warning(
    make_profile: MakeProfile, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    outputs = [np.full_like(output, NAN) for output in outputs_of(kind)]
    check_outputs(profile_of(kind, make_profile), (), outputs)
    assert "the model's first run, on zeros, gave no usable output: profile test-model" in (
        caplog.text
    )


def test_a_reason_is_logged_once_and_then_summarised(
    make_profile: MakeProfile, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = iter(range(1000))
    replace_time(monkeypatch, skipped, monotonic=lambda: float(next(seconds)))
    notes = skipped.SkippedFrames()
    with caplog.at_level(logging.WARNING):
        for _ in range(150):
            notes.add(OutputError("no number"))
    assert caplog.messages == [
        "frame skipped: no number",
        "60 more frames skipped in 60 s; the last: no number",
        "60 more frames skipped in 60 s; the last: no number",
    ]


def test_different_reasons_are_logged_up_to_a_limit(caplog: pytest.LogCaptureFixture) -> None:
    notes = skipped.SkippedFrames()
    for number in range(100):
        notes.add(OutputError(f"a.{number}.jpg is not an image"))
    assert len(caplog.messages) == 10
    notes.end()
    assert caplog.messages[10:] == [
        "90 more frames skipped in 0 s; the last: a.99.jpg is not an image"
    ]
    notes.end()
    assert len(caplog.messages) == 11


def test_a_whole_vector_of_no_numbers_is_an_unusable_output(make_profile: MakeProfile) -> None:
    with pytest.raises(OutputError, match="a score that the model returned is not finite"):
        Postprocessor(make_profile()).decode([np.full((1, 3), NAN, np.float32)])


@pytest.mark.parametrize(
    ("kind", "corners", "units", "fact"),
    [
        ("gluoncv-ssd", [0.25, 0.25, 0.75, 0.75], "fractions", "smaller than a pixel in pixels"),
        ("sagemaker-ssd", [2, 2, 6, 6], "pixels", "far outside the image in fractions"),
    ],
)
def test_boxes_in_another_unit_are_a_fault_that_names_the_cure(
    make_profile: MakeProfile, kind: str, corners: list[float], units: str, fact: str
) -> None:
    outputs = outputs_of(kind)
    outputs[-1][0, 0, -4:] = corners
    run = pipeline(profile_of(kind, make_profile), lambda _: outputs, [])
    run.run(frames=2)
    assert run.fault is None
    run.run(frames=5)
    assert run.fault is not None
    assert f"all boxes are {fact}; set output.units to {units}" in run.fault

    results: list[FrameResult] = []
    cured = make_profile(output={"kind": kind, "units": units})
    again = pipeline(cured, lambda _: outputs, results)
    again.run(frames=5)
    assert again.fault is None
    assert results[0].predictions[0].box == pytest.approx((0.25, 0.25, 0.75, 0.75))


def test_boxes_in_the_right_unit_end_the_fault(make_profile: MakeProfile) -> None:
    def answer(run: int) -> list[Any]:
        outputs = outputs_of("gluoncv-ssd")
        outputs[2][0, 0] = [0.1, 0.1, 0.9, 0.9] if run < 5 else [1, 1, 4, 4]
        return outputs

    run = pipeline(profile_of("gluoncv-ssd", make_profile), answer, [])
    run.run(frames=4)
    assert run.fault is not None
    run.run(frames=5)
    assert run.fault is None


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_quantised_scores_need_a_scale_and_then_are_right(
    make_profile: MakeProfile, dtype: Any
) -> None:
    zero = int(np.iinfo(dtype).min)
    scores = (np.array([[26, 179, 51]]) + zero).astype(dtype)
    with pytest.raises(ModelError, match=r"scores; set output\.scale and output\.zeroPoint"):
        Postprocessor(make_profile()).decode([scores])
    output = {
        "kind": "classification", "activation": "probabilities",
        "scale": 1 / 256, "zeroPoint": zero,
    }  # fmt: skip
    found = Postprocessor(make_profile(output=output)).decode([scores])
    assert list(found.class_ids) == [1, 2, 0]
    assert found.scores == pytest.approx(np.array([179, 51, 26]) / 256)
