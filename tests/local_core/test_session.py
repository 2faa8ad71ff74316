"""A whole core: a template's deployment carried out, with a component that is a real process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from inference import names
from local_core import run, session
from local_core.assembly import Assembly
from local_core.cli import main
from local_core.interrupts import Interrupted, Interrupts
from local_core.nucleus.core import CoreBusyError
from local_core.progress import Progress, describe
from local_core.session import RunError, Session
from local_core.synthesis import REPOSITORY, Target
from tests.local_core.assemblies import COMPONENT, TOPIC, write_assembly
from tests.local_core.support import eventually
from tests.local_core.test_lifecycle import is_running

CAT = "cat 93% [0.10 0.20 0.30 0.40]"


@pytest.fixture
def interrupts() -> Interrupts:
    return Interrupts()


@pytest.fixture
def new_session(tmp_path: Path, interrupts: Interrupts) -> Callable[[], Session]:
    return lambda: Session(
        root=tmp_path / "core",
        prediction_topic=TOPIC,
        progress=Progress(),
        interrupts=interrupts,
    )


def test_predictions_are_shown_and_the_core_stops(
    tmp_path: Path, new_session: Callable[[], Session], capfd: pytest.CaptureFixture[str]
) -> None:
    assembly = Assembly.load(write_assembly(tmp_path / "cdk.out", merge={"messages": 5}))
    outcome = new_session().run(assembly, frames=3)
    assert len(outcome.predictions) == 3
    assert outcome.install_began <= outcome.run_began <= outcome.predictions[0]
    assert capfd.readouterr().out.count(f"{TOPIC}: {CAT}") == 3


def test_environment_of_the_user_does_not_reach_the_component(
    tmp_path: Path, new_session: Callable[[], Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The component's own script asserts it; here is what it must not see."""
    monkeypatch.setenv("PYTHONPATH", "/nonsense")
    monkeypatch.setenv("VIRTUAL_ENV", "/nonsense")
    assembly = Assembly.load(write_assembly(tmp_path / "cdk.out"))
    assert new_session().run(assembly, frames=1).predictions


def test_broken_component_is_an_error_with_the_end_of_its_log(
    tmp_path: Path, new_session: Callable[[], Session]
) -> None:
    install = "echo model is damaged >&2; exit 4"
    assembly = Assembly.load(write_assembly(tmp_path / "cdk.out", install=install))
    with pytest.raises(RunError) as caught:
        new_session().run(assembly, frames=1)
    log = tmp_path / "core" / "logs" / f"{COMPONENT}.log"
    assert f"{COMPONENT} is broken: install ended with exit code 4" in str(caught.value)
    assert str(log) in str(caught.value)
    assert str(caught.value).endswith("model is damaged")


def test_component_that_ends_early_is_an_error(
    tmp_path: Path, new_session: Callable[[], Session]
) -> None:
    merge = {"messages": 2, "sleep": 0}
    assembly = Assembly.load(write_assembly(tmp_path / "cdk.out", merge=merge))
    with pytest.raises(RunError, match=f"{COMPONENT} is finished"):
        new_session().run(assembly, frames=3)


def test_component_that_predicts_nothing_is_an_error(
    tmp_path: Path, new_session: Callable[[], Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "PREDICTION_SECONDS", 0.3)
    assembly = Assembly.load(write_assembly(tmp_path / "cdk.out", run="sleep 60"))
    with pytest.raises(RunError, match=r"no prediction within 0\.3 s"):
        new_session().run(assembly, frames=1)


def test_interrupted_session_leaves_no_process(
    tmp_path: Path, new_session: Callable[[], Session], interrupts: Interrupts
) -> None:
    pid_file = tmp_path / "pid"
    assembly = Assembly.load(
        write_assembly(tmp_path / "cdk.out", install=f"echo $$ > {pid_file}; exec sleep 60")
    )

    def interrupt() -> None:
        eventually(lambda: pid_file.exists() and pid_file.read_text())
        os.kill(os.getpid(), signal.SIGTERM)

    with interrupts:
        threading.Thread(target=interrupt).start()
        with pytest.raises(Interrupted, match="SIGTERM") as caught:
            new_session().run(assembly, frames=1)
    assert caught.value.exit_code == 143
    assert not is_running(int(pid_file.read_text()))


def test_two_cores_cannot_share_a_folder(
    tmp_path: Path, new_session: Callable[[], Session]
) -> None:
    pid_file = tmp_path / "pid"
    assembly = Assembly.load(
        write_assembly(tmp_path / "cdk.out", install=f"echo $$ > {pid_file}; sleep 1; exit 1")
    )
    errors: list[Exception] = []

    def first() -> None:
        try:
            new_session().run(assembly, frames=1)
        except RunError as error:
            errors.append(error)

    thread = threading.Thread(target=first)
    thread.start()
    eventually(pid_file.exists)
    with pytest.raises(CoreBusyError):
        new_session().run(assembly, frames=1)
    thread.join()
    assert errors


class TestCommand:
    """``python -m local_core run`` with a synthesis that is there already."""

    @pytest.fixture
    def invoke(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> Callable[..., tuple[Result, list[Target]]]:
        targets: list[Target] = []
        folder = tmp_path / "cdk.out"

        class Done:
            def __init__(self, target: Target) -> None:
                targets.append(target)

            def wait(self, _: Interrupts) -> Path:
                return folder

            def __enter__(self) -> Done:
                return self

            def __exit__(self, *_: object) -> None:
                return

        def call(*arguments: str, **assembly: str) -> tuple[Result, list[Target]]:
            write_assembly(folder, merge={"messages": 9}, **assembly)
            monkeypatch.setattr(run, "Synthesis", Done)
            monkeypatch.setattr(run, "STATE", tmp_path / "state")
            model = tmp_path / "Demo"
            model.mkdir()
            base = ["run", "--model", str(model), "--profile", "any"]
            monkeypatch.setattr(names, "prediction_topic", lambda _: TOPIC)
            return CliRunner().invoke(main, [*base, *arguments]), targets

        return call

    def test_success(self, invoke: Callable[..., tuple[Result, list[Target]]]) -> None:
        result, (target,) = invoke("--frames", "2", "--message-format", "envelope")
        assert result.exit_code == 0, result.output
        assert result.output.count(CAT) == 2
        assert "first prediction" in result.output
        assert target.context()["coreName"] == "Demo-Demo"
        assert target.context()["imageSource"] == "static"
        assert target.context()["messageFormat"] == "envelope"

    def test_failure(self, invoke: Callable[..., tuple[Result, list[Target]]]) -> None:
        result, _ = invoke(install="echo no wheels; exit 1")
        assert result.exit_code == 1
        assert "Error: com.Demo is broken" in result.output
        assert "no wheels" in result.output

    def test_images_are_made_absolute(
        self, invoke: Callable[..., tuple[Result, list[Target]]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(REPOSITORY)
        _, (target,) = invoke("--frames", "1", "--images", "tests/*")
        assert target.image_source == str(REPOSITORY / "tests" / "*")

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--images", "/nowhere"], "--images /nowhere: there is no such"),
            (["--profile", "x"], "--profile describes a --model"),
            (["--model", "x"], "--model needs a --profile"),
            (["--model", "/nowhere", "--profile", "x"], "--model /nowhere: there is no such"),
            (["--frames", "0"], "--frames"),
        ],
    )
    def test_wrong_options(self, arguments: list[str], message: str) -> None:
        result = CliRunner().invoke(main, ["run", *arguments])
        assert result.exit_code == 2
        assert message in result.output


def test_help_imports_no_command() -> None:
    code = (
        "import sys; sys.argv = ['x', '--help']\n"
        "from local_core.cli import main\n"
        "try: main()\n"
        "except SystemExit: assert 'local_core.run' not in sys.modules\n"
    )
    began = time.monotonic()
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert "run" in result.stdout
    assert "infer" in result.stdout
    assert time.monotonic() - began < 5


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
        (b"\xff", r"b'\xff'"),
    ],
)
def test_describe(payload: bytes, text: str) -> None:
    assert describe(payload) == text
