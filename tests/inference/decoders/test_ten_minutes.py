"""Ten minutes, in simulated time, with a frame every ten that no kind of output can use."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest

from inference.model.profiles.outputs import OUTPUT_KINDS
from inference.pipeline.results import FrameResult

from ..conftest import MakeProfile
from ..test_unusable_output import GOOD, NAN, outputs_of, pipeline
from .exports.objects import Returned
from .families import FAMILIES
from .test_refusals import THINGS, profile_of
from .test_segmentation import logits_of

PRESETS = {
    "dense": "yolo11",
    "grid": "yolox",
    "rows": "yolo-nms",
    "lists": "torchvision-ssd",
    "queries": "detr",
}
"""A preset of each kind that has any."""


class SimulatedTime:
    """A clock that goes on only where somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    perf_counter = monotonic

    def wait(self, seconds: float) -> bool:
        self.now += max(0.0, seconds)
        return False


def case(kind: str, make_profile: MakeProfile) -> tuple[Any, Returned]:
    """Return a profile of this kind of output, and a usable output."""
    if kind in PRESETS:
        profile = profile_of(make_profile, {"preset": PRESETS[kind]})
        return profile, FAMILIES[PRESETS[kind]](THINGS)
    if kind == "segmentation":
        whole = np.ones((8, 8), np.uint8)
        return make_profile(output={"kind": kind}), Returned([logits_of(whole)])
    assert kind in GOOD, f"a kind of output without a case: {kind}"
    changes = {} if kind == "classification" else {"output": {"kind": kind}}
    return make_profile(**changes), Returned(outputs_of(kind))


@pytest.mark.parametrize("kind", OUTPUT_KINDS)
def test_every_tenth_frame_unusable_leaves_the_core_healthy(
    make_profile: MakeProfile,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = SimulatedTime()
    monkeypatch.setattr("inference.pipeline.pipeline.time", clock)
    monkeypatch.setattr("inference.pipeline.skipped.time", clock)
    profile, good = case(kind, make_profile)
    nothing = [
        np.full_like(output, NAN) if output.dtype.kind == "f" else output for output in good.outputs
    ]
    faults: set[str | None] = set()
    results: list[FrameResult] = []

    def answer(run: int) -> list[Any]:
        faults.add(pipe.fault)
        return nothing if run % 10 == 0 else good.outputs

    pipe = pipeline(profile, answer, results, interval=1.0)
    monkeypatch.setattr(pipe, "_changed", clock)
    with caplog.at_level(logging.WARNING):
        pipe.run(frames=600)
    assert clock.now == pytest.approx(600)
    counters = pipe.counters
    assert (counters.read, counters.predicted, counters.failed) == (600, 540, 60)
    assert [result.frame_id for result in results] == [n for n in range(1, 601) if n % 10]
    assert all(result.predictions for result in results)
    assert (counters.sink_errors, faults) == (0, {None})
    assert 2 <= len(caplog.messages) <= 11, "a line at first, then one a minute"
