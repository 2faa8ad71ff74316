"""A V2 core with nucleus lite, which takes jobs only and restarts at every deployment."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from inference.feedback.configuration import default_configuration
from inference.model.engines.runnable import DLR
from inference.names import telemetry_topic
from local_core.nucleus.dialect import LITE
from local_core.run.shared_cloud import SharedCloud
from mli.cli.main import main
from mli.local import runner
from mli.local.runner import Runner
from models import store
from stacks.names import component_name
from tests import environments
from tests.e2e.rig import MODEL, Rig
from tests.inference.tiny_onnx import mean_of_channels, save, write_colours_profile
from tests.mli.view.test_view import Page
from tests.waiting import eventually

GENERATION, NUCLEUS, CORE, INSTALLED, BY_CLI = 2, LITE, "E2E-Lite", True, False
COLOURS = {"red", "green", "blue"}
pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.fixture(scope="module", autouse=True)
def nothing_left(module_rig: Rig) -> Iterator[None]:
    """Other tests share the cloud, and look at what there is."""
    yield
    module_rig.stop()
    module_rig.destroy()
    greengrass = module_rig.client("greengrassv2")
    arn = f"arn:aws:greengrass:us-east-1:000000000000:components:{component_name(CORE)}"
    for version in greengrass.list_component_versions(arn=arn)["componentVersions"]:
        greengrass.delete_component(arn=version["arn"])


def test_run_with_nucleus_lite_shows_a_core_with_nucleus_lite_on_a_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    devices: list[Mapping[str, Any]] = []
    show_samples = Runner._show_samples

    def look(self: Runner, shared: SharedCloud, outputs: Mapping[str, str]) -> int:
        greengrass = shared.cloud.client("greengrassv2")
        [core] = greengrass.list_core_devices()["coreDevices"]
        name = core["coreDeviceThingName"]
        devices.append(greengrass.get_core_device(coreDeviceThingName=name))
        return show_samples(self, shared, outputs)

    follow = Runner._follow

    def open_page(self: Runner, text: str) -> None:
        """Look at the page as a browser does, and press Ctrl-C."""
        [address] = set(re.findall(r"http://127\S+token=\S+", text))
        page = Page(address)
        shown = page.until(
            lambda state: state["core"] and state["core"]["live"] and state["core"]["samples"],
            lambda: None,
        )
        seen.append(shown)
        for one in (*shown["core"]["live"], *shown["core"]["samples"][:1]):
            headers, _ = page.get(f"/pictures/{one['id']}", page.cookie)
            assert headers["content-type"] == "image/jpeg"
        seen.append(page.until(lambda s: s["controls"]["reason"] is None, lambda: None))
        os.kill(os.getpid(), signal.SIGINT)
        follow(self, text)

    seen: list[Mapping[str, Any]] = []
    monkeypatch.setattr(runner, "STATE", tmp_path)
    monkeypatch.setattr(runner, "SHEET", tmp_path / "sheet.jpg")
    monkeypatch.setattr(Runner, "_show_samples", look)
    monkeypatch.setattr(Runner, "_follow", open_page)
    core = f"Demo-{MODEL}"
    environments.put_on(tmp_path / core, component_name(core), DLR)
    arguments = ["--model", str(store.unpacked(MODEL)), "--profile", MODEL, "--frames", "4"]
    done = CliRunner().invoke(main, ["run", "--nucleus", "lite", "--view", *arguments])
    assert done.exit_code == 0, done.output
    assert [device["runtime"] for device in devices] == ["aws_nucleus_lite"]
    assert (tmp_path / "sheet.jpg").stat().st_size > 10_000
    [live] = seen[0]["core"]["live"]
    assert live["source"].endswith(".jpg")
    assert live["marks"], "an envelope says what is in it"
    assert [one["id"] for one in seen[1]["controls"]["strategies"]] == [
        one.id for one in default_configuration().all
    ]


def test_stack_s_deployment_arrives_and_the_next_one_starts_a_new_process(rig: Rig) -> None:
    assert rig.first_verdict == ("SUCCEEDED", "SUCCESSFUL")
    device = rig.client("greengrassv2").get_core_device(coreDeviceThingName=rig.thing)
    assert (device["status"], device["runtime"]) == ("HEALTHY", "aws_nucleus_lite")
    assert min(_scores(rig)) < 0.9
    before = rig.processes()
    rig.deploy(confidenceThreshold="0.9")
    assert rig.verdict() == ("SUCCEEDED", "SUCCESSFUL")
    assert min(_scores(rig)) >= 0.9
    eventually(lambda: len(rig.processes()) == 1)
    assert not rig.processes() & before


def _scores(rig: Rig) -> list[float]:
    return [float(one["confidence"]) for found in rig.next_predictions() for one in found]


def test_an_onnx_file_of_this_machine_is_deployed_and_runs_in_onnx_runtime(
    rig: Rig, tmp_path: Path
) -> None:
    """Last, because the core then has another model."""
    model = save(mean_of_channels(), tmp_path / "colours.onnx")
    profile = write_colours_profile(tmp_path, "colours.json", 0, 3)
    before = len(rig.watcher.on(telemetry_topic(CORE)))
    rig.deploy(modelS3Uri=None, modelPath=str(model), modelProfile=str(profile))
    assert rig.verdict() == ("SUCCEEDED", "SUCCESSFUL")
    found = rig.next_predictions()
    assert all({one["prediction"] for one in frame} == COLOURS for frame in found), found
    assert "red" in [frame[0]["prediction"] for frame in found]  # the picture of a cup of coffee
    eventually(lambda: len(rig.processes()) == 1)
    (process,) = rig.processes()
    python = Path(f"/proc/{process}/cmdline").read_text().partition("\0")[0]
    packages = {one.name for one in Path(python).parents[1].glob("lib/python3*/site-packages/*")}
    assert "onnxruntime" in packages
    assert not packages & {"dlr", "sympy", "coloredlogs"}
    telemetry = eventually(lambda: rig.watcher.on(telemetry_topic(CORE))[before:])
    assert json.loads(telemetry[-1].payload)["versions"]["onnxruntime"]
