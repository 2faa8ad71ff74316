"""A cloud with a core's stack for the commands that set cores up, and processes that start fast."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local_core.cloud import LocalCloud
from tests.mli.deployed_fleet import DeployedFleet
from tests.mli.forks import Forks
from tests.mli.support import Commands, DeployedCore


@pytest.fixture(scope="session")
def cloud() -> Iterator[LocalCloud]:
    """A running cloud that all tests share."""
    with LocalCloud() as running:
        yield running


@pytest.fixture
def commands(cloud: LocalCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Commands:
    """The command line in a folder of its own, with the cloud's environment."""
    monkeypatch.chdir(tmp_path)
    for name, value in cloud.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MLI_ROOT_CA", str(cloud.ca_path))
    return Commands(tmp_path)


@pytest.fixture
def core(cloud: LocalCloud) -> DeployedCore:
    """A V2 core's stack, deployed, with no certificate yet."""
    return DeployedCore.deployed(cloud, generation=2)


@pytest.fixture
def fleet(cloud: LocalCloud) -> DeployedFleet:
    """A fleet's stack, deployed, with no core yet."""
    return DeployedFleet.deployed(cloud)


@pytest.fixture
def group_core(cloud: LocalCloud) -> DeployedCore:
    """A V1 core's stack, deployed, with no certificate yet."""
    return DeployedCore.deployed(cloud, generation=1)


@pytest.fixture(scope="session")
def _forks() -> Iterator[Forks]:
    imports = "import cv2, onnx, onnxruntime, inference.serving.assembly, mli.profile.features"
    with Forks(sys.executable, imports) as forks:
        yield forks


@pytest.fixture
def forked(_forks: Forks, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ``subprocess.run`` start ``python -m`` by forks: commands, and looks at a model."""
    start = subprocess.run

    def run(command: list[Any], **options: Any) -> subprocess.CompletedProcess[Any]:
        if command[:2] != [sys.executable, "-m"]:
            return start(command, **options)
        # A test that needs more of subprocess.run, or a time limit, starts a process.
        known = {"cwd", "capture_output", "stdout", "stderr", "text", "errors", "timeout", "check"}
        assert options.keys() <= known, options
        assert not options.get("check")
        done: subprocess.CompletedProcess[Any] = _forks.run(command, options["cwd"])
        if options.get("text"):
            errors = options.get("errors", "strict")
            done.stdout, done.stderr = (
                str(one, "utf-8", errors) for one in (done.stdout, done.stderr)
            )
        return done

    monkeypatch.setattr(subprocess, "run", run)
