"""The loop: counting, pacing and stopping, with the real model on real photographs."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from edge_functions import CODE_FOLDER
from inference.errors import FrameError, ModelError
from inference.model.engines.dlr import DlrModel
from inference.model.loaded import LoadedModel
from inference.model.profiles.profile import load_profile, profile_path
from inference.pipeline.pipeline import Pipeline, Sink
from inference.pipeline.results import FrameResult, encode_list
from inference.pipeline.sinks import PredictionSink
from inference.schema import ConfigurationError
from inference.serving.assembly import build_stages, encoder_for
from inference.serving.loading import load_model
from inference.settings import InferenceSettings
from inference.sources import FileSource, Frame, FrameSource
from models import store

NAME = "efficientnet-lite0-imagenet"
SETTINGS = InferenceSettings(core_name="test", inference_interval=0)


def pipeline(
    published: list[bytes], source: FrameSource | None = None, interval: float = 0
) -> Pipeline:
    settings = InferenceSettings(core_name="test", inference_interval=interval)
    frames = FileSource("static", repeat=True) if source is None else source
    model = loaded(NAME)
    sink = PredictionSink(encoder_for(settings, model), published.append)
    return Pipeline(build_stages(settings, model, [sink], source=frames))


def loaded(profile: str) -> LoadedModel:
    return load_model(store.unpacked(NAME), Path("unused"), load_profile(profile), "cpu")


def refuse_to_build(profile: str, settings: InferenceSettings = SETTINGS) -> None:
    source = FileSource("static", repeat=True)
    build_stages(settings, loaded(profile), [], source=source)


class Unsteady(FrameSource):
    """Every second frame is bad."""

    def __init__(self, frames: FrameSource) -> None:
        self._frames = frames
        self._reads = 0

    def read(self) -> Frame | None:
        self._reads += 1
        if self._reads % 2:
            raise FrameError("torn frame")
        return self._frames.read()


def test_a_source_that_ends_ends_the_run() -> None:
    published: list[bytes] = []
    run = pipeline(published, FileSource("static", repeat=False))
    run.run()
    assert (run.counters.read, run.counters.predicted, len(published)) == (4, 4, 4)


def test_bad_frames_are_counted_and_skipped(caplog: pytest.LogCaptureFixture) -> None:
    published: list[bytes] = []
    run = pipeline(published, Unsteady(FileSource("static", repeat=True)))
    run.run(frames=10)
    counters = run.counters
    assert (counters.read, counters.predicted, counters.failed) == (10, 5, 5)
    assert len(published) == 5
    assert "frame skipped: torn frame" in caplog.text


def test_frames_start_an_interval_apart() -> None:
    run = pipeline([], interval=0.2)
    started = time.monotonic()
    run.run(frames=3)
    assert 0.4 <= time.monotonic() - started < 5


def test_stop_ends_the_wait_for_the_next_frame() -> None:
    published: list[bytes] = []
    run = pipeline(published, interval=3600)
    thread = threading.Thread(target=run.run)
    thread.start()
    while not published:
        time.sleep(0.01)
    run.stop()
    thread.join(timeout=5)
    assert not thread.is_alive()
    assert len(published) == 1


def test_a_sink_that_fails_costs_neither_the_loop_nor_the_other_sinks(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refuse(payload: bytes) -> None:
        raise OSError("broker away")

    def fail(frame: Frame, result: FrameResult) -> None:
        raise ValueError("a fault of it")

    frames: list[int] = []
    sinks: list[Sink] = [PredictionSink(encode_list, refuse), fail]
    sinks.append(lambda frame, _: frames.append(frame.id))
    source = FileSource("static", repeat=True)
    run = Pipeline(build_stages(SETTINGS, loaded(NAME), sinks, source=source))
    run.run(2)
    assert frames == [1, 2]
    assert run.counters.sink_errors == 2
    assert caplog.text.count("its predictions were not published: broker away") == 2


def test_a_profile_of_another_model_is_refused_before_any_frame() -> None:
    with pytest.raises(ModelError, match="is it the profile of this model"):
        refuse_to_build("gluoncv-ssd-voc")


def test_a_profile_of_another_kind_is_refused_before_any_frame(tmp_path: Path) -> None:
    values = json.loads(profile_path(NAME).read_text())
    values.update({"output": {"kind": "gluoncv-ssd"}, "labels": None})
    path = tmp_path / "wrong.json"
    path.write_text(json.dumps(values))
    with pytest.raises(ModelError, match=r"needs three outputs.*the model returned \[1, 1000\]"):
        refuse_to_build(str(path))


def test_a_class_that_no_label_has_is_refused() -> None:
    settings = InferenceSettings(core_name="test", classes=("unicorn",))
    with pytest.raises(ConfigurationError, match="'unicorn' is not one"):
        refuse_to_build(NAME, settings)


def test_a_component_tries_each_model_once_in_a_child(tmp_path: Path) -> None:
    for _ in range(2):
        load_model(store.unpacked(NAME), tmp_path, load_profile(NAME), "cpu", try_once=True)
    [mark] = tmp_path.iterdir()
    assert mark.name.startswith("tried-cpu-")


def test_a_model_whose_outputs_were_in_order_starts_without_a_run_on_zeros(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[str] = []
    warm_up = DlrModel.warm_up

    def counted(model: DlrModel) -> list[object]:
        runs.append("zeros")
        return warm_up(model)

    def start(profile: str) -> None:
        load_model(store.unpacked(NAME), tmp_path, load_profile(profile), "cpu", try_once=True)

    monkeypatch.setattr(DlrModel, "warm_up", counted)
    start(NAME)
    start(NAME)
    assert len(runs) == 1
    values = json.loads(profile_path(NAME).read_text())
    values.update({"output": {"kind": "gluoncv-ssd"}, "labels": None})
    other = tmp_path / "other.json"
    other.write_text(json.dumps(values))
    for number in (2, 3):
        with pytest.raises(ModelError, match="needs three outputs"):
            start(str(other))
        assert len(runs) == number, "another profile has to be checked until it fits"
    [mark] = tmp_path.glob("tried-*")
    mark.write_bytes(b"\xff torn")
    start(NAME)
    start(NAME)
    assert len(runs) == 4


def test_opencv_is_not_imported_before_the_model_begins_to_load() -> None:
    code = "import sys, inference.serving.loading; sys.exit('cv2' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=CODE_FOLDER, check=True)


class Failing(FrameSource):
    """A folder on a disk that fails now and then."""

    def __init__(self, frames: FrameSource) -> None:
        self._frames = frames
        self._reads = 0

    def read(self) -> Frame | None:
        self._reads += 1
        if self._reads == 2:
            raise OSError(5, "Input/output error")
        return self._frames.read()


def test_a_source_whose_disk_fails_is_counted_and_asked_again() -> None:
    published: list[bytes] = []
    run = pipeline(published, Failing(FileSource("static", repeat=True)))
    began = time.monotonic()
    run.run(frames=4)
    assert (run.counters.read, run.counters.predicted, run.counters.failed) == (4, 3, 1)
    assert len(published) == 3
    assert 1 <= time.monotonic() - began < 5
