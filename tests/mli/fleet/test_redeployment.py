"""``redeploy`` and ``package`` for cores that share the deployment of their fleet."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from mli.device.deployments import redeploy_fleet
from tests.mli.deployed_fleet import DeployedFleet, listed
from tests.mli.support import Commands
from tests.waiting import replace_time


def test_package_of_a_core_of_a_fleet_has_the_fleet_s_configuration(
    commands: Commands, fleet: DeployedFleet, cores: list[str]
) -> None:
    commands.run("fleet", listed(cores[:1]), "--fleet", fleet.name)
    folder = Path("fleet") / fleet.name / cores[0]
    commands.run("package", cores[0], "--folder", str(folder), "--output", "again.zip")
    assert Path("again.zip").read_bytes() == (folder / "greengrass-setup.zip").read_bytes()


def test_redeployment_of_one_core_of_a_fleet_names_the_command_for_all(
    commands: Commands, fleet: DeployedFleet, cores: list[str]
) -> None:
    commands.run("fleet", listed(cores), "--fleet", fleet.name)
    before = fleet.deployments()
    said = commands.run("redeploy", cores[0], code=1)
    assert f"`mli redeploy {fleet.name}` repeats it for all of them" in said
    assert fleet.deployments() == before


def test_name_of_a_fleet_and_of_one_of_its_cores_is_the_fleet_s(
    commands: Commands, fleet: DeployedFleet
) -> None:
    """The core has no deployment of its own, and the command for its fleet is this one."""
    fleet.add(fleet.name)
    (latest,) = fleet.deployments()
    under_way = commands.json("redeploy", fleet.name, "--no-wait")
    assert under_way == {"deploymentId": latest, "made": False}


def test_redeployment_of_a_fleet_is_followed_until_its_cores_are_done(
    commands: Commands, fleet: DeployedFleet, cores: list[str]
) -> None:
    commands.run("fleet", listed(cores), "--fleet", fleet.name)
    (latest,) = fleet.deployments()
    under_way = commands.json("redeploy", fleet.name, "--no-wait")
    assert under_way == {"deploymentId": latest, "made": False}
    said = commands.run("redeploy", fleet.name, "--timeout", "1", code=1)
    assert "not done after 1 s: 0 of 3 cores done, 0 failed, 3 waiting" in said
    assert f"{sorted(cores)[0]} is QUEUED" in said


def test_result_of_a_fleet_s_deployment_counts_its_cores(
    commands: Commands, fleet: DeployedFleet, cores: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = fleet.deployments()
    results = dict(zip(cores, ("SUCCEEDED", "SUCCEEDED", "FAILED"), strict=True))

    def report() -> None:
        while results:
            fleet.report(*results.popitem())

    said = _redeployed(commands, fleet, cores, monkeypatch, report)
    assert "2 of 3 cores done, 1 failed" in said
    assert re.search(rf"^  {cores[2]} +FAILED$", said, re.MULTILINE)
    assert re.search(rf"^  {cores[0]} +SUCCEEDED$", said, re.MULTILINE)
    assert "mli status CORE_NAME" in said
    assert len(fleet.deployments()) == len(before) + 1
    again = commands.json("redeploy", fleet.name, "--no-wait")  # all have finished
    assert again["made"]


def test_rollout_that_was_cancelled_is_not_waited_for(
    commands: Commands, fleet: DeployedFleet, cores: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def cancel() -> None:
        fleet.report(cores[0], "SUCCEEDED")
        greengrass = fleet.cloud.client("greengrassv2")
        greengrass.cancel_deployment(deploymentId=fleet.deployments()[0])

    said = _redeployed(commands, fleet, cores, monkeypatch, cancel)
    assert "1 of 3 cores done, 0 failed" in said


def _redeployed(
    commands: Commands,
    fleet: DeployedFleet,
    cores: list[str],
    monkeypatch: pytest.MonkeyPatch,
    meanwhile: Callable[[], None],
) -> str:
    """Return what the redeployment of a fleet prints that fails; the rest happens ``meanwhile``."""
    commands.run("fleet", listed(cores), "--fleet", fleet.name)
    replace_time(monkeypatch, redeploy_fleet, sleep=lambda seconds: meanwhile())
    return commands.result("redeploy", fleet.name, "--again", code=1).stdout


def test_fleet_without_cores_is_redeployed_without_waiting(
    commands: Commands, fleet: DeployedFleet
) -> None:
    said = commands.json("redeploy", fleet.name, "--again")
    assert said["made"]
