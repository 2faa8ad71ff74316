"""``mli run``: what its options become, and how it ends."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from local_core.processes.cdk import REPOSITORY
from local_core.processes.interrupts import Interrupted
from local_core.run.target import Target
from mli.cli.main import main
from mli.local import run, runner
from mli.local.runner import Runner

pytestmark = pytest.mark.slow


def test_ctrl_c_ends_a_kept_run_as_planned(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: object) -> None:
        raise Interrupted(signal.SIGINT)

    class Cloud:
        cloud = SimpleNamespace(check=lambda: None)

        def __init__(self, *arguments: object, region: str) -> None: ...
        def __enter__(self) -> Cloud:
            return self

        def __exit__(self, *exception: object) -> None: ...
        def bootstrap(self) -> None: ...

    monkeypatch.setattr(runner, "SharedCloud", Cloud)
    monkeypatch.setattr(runner, "instructions", lambda *arguments: "")
    monkeypatch.setattr(runner, "summary", lambda times: "")
    forgetting: list[str] = []
    watcher = SimpleNamespace(stop_keeping=lambda: forgetting.append("messages"))
    monkeypatch.setattr(Runner, "_watch", lambda runner, shared: watcher)
    monkeypatch.setattr(Runner, "_follow", interrupted)
    monkeypatch.setattr(run, "_models", lambda *arguments: [])
    kept = CliRunner().invoke(main, ["run", "--keep"])
    assert kept.exit_code == 0, kept.output
    assert "stopping the local cloud" in kept.output
    assert forgetting == ["messages"]


class TestCommand:
    """``mli run`` up to the cloud."""

    @pytest.fixture
    def invoke(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Target]:
        targets: list[Target] = []
        monkeypatch.setattr(Runner, "run", lambda runner, chosen, frames: targets.extend(chosen))
        (tmp_path / "Demo").mkdir()

        def call(*arguments: str) -> Target:
            base = ["run", "--model", str(tmp_path / "Demo"), "--profile", "any"]
            result = CliRunner().invoke(main, [*base, *arguments])
            assert result.exit_code == 0, result.output
            return targets[-1]

        return call

    def test_options_become_the_context(self, invoke: Callable[..., Target]) -> None:
        target = invoke("--message-format", "envelope", "--greengrass-version", "1")
        context = target.context(certificate_id="c" * 64, model_uri="s3://b/k.tar.gz")
        assert context["coreName"] == "Demo-Demo"
        assert context["certificateId"] == "c" * 64
        assert context["modelS3Uri"] == "s3://b/k.tar.gz"
        assert context["imageSource"] == "static"
        assert context["messageFormat"] == "envelope"
        assert context["greengrassVersion"] == "1"

    def test_a_profile_in_a_file_is_no_title(
        self, invoke: Callable[..., Target], tmp_path: Path
    ) -> None:
        assert invoke().title == "any"
        (tmp_path / "profile.json").write_text("{}")
        assert invoke("--profile", str(tmp_path / "profile.json")).title == "Demo-Demo"

    @pytest.mark.parametrize(
        ("option", "limit"), [(None, "0"), ("--keep", "600"), ("--view", "600")]
    )
    def test_samples_of_cores_that_stay_up_are_limited(
        self, invoke: Callable[..., Target], option: str | None, limit: str
    ) -> None:
        """The local cloud keeps them in memory."""
        target = invoke(*([option] if option else []))
        context = target.context(certificate_id="c", model_uri="s3://b/k.zip")
        assert context["feedbackRateLimit"] == limit

    def test_an_engine_that_is_not_dlr_becomes_part_of_the_context(
        self, invoke: Callable[..., Target], tmp_path: Path
    ) -> None:
        """The app does not see what an archive in S3 holds."""
        assert "modelRuntime" not in invoke().context(certificate_id="c", model_uri="s3://b/k.zip")
        (tmp_path / "Demo" / "fruit.onnx").touch()
        context = invoke().context(certificate_id="c", model_uri="s3://b/k.zip")
        assert context["modelRuntime"] == "onnxruntime"

    def test_images_are_made_absolute(
        self, invoke: Callable[..., Target], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(REPOSITORY)
        assert invoke("--images", "tests/*").image_source == str(REPOSITORY / "tests" / "*")

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--images", "/nowhere"], "--images /nowhere: there is no such"),
            (["--profile", "x"], "--profile describes a --model"),
            (["--model", "tests"], "--model needs a --profile"),
            (["--model", "/nowhere"], "--model /nowhere: there is no such"),
            (["--model", "/nowhere", "--profile", "x"], "--model /nowhere: there is no such"),
            (["--frames", "0"], "--frames"),
            (["--greengrass-version", "3"], "--greengrass-version"),
        ],
    )
    def test_wrong_options(self, arguments: list[str], message: str) -> None:
        result = CliRunner().invoke(main, ["run", *arguments])
        assert result.exit_code == 2
        assert message in result.output
