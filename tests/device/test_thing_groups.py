"""A V2 core that is the target of several deployments: its thing's, and its thing groups'."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_core.cloud import LocalCloud
from local_core.device.setup import create_certificate
from local_core.nucleus.dialect import CLASSIC
from tests.device.cores import SUCCEEDED, Core, make_component
from tests.waiting import eventually


@pytest.fixture
def core(cloud: LocalCloud, tmp_path: Path) -> Iterator[Core]:
    made = Core(cloud, tmp_path / "core")
    with made.device:
        yield made


@pytest.fixture
def component(core: Core) -> str:
    """A component with the versions 1.0.0 and 2.0.0."""
    return make_component(core, "1.0.0", "2.0.0")


@pytest.fixture
def other(core: Core) -> str:
    return make_component(core, "1.0.0")


def test_core_runs_what_its_thing_and_its_group_are_deployed(
    core: Core, component: str, other: str
) -> None:
    group = core.group()
    core.join(group)
    own = core.deploy(core.arn, {component: ("1.0.0", "own")})
    assert core.verdict() == SUCCEEDED
    groups = core.deploy(group, {other: ("1.0.0", "of-the-group")})
    assert core.verdict() == SUCCEEDED
    assert core.installed == {component: "1.0.0", other: "1.0.0"}
    assert (core.said(component), core.said(other)) == (["own"], ["of-the-group"])
    told = {
        identity: (one["targetArn"], one["coreDeviceExecutionStatus"])
        for identity, one in core.effective.items()
    }
    assert told == {own: (core.arn, "SUCCEEDED"), groups: (group, "SUCCEEDED")}
    # A thing's deployment is done with its thing, a group's waits for the next core.
    states = [core.greengrass.get_deployment(deploymentId=one) for one in (own, groups)]
    assert [state["deploymentStatus"] for state in states] == ["COMPLETED", "ACTIVE"]


def test_core_that_joins_a_group_later_is_deployed_to(
    core: Core, component: str, other: str
) -> None:
    group = core.group()
    core.deploy(group, {other: ("1.0.0", "of-the-group")})
    core.deploy(core.arn, {component: ("1.0.0", "own")})
    assert core.verdict() == SUCCEEDED
    assert core.installed == {component: "1.0.0"}
    core.join(group)
    assert core.verdict() == SUCCEEDED
    assert core.installed == {component: "1.0.0", other: "1.0.0"}
    assert core.said(component) == ["own"], "it has run on"


def test_last_deployment_makes_the_configuration_of_a_component_of_two(
    core: Core, component: str
) -> None:
    group = core.group()
    core.join(group)
    core.deploy(group, {component: ("1.0.0", "of-the-group")})
    assert core.verdict() == SUCCEEDED
    core.deploy(core.arn, {component: ("1.0.0", "own")})
    assert core.verdict() == SUCCEEDED
    assert core.installed == {component: "1.0.0"}
    assert core.said(component) == ["of-the-group", "own"]


def test_versions_that_cannot_both_be_had_fail_the_later_deployment(
    core: Core, component: str
) -> None:
    group = core.group()
    core.join(group)
    core.deploy(core.arn, {component: ("1.0.0", "own")})
    assert core.verdict() == SUCCEEDED
    failed = core.deploy(group, {component: ("2.0.0", "of-the-group")})
    status, reason = core.verdict()
    assert status == "FAILED"
    assert f"No applicable version found for: {component} 1.0.0 and 2.0.0" in reason
    assert core.effective[failed]["coreDeviceExecutionStatus"] == "FAILED"
    assert core.effective[failed]["targetArn"] == group
    assert core.installed == {component: "1.0.0"}
    assert core.said(component) == ["own"]
    core.deploy(core.arn, {})  # now only the group asks for it
    assert core.verdict() == SUCCEEDED
    core.deploy(group, {component: ("2.0.0", "of-the-group")})
    assert core.verdict() == SUCCEEDED
    assert core.installed == {component: "2.0.0"}


def test_what_a_group_brought_goes_with_the_next_deployment_after_leaving_it(
    core: Core, component: str, other: str
) -> None:
    group = core.group()
    core.join(group)
    core.deploy(group, {other: ("1.0.0", "of-the-group")})
    assert core.verdict() == SUCCEEDED
    core.leave(group)
    time.sleep(1)  # the core asks several times a second
    assert core.runs(other)
    core.deploy(core.arn, {component: ("1.0.0", "own")})
    assert core.verdict() == SUCCEEDED
    assert core.installed == {component: "1.0.0"}
    assert not core.runs(other)
    core.join(group)
    assert core.verdict() == SUCCEEDED
    assert core.installed == {component: "1.0.0", other: "1.0.0"}
    eventually(lambda: core.said(other) == ["of-the-group"] * 2)


def test_core_that_starts_carries_out_all_that_it_is_deployed(
    cloud: LocalCloud, tmp_path: Path
) -> None:
    core = Core(cloud, tmp_path / "core")
    component, other = make_component(core, "1.0.0"), make_component(core, "1.0.0")
    group = core.group()
    core.join(group)
    core.deploy(group, {component: ("1.0.0", "of-the-group"), other: ("1.0.0", "other")})
    core.deploy(core.arn, {component: ("1.0.0", "own")})
    with core.device:
        assert [core.verdict(), core.verdict()] == [SUCCEEDED, SUCCEEDED]
        assert core.installed == {component: "1.0.0", other: "1.0.0"}
        assert core.said(component) == ["of-the-group", "own"]


def test_core_that_is_started_again_runs_what_it_was_deployed(
    cloud: LocalCloud, tmp_path: Path
) -> None:
    core = Core(cloud, tmp_path / "core")
    component = make_component(core, "1.0.0")
    group = core.group()
    core.join(group)
    core.deploy(group, {component: ("1.0.0", "of-the-group")})
    with core.device:
        assert core.verdict() == SUCCEEDED
    with core.another(CLASSIC):
        assert core.verdict() == SUCCEEDED
        assert core.said(component) == ["of-the-group"] * 2
        core.deploy(group, {component: ("1.0.0", "again")})
        assert core.verdict() == SUCCEEDED
        assert core.said(component)[2:] == ["again"]


def test_core_with_another_certificate_does_not_run_what_was_deployed_before(
    cloud: LocalCloud, tmp_path: Path
) -> None:
    core = Core(cloud, tmp_path / "core")
    component = make_component(core, "1.0.0")
    core.deploy(core.arn, {component: ("1.0.0", "own")})
    with core.device:
        assert core.verdict() == SUCCEEDED
    made = create_certificate(core.iot, core.root, cloud.ca_path)
    core.iot.attach_thing_principal(thingName=core.name, principal=made.arn)
    core.iot.attach_policy(policyName=core.name, target=made.arn)
    other = make_component(core, "1.0.0")
    with core.another(CLASSIC):
        core.deploy(core.arn, {other: ("1.0.0", "own")})
        assert core.verdict() == SUCCEEDED
        assert core.said(component) == ["own"]


def test_component_that_breaks_later_makes_the_core_unhealthy(core: Core) -> None:
    name = make_component(core, "1.0.0", run="while test ! -e broken; do sleep 0.1; done; exit 1")
    core.deploy(core.arn, {name: ("1.0.0", "own")})
    assert core.verdict() == SUCCEEDED
    (core.root / "work" / name / "broken").touch()
    eventually(lambda: core.status == "UNHEALTHY")


def test_core_reports_by_job_executions_with_the_words_of_the_nucleus(
    core: Core, component: str
) -> None:
    group = core.group()
    core.join(group)
    made = core.deploy(group, {component: ("1.0.0", "of-the-group")})
    assert core.verdict() == SUCCEEDED
    job = core.greengrass.get_deployment(deploymentId=made)["iotJobId"]
    execution = core.iot.describe_job_execution(jobId=job, thingName=core.name)["execution"]
    assert execution["status"] == "SUCCEEDED"
    details = execution["statusDetails"]["detailsMap"]
    assert details == {"detailed-deployment-status": "SUCCESSFUL"}


def test_deployment_replaces_one_to_the_same_group_that_has_not_settled(core: Core) -> None:
    group = core.group()
    core.join(group)
    slow = make_component(core, "1.0.0", install="sleep 60")
    quick = make_component(core, "1.0.0")
    core.deploy(group, {slow: ("1.0.0", "first")})
    eventually(lambda: (core.root / "work" / slow).exists())
    core.deploy(group, {quick: ("1.0.0", "second")})
    assert core.verdict() == SUCCEEDED
    assert core.installed == {quick: "1.0.0"}
