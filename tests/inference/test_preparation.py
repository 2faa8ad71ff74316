"""Frames that are read and preprocessed while the model runs on the ones before."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inference.errors import ModelError
from inference.model.loaded import LoadedModel
from inference.model.profiles.profile import load_profile
from inference.pipeline.pipeline import Pipeline
from inference.pipeline.results import FrameResult
from inference.serving.assembly import build_stages
from inference.serving.loading import load_model
from inference.settings import InferenceSettings
from inference.sources import SAMPLE_IMAGES, FileSource, Frame, NoFrameError
from inference.sources.several import SeveralSources
from models import store

NAME = "efficientnet-lite0-imagenet"
SETTINGS = InferenceSettings(core_name="test", inference_interval=0)


@pytest.fixture(scope="module")
def loaded() -> LoadedModel:
    return load_model(store.unpacked(NAME), Path("unused"), load_profile(NAME), "cpu")


class Files(FileSource):
    """Tells which photographs were read."""

    def __init__(self, pattern: str = "static", *, repeat: bool = True) -> None:
        super().__init__(pattern, repeat=repeat)
        self.names: list[str] = []
        self.was_read = threading.Condition()

    def poll(self) -> Frame | None:
        frame = super().poll()
        with self.was_read:
            self.names.append(Path(frame.source).name if frame else "")
            self.was_read.notify_all()
        return frame

    def is_at(self, reads: int, seconds: float) -> bool:
        with self.was_read:
            return self.was_read.wait_for(lambda: len(self.names) >= reads, seconds)


class Watched:
    """A pipeline whose model first waits for ``during``, and compares its tensor with before."""

    def __init__(
        self,
        loaded: LoadedModel,
        source: Any,
        interval: float = 0,
        during: Any = lambda: None,
        after: Any = lambda results: None,
    ) -> None:
        self.results: list[FrameResult] = []
        self.is_changed = False
        self.runs = 0
        self._model, self._during, self._after = loaded.model, during, after
        settings = replace(SETTINGS, inference_interval=interval)
        stages = build_stages(settings, loaded, [self._take], source=source)
        self.pipeline = Pipeline(replace(stages, model=self))

    output_names: tuple[str, ...] = ()
    versions: dict[str, str] = {}  # noqa: RUF012

    def run(self, tensor: Any) -> list[Any]:
        before = tensor.copy()
        self.runs += 1
        self._during()
        self.is_changed |= not np.array_equal(before, tensor)
        return self._model.run(tensor)

    def change(self, **stages: Any) -> None:
        self.pipeline.change(replace(self.pipeline.stages, **stages))

    def _take(self, frame: Frame, result: FrameResult) -> None:
        self.results.append(result)
        self._after(len(self.results))


def test_next_file_is_read_while_the_model_runs(loaded: LoadedModel) -> None:
    source = Files()
    waits: list[bool] = []

    def during() -> None:
        if watched.runs > 1:  # the first frame is not late yet
            waits.append(source.is_at(watched.runs + 1, 10))

    watched = Watched(loaded, source, during=during)
    watched.pipeline.run(frames=9)
    assert waits == [True] * 8
    assert not watched.is_changed, "the tensor of a frame was overwritten while its model ran"
    counters = watched.pipeline.counters
    assert (counters.read, counters.predicted, counters.failed) == (9, 9, 0)


def test_what_was_read_ahead_is_predicted_as_it_would_be_otherwise(loaded: LoadedModel) -> None:
    ahead, one_by_one = Watched(loaded, Files()), Watched(loaded, NotAhead())
    for watched in (ahead, one_by_one):
        watched.pipeline.run(frames=8)
    found = [[(one.source, one.predictions) for one in w.results] for w in (ahead, one_by_one)]
    assert found[0] == found[1]
    assert set(ahead.results[-1].latency_ms) == set(one_by_one.results[-1].latency_ms)


def test_results_are_published_while_the_model_runs_on_the_next_frame(loaded: LoadedModel) -> None:
    has_begun = threading.Condition()
    aside: list[bool] = []

    def during() -> None:
        with has_begun:
            has_begun.notify_all()

    def after(results: int) -> None:
        if threading.current_thread() is not threading.main_thread() and results < 40:
            with has_begun:
                aside.append(has_begun.wait_for(lambda: watched.runs > results, 10))

    watched = Watched(loaded, Files(), during=during, after=after)
    watched.pipeline.run(frames=40)
    assert len(watched.results) == 40
    assert [one.frame_id for one in watched.results] == list(range(1, 41))
    assert aside, "all results were published between two runs of the model"
    assert all(aside), "the model did not run while a result was being published"


@pytest.mark.parametrize("is_last", [True, False])
def test_model_that_gives_no_output_ends_a_run_that_reads_ahead(
    loaded: LoadedModel, is_last: bool
) -> None:
    class Broken(Watched):
        def run(self, tensor: Any) -> list[Any]:
            [scores] = super().run(tensor)
            return [scores * np.float32("nan")]

    broken = Broken(loaded, Files())
    with pytest.raises(ModelError, match=r"the model failed on 10 frames in a row: .* not finite"):
        broken.pipeline.run(frames=10 if is_last else None)
    counters = broken.pipeline.counters
    assert (counters.predicted, counters.failed) == (0, 10)
    assert broken.results == []


class NotAhead(Files):
    """As a camera, of which the newest picture counts."""

    @property
    def may_read_ahead(self) -> bool:
        return False


class Quiet(Files):
    """Has nothing for a while, as a folder that is watched."""

    def read(self) -> Frame | None:
        if not self.names:
            time.sleep(0.6)
            self.names.append("nothing")
            raise NoFrameError("nothing yet")
        return super().read()


@pytest.mark.parametrize("kind", ["camera", "interval", "alone", "quiet"])
def test_picture_that_would_be_old_is_not_read_ahead(loaded: LoadedModel, kind: str) -> None:
    sources: dict[str, Callable[[], Files]] = {
        "camera": NotAhead,
        "interval": Files,
        "alone": lambda: Files(str(SAMPLE_IMAGES / "coffee.jpg")),
        "quiet": Quiet,
    }
    source = sources[kind]()
    begun = 2 + (kind == "quiet")
    reads: list[int] = []
    watched = Watched(
        loaded,
        source,
        interval=0.5 if kind in ("interval", "quiet") else 0,
        during=lambda: reads.append(source.is_at(len(reads) + begun, 0.05)),
    )
    watched.pipeline.run(frames=3)
    assert reads == [False] * 3


def test_files_of_several_folders_are_read_ahead_and_those_beside_a_camera_are_not() -> None:
    assert SeveralSources([Files(), Files()]).may_read_ahead
    assert not SeveralSources([Files(), NotAhead()]).may_read_ahead


def test_file_that_cannot_be_read_fails_once(loaded: LoadedModel, tmp_path: Path) -> None:
    for photograph in SAMPLE_IMAGES.glob("*.jpg"):
        shutil.copy(photograph, tmp_path)
    for name in ("b.jpg", "d.jpg"):
        (tmp_path / name).write_bytes(b"no picture")
    watched = Watched(loaded, Files(str(tmp_path), repeat=False))
    watched.pipeline.run()
    counters = watched.pipeline.counters
    assert (counters.read, counters.predicted, counters.failed) == (6, 4, 2)


def test_other_source_is_used_at_once_and_a_new_tensor_loses_no_file(
    loaded: LoadedModel, tmp_path: Path
) -> None:
    first, second = Files(), Files(str(SAMPLE_IMAGES / "coffee.jpg"))

    def during() -> None:
        if watched.runs == 3:
            assert first.is_at(4, 10)
            other = build_stages(SETTINGS, loaded, [], source=first).preprocess
            watched.change(preprocess=other)
        if watched.runs == 6:
            assert first.is_at(7, 10)
            watched.change(source=second)

    watched = Watched(loaded, first, during=during)
    watched.pipeline.run(frames=8)
    names = [Path(result.source).name for result in watched.results]
    assert names == [*first.names[:6], "coffee.jpg", "coffee.jpg"]
    assert not watched.is_changed
