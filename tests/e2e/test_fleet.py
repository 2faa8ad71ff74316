"""A fleet whose thing group is deployed to by the pattern's stack, and one core of it.

The real CDK CLI deploys the pattern with ``thingGroupName``, ``mli fleet`` makes the
core, and a device is set up from the archive that this has written. The pattern's own core never
runs. Each test finds the group deployed to and its core running, and can run alone.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from inference import names
from local_core.cdk import REPOSITORY
from local_core.cloud import LocalCloud
from local_core.device.mqtt import MqttConnection, tls_context
from local_core.device.setup import CoreConfiguration
from local_core.device.v2.core import V2Device
from local_core.device.watcher import Received, Watcher
from local_core.setup_archive import SetupArchive
from local_core.shared_cloud import SharedCloud
from mli.fleet.core import ARCHIVE
from stacks.names import component_name, thing_name
from tests.e2e.rig import Rig, target
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

PATTERN, CORE, GROUP = "E2E-Pattern", "E2E-Press", "e2e-fleet"
GROUP_ARN = f"arn:aws:iot:us-east-1:000000000000:thinggroup/{GROUP}"


class Fleet:
    """The pattern's rig, and the folder of a fleet with one core."""

    def __init__(self, pattern: Rig, folder: Path) -> None:
        self.pattern = pattern
        self.folder = folder
        self.list = folder / "cores.csv"
        self.list.write_text(f"coreName\n{CORE}\n")
        self.first_verdict = ("", "")
        """The one on the core's first deployment."""
        self._deployed: dict[str, str] | None = None
        """What the last deployment changed in the context; None before the first."""
        self._before = len(pattern.watcher.messages)

    @property
    def cloud(self) -> LocalCloud:
        return self.pattern.shared.cloud

    def deploy(self, **changes: str) -> None:
        """Run ``cdk deploy`` for the pattern, with the key of the group."""
        self._deployed = changes
        self.pattern.deploy(thingGroupName=GROUP, **changes)

    def ensure_deployed(self) -> None:
        """Deploy the pattern to the group as the user's context has it, if it is not so already."""
        if self._deployed == {}:
            return
        self.deploy()
        if self.pattern.device is not None:
            self.pattern.verdict()

    def ensure_running(self) -> None:
        """Bring group and core to a known state, whatever an earlier test has left."""
        self.ensure_deployed()
        if self.pattern.device is None:
            self.command()
            self.start()
            self.first_verdict = self.pattern.verdict()

    def command(self) -> dict[str, Any]:
        """Run ``mli fleet``; return what it says to scripts."""
        out = str(self.folder / "out")
        return self.tools(
            "fleet", str(self.list), "--pattern", PATTERN, "--group", GROUP, "--output", out
        )

    def tools(self, *words: str) -> dict[str, Any]:
        """Run ``mli`` with these words."""
        done = subprocess.run(
            [sys.executable, "-m", "mli", *words, "--json"],
            cwd=REPOSITORY,
            env=self.cloud.environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return said

    def deployments(self) -> list[dict[str, Any]]:
        """All deployments to the group that have ever been made."""
        reply = self.pattern.client("greengrassv2").list_deployments(
            targetArn=GROUP_ARN, historyFilter="ALL"
        )
        return list(reply["deployments"])

    def configuration(self) -> CoreConfiguration:
        """What the core's device finds in its archive, unpacked."""
        archive = SetupArchive.read(self.folder / "out" / CORE / ARCHIVE)
        return archive.install(self.pattern.prepared.root)

    def start(self) -> None:
        """Start the core on its device."""
        self.pattern.device = V2Device(
            self.configuration(),
            endpoint=self.cloud.endpoint,
            on_verdict=lambda status, reason: self.pattern.verdicts.put((status, reason)),
            settle=2.0,
        )
        self.pattern.device.__enter__()

    def heard(self) -> list[Received]:
        """Every message that a core has sent since these tests began."""
        return list(self.pattern.watcher.messages[self._before :])

    def next_scores(self) -> list[float]:
        """The confidence of all that the core's next frames show."""
        topic, watcher = names.prediction_topic(CORE), self.pattern.watcher
        before = len(watcher.on(topic))
        eventually(lambda: len(watcher.on(topic)) >= before + 4)
        found = [json.loads(message.payload) for message in watcher.on(topic)[before:]]
        return [float(one["confidence"]) for predictions in found for one in predictions]


@pytest.fixture(scope="module")
def module_fleet(
    shared: SharedCloud, watcher: Watcher, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    prepared = shared.prepare(replace(target(2), core_name=PATTERN))
    pattern = Rig(shared, watcher, prepared)
    made = Fleet(pattern, tmp_path_factory.mktemp("fleet"))
    yield made
    pattern.stop()
    # Other tests share the cloud, and look at what there is.
    cloudformation, greengrass = (pattern.client(s) for s in ("cloudformation", "greengrassv2"))
    cloudformation.delete_stack(StackName=prepared.stack)
    cloudformation.get_waiter("stack_delete_complete").wait(
        StackName=prepared.stack, WaiterConfig={"Delay": 1, "MaxAttempts": 30}
    )
    arn = f"arn:aws:greengrass:us-east-1:000000000000:components:{component_name(PATTERN)}"
    for version in greengrass.list_component_versions(arn=arn)["componentVersions"]:
        greengrass.delete_component(arn=version["arn"])


@pytest.fixture
def fleet(module_fleet: Fleet) -> Fleet:
    """The group that the pattern's stack deploys to, and its core, running."""
    module_fleet.ensure_running()
    return module_fleet


def test_command_leaves_the_deployment_to_the_stack(module_fleet: Fleet) -> None:
    fleet = module_fleet
    fleet.ensure_deployed()
    before = [one["deploymentId"] for one in fleet.deployments()]
    said = fleet.command()
    assert list(said["done"]) == [CORE]
    assert (said["deploymentId"], said["deploymentMade"]) == (before[0], False)
    assert [one["deploymentId"] for one in fleet.deployments()] == before
    members = fleet.pattern.client("iot").list_things_in_thing_group(thingGroupName=GROUP)
    assert members["things"] == [thing_name(CORE)]


def test_core_of_the_group_predicts_under_its_own_name_only(fleet: Fleet) -> None:
    assert min(fleet.next_scores()) < 0.9
    assert fleet.first_verdict == ("SUCCEEDED", "SUCCESSFUL")
    own = {names.prediction_topic(CORE), names.telemetry_topic(CORE)}
    assert {message.topic for message in fleet.heard() if message.topic.startswith("mli/")} == own
    bucket = fleet.pattern.outputs["FeedbackBucket"]
    assert eventually(lambda: fleet.pattern.shared.samples(bucket))


def test_cloud_knows_that_the_group_s_deployment_runs_there(fleet: Fleet) -> None:
    greengrass, thing = fleet.pattern.client("greengrassv2"), thing_name(CORE)
    active = fleet.deployments()[0]
    effective = greengrass.list_effective_deployments(coreDeviceThingName=thing)
    deployment = effective["effectiveDeployments"][0]
    assert {one["targetArn"] for one in effective["effectiveDeployments"]} == {GROUP_ARN}
    assert deployment["coreDeviceExecutionStatus"] == "SUCCEEDED"
    assert deployment["deploymentId"] == active["deploymentId"]
    (component,) = greengrass.list_installed_components(coreDeviceThingName=thing)[
        "installedComponents"
    ]
    assert component["componentName"] == component_name(PATTERN)
    assert greengrass.get_core_device(coreDeviceThingName=thing)["status"] == "HEALTHY"
    assert fleet.tools("status", CORE)["good"]
    assert active["deploymentStatus"] == "ACTIVE"


def test_core_s_certificate_may_not_speak_in_the_pattern_s_name(fleet: Fleet) -> None:
    """The nucleus lets the component publish on all cores' topics; the broker does not."""
    found = fleet.configuration()
    tls = tls_context(found)
    for core in (PATTERN, CORE):
        with MqttConnection(found.broker, f"{thing_name(CORE)}-{core}", tls) as connection:
            assert connection.wait_until_connected(5)
            try:
                connection.publish_to_cloud("", names.prediction_topic(core), 1, b'"forged"')
            except ConnectionError:
                assert core == PATTERN
    eventually(lambda: any(message.payload == b'"forged"' for message in fleet.heard()))
    assert names.prediction_topic(PATTERN) not in {message.topic for message in fleet.heard()}


def test_next_deployment_of_the_pattern_reaches_the_group_by_itself(fleet: Fleet) -> None:
    assert min(fleet.next_scores()) < 0.9
    fleet.deploy(confidenceThreshold="0.9")
    assert fleet.pattern.verdict() == ("SUCCEEDED", "SUCCESSFUL")
    assert min(fleet.next_scores()) >= 0.9
    assert fleet.command()["deploymentMade"] is False
