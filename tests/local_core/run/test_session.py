"""What a session, and the run of all sessions, make of what a core says."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from local_core.cloud import LocalCloudError
from local_core.device.watcher import Received
from local_core.nucleus.lifecycle import State, StateChange
from local_core.output import console, installation
from local_core.output.console import CoreConsole, Verdict
from local_core.output.progress import Progress, RunTimes, describe, summary
from local_core.processes.cdk import REPOSITORY
from local_core.processes.interrupts import Interrupted, Interrupts
from local_core.run import session, shared_cloud
from local_core.run.session import RunError, Session
from local_core.run.shared_cloud import model_archive, object_name
from mli.local import runner
from mli.local.runner import Runner
from stacks.context.model_source import parse_s3_uri
from tests.inference.tiny_onnx import with_external_weights

pytestmark = pytest.mark.slow

TOPIC = "mli/predictions/Demo"
PAYLOAD = b'[{"confidence": "0.93", "prediction": "cat", "box": [0.1, 0.2, 0.3, 0.4]}]'


class FakeDevice:
    """Stands for a core: what it says is put into the console by the test."""

    def __init__(self, log: Path) -> None:
        self.parts = ("com.A",)
        self._log = log

    def log_of(self, part: str) -> Path:
        return self._log

    def __enter__(self) -> FakeDevice:
        return self

    def __exit__(self, *_: object) -> None:
        return


@pytest.fixture
def opened(tmp_path: Path) -> Session:
    progress = Progress()
    generation: Any = SimpleNamespace(
        device=lambda *_, **__: FakeDevice(tmp_path / "component.log"), short_name=str
    )
    configuration: Any = None
    core = CoreConsole(generation, configuration, endpoint="http://127.0.0.1:1", progress=progress)
    return Session(core, prediction_topic=TOPIC, progress=progress, interrupts=Interrupts())


def _put(opened: Session, *events: Any) -> None:
    for event in events:
        opened._console.events.put(event)


def _message(topic: str = TOPIC, payload: bytes = PAYLOAD) -> Received:
    return Received(time.monotonic(), topic, payload)


def test_predictions_are_shown_and_others_counted(
    opened: Session, capfd: pytest.CaptureFixture[str]
) -> None:
    for message in (_message("feedback/message/status", b"{}"), _message(), _message()):
        opened.receive(message)
    opened.await_predictions(2)
    opened._progress.say_counts()
    shown = capfd.readouterr().out
    assert shown.count(f"{TOPIC}: cat 93% [0.10 0.20 0.30 0.40]") == 2
    assert "feedback/message/status: 1 message\n" in shown


def test_failed_deployment_is_an_error_with_the_end_of_the_log(
    opened: Session, tmp_path: Path
) -> None:
    log = tmp_path / "component.log"
    log.write_text("one\nmodel is damaged\n")
    _put(opened, Verdict("FAILED", "FAILED_ROLLBACK_COMPLETE: a is broken"))
    with pytest.raises(RunError) as caught:
        opened.await_predictions(1)
    assert "FAILED_ROLLBACK_COMPLETE: a is broken" in str(caught.value)
    assert str(caught.value).endswith("model is damaged")


def test_failed_deployment_names_the_line_that_explains_it(opened: Session, tmp_path: Path) -> None:
    lines = ["ERROR the model needs 2 inputs, not 1", *map(str, range(20))]
    (tmp_path / "component.log").write_text("\n".join(lines))
    _put(opened, Verdict("FAILED", "FAILED_ROLLBACK_COMPLETE: run reported ERRORED"))
    with pytest.raises(RunError) as caught:
        opened.await_predictions(1)
    assert str(caught.value).endswith("\ncom.A said: ERROR the model needs 2 inputs, not 1")


def test_component_that_ends_is_an_error(opened: Session) -> None:
    _put(opened, StateChange("com.A", State.FINISHED, time.monotonic()))
    with pytest.raises(RunError, match=r"com\.A has ended"):
        opened.await_predictions(1)


def test_core_that_predicts_nothing_is_an_error(
    opened: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "PREDICTION_SECONDS", 0.2)
    _put(opened, StateChange("com.A", State.RUNNING, time.monotonic()))
    with pytest.raises(RunError, match=r"no prediction within 0\.2 s"):
        opened.await_predictions(1)


def test_installation_shows_every_few_seconds_how_far_it_is(
    opened: Session,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened._console.configuration = SimpleNamespace(root=tmp_path)  # type: ignore[assignment]
    monkeypatch.setattr(console, "INSTALL_REMINDER_SECONDS", 0.0)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    began = time.time()
    opened._console.take(StateChange("com.A", State.NEW, time.monotonic()))
    downloads = tmp_path / "tmp" / "pip-unpack-1"
    downloads.mkdir(parents=True)
    (downloads / "opencv.whl").write_bytes(bytes(3_000_000))
    opened._console.remind("")
    (downloads / "numpy.whl").write_bytes(bytes(3_000_000))
    os.utime(downloads / "numpy.whl", 2 * (began - 0.01,))  # a file's clock is behind by as much
    opened._console.remind("")
    packages = tmp_path / "work" / "com.A" / "venv-1" / "lib" / "python3.12" / "site-packages"
    for name in ("pip-1", "numpy-2", "six-1", "opencv-4"):
        (packages / f"{name}.dist-info").mkdir(parents=True)
    opened._console.remind("")
    one, first, second = capfd.readouterr().out.splitlines()
    assert one.endswith("so far: install: 1 package is downloaded, 3 MB")
    assert first.endswith("so far: install: 2 packages are downloaded, 6 MB")
    assert second.endswith("so far: install: 3 packages are installed")
    assert installation.is_first([tmp_path / "work" / "com.A"])
    (tmp_path / "work" / "com.A" / "venv-1" / "complete").touch()
    assert not installation.is_first([tmp_path / "work" / "com.A"])


class Following:
    """A core that is kept: what happens in each round, and Ctrl-C at the end."""

    def __init__(self, opened: Session, rounds: list[list[Any]]) -> None:
        self._opened = opened
        self._rounds = rounds

    def check(self) -> None:
        if not self._rounds:
            raise Interrupted(signal.SIGINT)
        _put(self._opened, *self._rounds.pop(0))


def test_instructions_of_a_kept_core_are_the_last_lines_again_once_it_is_quiet(
    opened: Session, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "_FOLLOW_SECONDS", 0.01)
    predictions = [_message()] * 10
    restarted = StateChange("com.A", State.RUNNING, time.monotonic())
    rounds: list[list[Any]] = [predictions, predictions, [restarted], predictions, predictions]
    following: Any = Following(opened, [*rounds, predictions])
    running = Runner(opened._progress, following, region="us-east-1", keep=True)
    running._sessions.append(opened)
    with pytest.raises(Interrupted):
        running._follow("the instructions")
    shown = [line for line in capfd.readouterr().out.splitlines() if "[{" not in line]
    assert [line.partition("s] ")[2] or line for line in shown] == [
        "the instructions",
        "com.A is running",
        f"{TOPIC}: cat 93% [0.10 0.20 0.30 0.40]",
        "the instructions",
    ]


def test_kept_run_ends_with_its_cloud(opened: Session) -> None:
    def check() -> None:
        raise LocalCloudError("the local cloud has ended")

    running = Runner(opened._progress, Interrupts(), region="us-east-1", keep=True)
    running._check_cloud = check
    with pytest.raises(LocalCloudError, match="has ended"):
        running._follow("the instructions")


def test_a_mask_is_not_counted_as_a_sample(tmp_path: Path) -> None:
    pages = [{"Contents": [{"Key": "lowest/seg/1.jpg"}, {"Key": "lowest/seg/1.mask.png"}]}, {}]
    s3 = SimpleNamespace(
        get_paginator=lambda name: SimpleNamespace(paginate=lambda **options: pages)
    )
    shared = shared_cloud.SharedCloud(tmp_path, Progress(), Interrupts())
    shared.cloud = SimpleNamespace(client=lambda service: s3)  # type: ignore[assignment]
    assert shared.samples("bucket") == ["lowest/seg/1.jpg"]


def test_folder_becomes_an_archive_and_an_archive_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("local_core.run.shared_cloud._ARCHIVES", tmp_path)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "compiled.json").write_text("{}")
    archive = model_archive(tmp_path / "model")
    assert archive.name == "model.tar.gz"
    before = archive.stat().st_mtime_ns
    assert model_archive(tmp_path / "model").stat().st_mtime_ns == before
    assert model_archive(archive) == archive


def test_a_model_comes_with_the_weights_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("local_core.run.shared_cloud._ARCHIVES", tmp_path / "archives")
    model = with_external_weights(tmp_path / "net.onnx")
    (tmp_path / "other.onnx").write_bytes(b"another model")
    with tarfile.open(model_archive(model)) as archive:
        assert archive.getnames() == ["net.onnx", "net.onnx.data"]
    assert model_archive(tmp_path / "other.onnx") == tmp_path / "other.onnx"


@pytest.mark.parametrize("name", ["yolo11n", "my model (1)", "Modèle-é", "n" * 200])
def test_every_name_of_a_model_becomes_one_of_an_object(name: str) -> None:
    found = object_name(Path("models", f"{name}.onnx"))
    assert parse_s3_uri(f"s3://bucket/Demo/{found}").name == found
    assert found.endswith(".onnx")


def test_two_runs_may_pack_one_model_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "compiled.json").write_text("{}")
    monkeypatch.setattr("local_core.run.shared_cloud._ARCHIVES", tmp_path)
    anonymous = shared_cloud._anonymous

    def packed_meanwhile(member: tarfile.TarInfo) -> tarfile.TarInfo:
        monkeypatch.setattr("local_core.run.shared_cloud._anonymous", anonymous)
        model_archive(model)
        return anonymous(member)

    monkeypatch.setattr("local_core.run.shared_cloud._anonymous", packed_meanwhile)
    with tarfile.open(model_archive(model)) as archive:
        assert archive.getnames() == ["compiled.json"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "model.tar.gz"]


def test_help_imports_no_command() -> None:
    code = (
        "import sys; sys.argv = ['x', '--help']\n"
        "from mli.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: assert 'mli.local.run' not in sys.modules\n"
    )
    began = time.monotonic()
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert "run" in result.stdout
    assert "infer" in result.stdout
    assert time.monotonic() - began < 5


def test_summary_has_a_line_a_model() -> None:
    text = summary([RunTimes("a-model", 7.64, 1.0, 4, 0.6, 8)])
    words = "a-model 7.6 s 1.0 s 4 in 0.6 s 8"
    assert text.splitlines()[1].split() == words.split()


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        (b"[]", "nothing above the threshold"),
        (b'[{"confidence": "0.5", "prediction": "n01 cup, mug"}]', "n01 cup, mug 50%"),
        (
            b'{"frame": {"source": "/a/cat.png"}, "predictions": [{"label": "cat", "score": 1}]}',
            "cat.png: cat 100%",
        ),
        (b'{"framesRead": 3}', '{"framesRead": 3}'),
        (b"\xff", r"\xff"),
    ],
)
def test_describe(payload: bytes, text: str) -> None:
    assert describe(payload) == text
