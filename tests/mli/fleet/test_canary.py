"""``fleet canary``: some cores get a deployment first, and decide about all others."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from local_core.cloud import LocalCloud
from mli.device.stacks.outputs import stack_status
from stacks import names
from tests.cloud.support import StackError, Stacks, publish_health, recipe
from tests.mli.deployed_fleet import DeployedFleet
from tests.mli.support import ACCOUNT, Commands


class CanaryFleet:
    """A fleet's stack with two groups, whose deployment to the second follows a verdict."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.cloud = cloud
        self.name = f"F{uuid.uuid4().hex[:8]}"
        self.stack = names.fleet_stack_name(self.name)
        self.component = names.fleet_component_name(self.name)
        self.canary = names.canary_group_name(self.name)
        self.core = f"{self.name}-1"
        for number in ("1.0.0", "2.0.0", "3.0.0"):
            text = json.dumps(recipe(self.component, number)).encode()
            cloud.client("greengrassv2").create_component_version(inlineRecipe=text)

    def deploy(self, version: str, revision: str) -> None:
        """Deploy the stack as the app does with `canary`."""
        components = {self.component: {"ComponentVersion": version}}
        handle, verdict = f"CanaryHandle{revision}", f"CanaryVerdict{revision}"
        arns = {group: f"{ACCOUNT}:thinggroup/{group}" for group in (self.name, self.canary)}
        kind = "AWS::GreengrassV2::Deployment"
        resources: dict[str, Any] = {
            "Group": _group(self.name),
            "CanaryGroup": _group(self.canary),
            "CanaryDeployment": {
                "Type": kind,
                "DependsOn": ["CanaryGroup"],
                "Properties": {"TargetArn": arns[self.canary], "Components": components},
            },
            handle: {"Type": "AWS::CloudFormation::WaitConditionHandle"},
            verdict: {
                "Type": "AWS::CloudFormation::WaitCondition",
                "DependsOn": ["CanaryDeployment"],
                "Properties": {"Handle": {"Ref": handle}, "Timeout": "45", "Count": 1},
            },
            "Deployment": {
                "Type": kind,
                "DependsOn": ["Group", verdict],
                "Properties": {"TargetArn": arns[self.name], "Components": components},
            },
        }
        outputs = {"DeploymentTarget": arns[self.name], "CanaryTarget": arns[self.canary]}
        Stacks(self.cloud).deploy(self.stack, resources, outputs)

    @contextmanager
    def deploying(self, version: str, revision: str) -> Iterator[list[StackError]]:
        """Deploy in a thread; the list has the failure, at the end."""
        failed: list[StackError] = []

        def deploy() -> None:
            try:
                self.deploy(version, revision)
            except StackError as error:
                failed.append(error)

        thread = threading.Thread(target=deploy)
        thread.start()
        try:
            yield failed
        finally:
            thread.join()

    def add_core(self) -> None:
        iot, thing = self.cloud.client("iot"), names.thing_name(self.core)
        iot.create_thing(thingName=thing)
        iot.add_thing_to_thing_group(thingGroupName=self.name, thingName=thing)

    def members(self, group: str) -> list[str]:
        iot = self.cloud.client("iot")
        return list(iot.list_things_in_thing_group(thingGroupName=group)["things"])

    def version_of(self, group: str) -> str:
        """Return the version that is deployed to a group now."""
        found = self._latest(group)
        assert found["deploymentStatus"] == "ACTIVE"
        return str(found["components"][self.component]["componentVersion"])

    def report(self, status: str, health: str = "HEALTHY") -> None:
        """Report what the core would of the canary's latest deployment."""
        thing = names.thing_name(self.core)
        publish_health(self.cloud, thing, {"overallDeviceStatus": health, "components": []})
        job = self._latest(self.canary)["iotJobId"]
        self.cloud.client("iot-jobs-data").update_job_execution(
            jobId=job, thingName=thing, status=status
        )

    def _latest(self, group: str) -> dict[str, Any]:
        greengrass = self.cloud.client("greengrassv2")
        listed = greengrass.list_deployments(targetArn=f"{ACCOUNT}:thinggroup/{group}")
        identity = listed["deployments"][0]["deploymentId"]
        return dict(greengrass.get_deployment(deploymentId=identity))


def _group(name: str) -> dict[str, Any]:
    return {"Type": "AWS::IoT::ThingGroup", "Properties": {"ThingGroupName": name}}


@pytest.fixture
def canaried(commands: Commands, cloud: LocalCloud) -> CanaryFleet:
    """A fleet with version 1.0.0 everywhere, and one core in its canary."""
    made = CanaryFleet(cloud)
    with made.deploying("1.0.0", "11111111") as failed:
        said = commands.run("fleet", "canary", made.name, "--healthy", "60", "--timeout", "40")
    assert not failed
    assert "the canary has no cores; the other cores follow" in said
    made.add_core()
    commands.run("fleet", "canary", made.name, made.core)
    return made


def _reporting(
    monkeypatch: pytest.MonkeyPatch, canaried: CanaryFleet, status: str, health: str = "HEALTHY"
) -> None:
    """Let the canary's core report when the command has waited for it once."""
    waited = threading.Event()

    def report(seconds: float) -> None:
        if waited.is_set():  # the stack may delete the deployment now, which is then not found
            return
        try:
            is_new = canaried.version_of(canaried.canary) != "1.0.0"
        except AssertionError:
            return
        if is_new:
            waited.set()
            canaried.report(status, health)

    class Time:
        monotonic = staticmethod(time.monotonic)
        sleep = staticmethod(report)

    monkeypatch.setattr("mli.fleet.canary.time", Time)


def test_core_is_in_one_of_the_two_groups(commands: Commands, canaried: CanaryFleet) -> None:
    thing = names.thing_name(canaried.core)
    assert (canaried.members(canaried.name), canaried.members(canaried.canary)) == ([], [thing])
    commands.run("fleet", "canary", canaried.name, canaried.core, "--back")
    assert (canaried.members(canaried.name), canaried.members(canaried.canary)) == ([thing], [])
    said = commands.run("fleet", "canary", canaried.name, "nobody", code=1)
    assert "nobody_Core" in said


def test_no_core_moves_if_one_of_them_is_unknown(commands: Commands, canaried: CanaryFleet) -> None:
    words = ("fleet", "canary", canaried.name, canaried.core, "nobody", "--back")
    said = commands.run(*words, code=1)
    assert f"nobody_Core is not in the fleet {canaried.name}" in said
    assert canaried.members(canaried.canary) == [names.thing_name(canaried.core)]


def test_other_cores_follow_a_canary_that_is_healthy(
    commands: Commands, canaried: CanaryFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    _reporting(monkeypatch, canaried, "SUCCEEDED")
    with canaried.deploying("2.0.0", "22222222") as failed:
        said = commands.json("fleet", "canary", canaried.name, "--healthy", "0", "--timeout", "40")
    assert not failed
    assert said["verdict"] == "SUCCESS"
    assert canaried.version_of(canaried.name) == "2.0.0"
    assert canaried.version_of(canaried.canary) == "2.0.0"


@pytest.mark.parametrize(("status", "health"), [("FAILED", "HEALTHY"), ("SUCCEEDED", "UNHEALTHY")])
def test_canary_that_fails_gets_back_what_the_others_have(
    commands: Commands,
    canaried: CanaryFleet,
    monkeypatch: pytest.MonkeyPatch,
    status: str,
    health: str,
) -> None:
    _reporting(monkeypatch, canaried, status, health)
    with canaried.deploying("2.0.0", "22222222") as failed:
        said = commands.run(
            "fleet", "canary", canaried.name, "--healthy", "0", "--timeout", "40", code=1
        )
    assert "gives the canary back what the other cores have" in said
    [error] = failed
    assert "UPDATE_ROLLBACK_COMPLETE" in str(error)
    assert canaried.version_of(canaried.name) == "1.0.0"
    assert canaried.version_of(canaried.canary) == "1.0.0"


def test_redeployment_waits_for_the_stack_and_repeats_nothing_older(
    commands: Commands, canaried: CanaryFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    _reporting(monkeypatch, canaried, "SUCCEEDED")
    with canaried.deploying("2.0.0", "22222222") as failed:
        while stack_status(canaried.cloud.client, canaried.stack) != "UPDATE_IN_PROGRESS":
            time.sleep(0.05)
        said = commands.run("redeploy", canaried.name, "--no-wait", code=1)
        assert f"the stack {canaried.stack} is UPDATE_IN_PROGRESS" in said
        said = commands.run("redeploy", canaried.name, "--timeout", "1", code=1)
        assert f"the stack {canaried.stack} is UPDATE_IN_PROGRESS" in said
        commands.run("fleet", "canary", canaried.name, "--healthy", "0", "--timeout", "40")
        commands.run("redeploy", canaried.name, "--timeout", "40")
    assert not failed
    assert canaried.version_of(canaried.name) == "2.0.0"


def test_waiting_ends_in_time(commands: Commands, canaried: CanaryFleet) -> None:
    said = commands.run(
        "fleet", "canary", canaried.name, "--healthy", "0", "--timeout", "1", code=1
    )
    assert "no verdict after 1 s: no deployment waits yet" in said


def test_fleet_without_a_canary_says_how_to_get_one(
    commands: Commands, fleet: DeployedFleet
) -> None:
    Path("cores.csv").write_text(f"coreName\n{fleet.name}-1\n")
    said = commands.run("fleet", "canary", fleet.name, f"{fleet.name}-1", code=1)
    assert "has no canary: deploy it with -c rollout=" in said
