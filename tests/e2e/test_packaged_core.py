"""A V1 core from its stack by ``package`` to predictions, on a device of its own process.

docs/guide.md, whose commands ``test_guide`` runs, does it with a V2 core.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest

from inference import names
from local_core.device.watcher import Watcher
from local_core.processes.cdk import REPOSITORY
from local_core.run.shared_cloud import SharedCloud
from tests.e2e import assembly
from tests.e2e.rig import target
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def test_v1_core_runs_from_its_archive(
    shared: SharedCloud, watcher: Watcher, tmp_path: Path
) -> None:
    core_name = "Packaged-V1"
    prepared = shared.prepare(dataclasses.replace(target(1), core_name=core_name))
    assembly.deploy(shared, prepared.context)
    environment = shared.cloud.environment()
    archive = tmp_path / "greengrass-setup.zip"
    keys = ["--folder", str(prepared.root), "--output", str(archive)]
    _done("package", core_name, *keys, environment=environment)
    with (tmp_path / "said").open("wb") as stream:
        process = subprocess.Popen(
            _command("core", str(archive), "--folder", str(tmp_path / "device")),
            cwd=REPOSITORY,
            env=environment,
            stdout=stream,
            stderr=stream,
        )

    def said() -> str:
        return (tmp_path / "said").read_text()

    try:
        _done("redeploy", core_name, "--timeout", "60", environment=environment)
        topic = names.prediction_topic(core_name)
        eventually(lambda: process.poll() is not None or len(watcher.on(topic)) >= 4)
        assert process.poll() is None, said()
    finally:
        process.terminate()
        process.wait(20)
    assert process.returncode == 0, said()
    assert "ready: Packaged-V1_Core runs DlrInference-Packaged-V1-" in said()
    predictions = [one for message in watcher.on(topic) for one in json.loads(message.payload)]
    labels = {one["prediction"].split()[1] for one in predictions}
    assert labels >= {"tripod", "espresso"}


def _done(*words: str, environment: dict[str, str]) -> None:
    done = subprocess.run(
        _command(*words),
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "mli", *arguments]
