"""A core with nucleus lite: which deployments reach it, and what becomes of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from queue import Empty

import pytest

from local_core.cloud import LocalCloud
from local_core.nucleus.dialect import LITE
from tests.cloud.support import desired
from tests.device.cores import SUCCEEDED, Core, make_component
from tests.waiting import eventually


@pytest.fixture
def core(cloud: LocalCloud, tmp_path: Path) -> Iterator[Core]:
    made = Core(cloud, tmp_path / "core", LITE)
    with made.device:
        yield made


@pytest.fixture
def group(core: Core) -> str:
    """A thing group that the core is in."""
    made = core.group()
    core.join(made)
    return made


def test_deployment_to_the_thing_never_arrives_and_one_to_its_group_does(
    core: Core, group: str
) -> None:
    own, groups = make_component(core, "1.0.0"), make_component(core, "1.0.0")
    core.deploy(core.arn, {own: ("1.0.0", "own")})
    assert own in desired(core.cloud, core.name)["fleetConfig"]
    core.deploy(group, {groups: ("1.0.0", "of-the-group")})
    assert core.verdict() == SUCCEEDED
    assert core.installed == {groups: "1.0.0"}
    with pytest.raises(Empty):
        core.verdicts.get(timeout=1)
    assert not core.said(own)


def test_job_that_lite_cannot_carry_out_fails_and_the_next_one_passes(
    core: Core, group: str
) -> None:
    name = make_component(core, "1.0.0")
    failed = core.deploy(group, {name: ("1.0.0", "long")}, words="a" * 3_300)
    status, reason = core.verdict()
    assert (status, "at most 3286 bytes" in reason) == ("FAILED", True)
    assert core.effective[failed]["coreDeviceExecutionStatus"] == "FAILED"
    assert core.effective[failed]["reason"] == "", "lite sends no details"
    core.deploy(group, {name: ("1.0.0", "short")}, words="a" * 2_000)
    assert core.verdict() == SUCCEEDED


def test_job_that_lite_cannot_receive_drops_its_connection_until_it_is_replaced(
    core: Core, group: str
) -> None:
    name = make_component(core, "1.0.0")
    eventually(lambda: core.device.broker.sessions == 1)
    core.deploy(group, {name: ("1.0.0", "long")}, words="a" * 5_000)
    eventually(lambda: core.device.broker.sessions >= 3)
    assert core.verdicts.empty()
    core.deploy(group, {name: ("1.0.0", "short")})
    assert core.verdict() == SUCCEEDED


def test_component_that_breaks_stays_broken_with_its_new_configuration(
    core: Core, group: str
) -> None:
    run = "test {configuration:/say} = good && exec sleep 60"
    name = make_component(core, "1.0.0", run=run)
    core.deploy(group, {name: ("1.0.0", "good")})
    assert core.verdict() == SUCCEEDED
    core.deploy(group, {name: ("1.0.0", "bad")})
    status, reason = core.verdict()
    assert status == "FAILED"
    assert reason.startswith(f"FAILED_ROLLBACK_NOT_REQUESTED: {name} is broken")
    assert core.status == "UNHEALTHY"
    kept = json.loads((core.root / "deployments.json").read_text())
    assert kept["configurations"][name]["say"] == "bad"
