"""The models that the tests compile, written once, and artifacts that several tests look at."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click.testing
import pytest

from mli.cli.main import main
from mli.cli.output import Output
from mli.compile.tvm import environment
from mli.compile.tvm.packages import TVM
from tests.mli.forks import Forks

Run = Callable[..., click.testing.Result]


@pytest.fixture(scope="session")
def onnx_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small ONNX models."""
    folder = tmp_path_factory.mktemp("onnx")
    script = Path(__file__).with_name("onnx_models.py")
    subprocess.run([sys.executable, str(script), str(folder)], check=True)
    return folder


@pytest.fixture(scope="session")
def run() -> Run:
    """Return a function that runs ``mli`` with arguments, in this process."""

    def call(*arguments: object) -> click.testing.Result:
        runner = click.testing.CliRunner()
        return runner.invoke(main, [str(argument) for argument in arguments])

    return call


@pytest.fixture(scope="session")
def detector(onnx_models: Path, run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The detector, compiled, with a background class and boxes in fractions."""
    folder = tmp_path_factory.mktemp("artifacts") / "detector"
    labels = folder.with_name("labels.txt")
    labels.write_text("background\na\nb\nc\nd\ne\n")
    done = run(
        "compile", "--with", "tvm", onnx_models / "detector.onnx", "--background",
        "--labels", labels, "--output", folder,
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    return folder


@pytest.fixture(scope="session")
def classifier(onnx_models: Path, run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The classifier, compiled into a folder."""
    folder = tmp_path_factory.mktemp("artifacts") / "classifier"
    model = onnx_models / "classifier.onnx"
    options = ["--kind", "classification", "--output", folder]
    done = run("compile", "--with", "tvm", model, *options)
    assert done.exit_code == 0, done.stderr
    return folder


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    """Names of three classes."""
    path = tmp_path / "labels.txt"
    path.write_text("red\ngreen\nblue\n")
    return path


@pytest.fixture(scope="session")
def _tvm() -> Iterator[Forks]:
    python = environment.prepared(Output(as_json=True))
    imports = (
        "import pathlib; from mli.compile.tvm.relay import import_tvm; "
        f"import_tvm(pathlib.Path({str(TVM.folder(environment.FOLDER))!r})); import tvm.relay"
    )
    with Forks(python, imports) as forks:
        yield forks


@pytest.fixture
def forked_tvm(_tvm: Forks, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start TVM's processes by forks; not those of session fixtures."""

    def started(command: list[str], stderr: Any) -> SimpleNamespace:
        done = _tvm.run(command, environment.REPOSITORY)
        stderr.write(done.stderr.decode())
        return SimpleNamespace(
            stdout=done.stdout.decode().splitlines(), returncode=done.returncode,
            poll=lambda: done.returncode, wait=lambda: done.returncode,
        )  # fmt: skip

    monkeypatch.setattr(environment, "_started", started)
