"""A fleet with a stack of its own, one core with another, and one core of the fleet.

The real CDK CLI deploys the fleet, ``mli fleet`` makes its core, and a device is set up from the
archive that this has written. Another device provisions itself. Each test finds the fleet deployed
and its core running, and can run alone.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner

from inference import names
from local_core.cdk import REPOSITORY, CdkError
from local_core.claim_archive import ClaimArchive
from local_core.cloud import LocalCloud
from local_core.device.mqtt import MqttConnection, tls_context
from local_core.device.setup import CoreConfiguration
from local_core.device.v2.core import V2Device
from local_core.device.watcher import Received, Watcher
from local_core.setup_archive import SetupArchive
from local_core.shared_cloud import SharedCloud
from mli.cli.main import main
from mli.device import last_word
from mli.fleet.core import ARCHIVE
from mli.fleet.status import ATTENTION
from stacks.names import fleet_component_name, fleet_stack_name, thing_name
from tests.cloud.support import recipe
from tests.e2e.rig import MODEL, SECONDS, Verdicts, target
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

FLEET, CORE, OTHER = "e2e-fleet", "E2E-Press", "E2E-Hall"
CLAIMED = "E2E-Claimed"
STACK = fleet_stack_name(FLEET)
GROUP_ARN = f"arn:aws:iot:us-east-1:000000000000:thinggroup/{FLEET}"


class Fleet:
    """The stack of a fleet, and a folder with its only core."""

    def __init__(self, shared: SharedCloud, watcher: Watcher, folder: Path, model: str) -> None:
        self.shared = shared
        self.watcher = watcher
        self.folder = folder
        self.context = {
            "fleetName": FLEET,
            "modelS3Uri": model,
            "modelProfile": MODEL,
            "imageSource": "static",
            "inferenceInterval": "0.2",
            "feedbackRateLimit": "0",
        }
        self.list = folder / "cores.csv"
        self.list.write_text(f"coreName\n{CORE}\n")
        self.verdicts = Verdicts()
        self.first_verdict = ("", "")
        """The one on the core's first deployment."""
        self.device: V2Device | None = None
        self.outputs: Mapping[str, str] = {}
        self._deployed: dict[str, str] | None = None
        """What the last deployment changed in the context; None before the first."""
        self._before = len(watcher.messages)

    @property
    def cloud(self) -> LocalCloud:
        return self.shared.cloud

    def client(self, service: str) -> Any:
        return self.cloud.client(service)

    def deploy(self, **changes: str) -> None:
        """Run ``cdk deploy`` for the fleet."""
        self._deployed = changes
        deployer = self.shared.deployer()
        deployer.deploy({**self.context, **changes})
        self.outputs = deployer.outputs(STACK)

    def ensure_deployed(self) -> None:
        """Deploy the fleet as the user's context has it, if it is not so already."""
        if self._deployed == {}:
            return
        self.deploy()
        if self.device is not None:
            self.verdicts.next()

    def ensure_running(self) -> None:
        """Bring fleet and core to a known state, whatever an earlier test has left."""
        self.ensure_deployed()
        if self.device is None:
            self.command()
            self.start()
            self.first_verdict = self.verdicts.next()

    def command(self) -> dict[str, Any]:
        """Run ``mli fleet``; return what it says to scripts."""
        out = str(self.folder / "out")
        return self.tools("fleet", str(self.list), "--fleet", FLEET, "--output", out)

    def tools(self, *words: str) -> dict[str, Any]:
        """Run ``mli`` with these words."""
        done = subprocess.run(
            [sys.executable, "-m", "mli", *words, "--json"],
            cwd=REPOSITORY,
            env=self.cloud.environment(),
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return said

    def deployments(self) -> list[dict[str, Any]]:
        """All deployments to the group that have ever been made."""
        reply = self.client("greengrassv2").list_deployments(
            targetArn=GROUP_ARN, historyFilter="ALL"
        )
        return list(reply["deployments"])

    def deployed(self) -> dict[str, Any]:
        """The components of the latest deployment to the group."""
        found = self.client("greengrassv2").get_deployment(
            deploymentId=self.deployments()[0]["deploymentId"]
        )
        return dict(found["components"])

    def configuration(self) -> CoreConfiguration:
        """What the core's device finds in its archive, unpacked."""
        archive = SetupArchive.read(self.folder / "out" / CORE / ARCHIVE)
        return archive.install(self.folder / "device")

    def start(self) -> None:
        """Start the core on its device."""
        self.device = V2Device(
            self.configuration(),
            endpoint=self.cloud.endpoint,
            on_verdict=self.verdicts.put,
            settle=2.0,
        )
        self.device.__enter__()

    def stop(self) -> None:
        device, self.device = self.device, None
        if device is not None:
            device.__exit__(None, None, None)

    def heard(self) -> list[Received]:
        """Every message that a core has sent since these tests began."""
        return list(self.watcher.messages[self._before :])

    def things_with_samples(self) -> set[str]:
        """The things of the fleet below whose names there are samples."""
        keys = self.shared.samples(self.outputs["FeedbackBucket"])
        return {key.split("/")[1] for key in keys}

    def next_scores(self) -> list[float]:
        """The confidence of all that the core's next frames show."""
        topic, watcher = names.prediction_topic(CORE), self.watcher
        before = len(watcher.on(topic))
        eventually(lambda: len(watcher.on(topic)) >= before + 4)
        found = [json.loads(message.payload) for message in watcher.on(topic)[before:]]
        return [float(one["confidence"]) for predictions in found for one in predictions]


@pytest.fixture(scope="module")
def module_fleet(
    shared: SharedCloud, watcher: Watcher, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    prepared = shared.prepare(target(2, OTHER))
    folder = tmp_path_factory.mktemp("fleet")
    made = Fleet(shared, watcher, folder, prepared.context["modelS3Uri"])
    yield made
    made.stop()
    if not made.outputs:
        return  # the first deployment failed
    # Other tests share the cloud, and look at what there is.
    remove_core(made)
    shared.deployer().destroy(made.context)
    greengrass = made.client("greengrassv2")
    arn = f"arn:aws:greengrass:us-east-1:000000000000:components:{fleet_component_name(FLEET)}"
    for version in greengrass.list_component_versions(arn=arn)["componentVersions"]:
        greengrass.delete_component(arn=version["arn"])
    for other in greengrass.list_components()["components"]:
        if other["componentName"].startswith("com.example."):
            greengrass.delete_component(arn=other["latestVersion"]["arn"])


def remove_core(fleet: Fleet, name: str = CORE) -> None:
    fleet.client("iot").remove_thing_from_thing_group(
        thingGroupName=FLEET, thingName=thing_name(name)
    )


@pytest.fixture
def fleet(module_fleet: Fleet) -> Fleet:
    """The fleet, deployed, and its core, running."""
    module_fleet.ensure_running()
    return module_fleet


def test_command_leaves_the_deployment_to_the_stack(module_fleet: Fleet) -> None:
    fleet = module_fleet
    fleet.ensure_deployed()
    before = [one["deploymentId"] for one in fleet.deployments()]
    said = fleet.command()
    assert list(said["done"]) == [CORE]
    assert list(said["components"]) == [fleet_component_name(FLEET)]
    assert [one["deploymentId"] for one in fleet.deployments()] == before
    members = fleet.client("iot").list_things_in_thing_group(thingGroupName=FLEET)
    assert members["things"] == [thing_name(CORE)]


def test_core_of_the_fleet_predicts_under_its_own_name_only(fleet: Fleet) -> None:
    assert min(fleet.next_scores()) < 0.9
    assert fleet.first_verdict == ("SUCCEEDED", "SUCCESSFUL")
    own = {names.prediction_topic(CORE), names.telemetry_topic(CORE)}
    assert {message.topic for message in fleet.heard() if message.topic.startswith("mli/")} == own


def test_samples_of_the_core_lie_below_its_thing_s_name(fleet: Fleet) -> None:
    assert eventually(fleet.things_with_samples) == {thing_name(CORE)}


def test_cloud_knows_that_the_fleet_s_deployment_runs_there(fleet: Fleet) -> None:
    greengrass, thing = fleet.client("greengrassv2"), thing_name(CORE)
    active = fleet.deployments()[0]
    effective = greengrass.list_effective_deployments(coreDeviceThingName=thing)
    deployment = effective["effectiveDeployments"][0]
    assert {one["targetArn"] for one in effective["effectiveDeployments"]} == {GROUP_ARN}
    assert deployment["coreDeviceExecutionStatus"] == "SUCCEEDED"
    assert deployment["deploymentId"] == active["deploymentId"]
    installed = greengrass.list_installed_components(coreDeviceThingName=thing)
    assert fleet_component_name(FLEET) in {
        component["componentName"] for component in installed["installedComponents"]
    }
    assert greengrass.get_core_device(coreDeviceThingName=thing)["status"] == "HEALTHY"
    assert fleet.tools("status", CORE)["good"]
    assert active["deploymentStatus"] == "ACTIVE"


def test_core_that_is_killed_falls_silent_although_greengrass_calls_it_healthy(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = fleet.tools("fleet", "status", FLEET)
    assert [(one["core"], one["condition"]) for one in said["cores"]] == [(CORE, "ok")]
    fleet.stop()
    kill_a_core(fleet)
    greengrass = fleet.client("greengrassv2")
    device = greengrass.get_core_device(coreDeviceThingName=thing_name(CORE))
    assert device["status"] == "HEALTHY"
    for name, value in fleet.cloud.environment().items():
        monkeypatch.setenv(name, value)
    inner = last_word.time_in_aws
    passed = timedelta(seconds=3 * names.TELEMETRY_SECONDS)
    monkeypatch.setattr(last_word, "time_in_aws", lambda reply: inner(reply) + passed)
    for words, status in ((("status", CORE), 1), (("fleet", "status", FLEET), ATTENTION)):
        done = CliRunner().invoke(main, words)
        assert done.exit_code == status, done.output
        assert "silent" in done.output.lower()


def kill_a_core(fleet: Fleet) -> None:
    """Let the fleet's core run in a process of its own, and kill that while it predicts."""
    archive = fleet.folder / "out" / CORE / ARCHIVE
    words = ("core", str(archive), "--folder", str(fleet.folder / "device"))
    with (fleet.folder / "said").open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "mli", *words],
            cwd=REPOSITORY,
            env=fleet.cloud.environment(),
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    try:
        fleet.next_scores()
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(20)


def test_core_s_certificate_may_not_speak_in_another_s_name(fleet: Fleet) -> None:
    """The nucleus lets the component publish on all cores' topics; the broker does not."""
    found = fleet.configuration()
    tls = tls_context(found)
    for core in (OTHER, CORE):
        with MqttConnection(found.broker, f"{thing_name(CORE)}-{core}", tls) as connection:
            assert connection.wait_until_connected(5)
            try:
                connection.publish_to_cloud("", names.prediction_topic(core), 1, b'"forged"')
            except ConnectionError:
                assert core == OTHER
    eventually(lambda: any(message.payload == b'"forged"' for message in fleet.heard()))
    assert names.prediction_topic(OTHER) not in {message.topic for message in fleet.heard()}


def test_changed_setting_reaches_the_core_by_one_deployment(fleet: Fleet) -> None:
    assert min(fleet.next_scores()) < 0.9
    fleet.deploy(confidenceThreshold="0.9")
    assert fleet.verdicts.next() == ("SUCCEEDED", "SUCCESSFUL")
    assert min(fleet.next_scores()) >= 0.9


def test_redeployment_of_the_fleet_waits_for_its_cores(fleet: Fleet) -> None:
    said = fleet.tools("redeploy", FLEET)
    assert said["made"]
    assert said["cores"] == {CORE: {"status": "SUCCEEDED", "reason": ""}}
    assert fleet.verdicts.next() == ("SUCCEEDED", "SUCCESSFUL")


def test_component_of_somebody_else_is_not_removed_without_being_named(fleet: Fleet) -> None:
    other = add_component_of_somebody_else(fleet)
    assert fleet.verdicts.next() == ("SUCCEEDED", "SUCCESSFUL")
    before = fleet.deployments()
    with pytest.raises(CdkError, match=f"would lose {other}, which somebody else deployed"):
        fleet.deploy(confidenceThreshold="0.9")
    assert fleet.deployments() == before
    fleet.deploy(confidenceThreshold="0.9", components=f"{other}=1.0.0")
    assert fleet.verdicts.next() == ("SUCCEEDED", "SUCCESSFUL")
    assert other in fleet.deployed()
    fleet.deploy()  # without the key: it was the stack that deployed it last
    assert fleet.verdicts.next() == ("SUCCEEDED", "SUCCESSFUL")
    assert list(fleet.deployed()) == [fleet_component_name(FLEET)]


def add_component_of_somebody_else(fleet: Fleet) -> str:
    """Deploy a component beside ours, as another team would; return its name."""
    name, greengrass = "com.example.other", fleet.client("greengrassv2")
    lifecycle = {"run": {"Script": "exec sleep 1000"}}
    content = recipe(
        name,
        "1.0.0",
        ComponentDependencies={},
        Manifests=[{"Platform": {"os": "linux", "runtime": "*"}, "Lifecycle": lifecycle}],
    )
    greengrass.create_component_version(inlineRecipe=json.dumps(content).encode())
    components = {**fleet.deployed(), name: {"componentVersion": "1.0.0"}}
    greengrass.create_deployment(targetArn=GROUP_ARN, components=components)
    return name


def test_device_with_a_claim_becomes_a_core_by_itself(fleet: Fleet, tmp_path: Path) -> None:
    folder = str(tmp_path / "claim")
    said = fleet.tools("fleet", "claim", FLEET, "--folder", folder)
    archive = ClaimArchive.of(SetupArchive.read(Path(said["archive"])))
    assert archive is not None
    verdicts = Verdicts()
    try:
        configuration = archive.install(tmp_path / "device", CLAIMED)
        with V2Device(
            configuration,
            endpoint=fleet.cloud.endpoint,
            on_verdict=verdicts.put,
            settle=2.0,
        ):
            assert verdicts.next() == ("SUCCEEDED", "SUCCESSFUL")
            eventually(lambda: len(fleet.watcher.on(names.prediction_topic(CLAIMED))) > 2)
            eventually(lambda: fleet.watcher.on(names.telemetry_topic(CLAIMED)))
            eventually(lambda: thing_name(CLAIMED) in fleet.things_with_samples())
            said_of_core = fleet.tools("status", CLAIMED)
        assert (said_of_core["good"], said_of_core["warnings"]) == (True, [])
        topics = {one.topic for one in fleet.heard() if one.topic.startswith("mli/")}
        assert names.prediction_topic(names.ANY_CORE) not in topics
    finally:
        remove_core(fleet, CLAIMED)
        ended = fleet.tools("fleet", "claim", FLEET, "--end")
    assert ended["ended"] == [said["certificateId"]]


def test_stack_cannot_be_destroyed_while_the_fleet_has_a_core(fleet: Fleet) -> None:
    with pytest.raises(CdkError, match=f"the fleet {FLEET} still has 1 cores .{CORE}_Core."):
        fleet.shared.deployer().destroy(fleet.context)
    aliases = fleet.client("iot").list_role_aliases()["roleAliases"]
    assert f"{FLEET}_FleetRoleAlias" in aliases
    assert fleet.deployments()[0]["deploymentStatus"] == "ACTIVE"
    assert min(fleet.next_scores()) > 0


def test_stack_of_a_fleet_without_cores_can_be_destroyed(fleet: Fleet) -> None:
    fleet.stop()
    remove_core(fleet)
    fleet.shared.deployer().destroy(fleet.context)
    with pytest.raises(ClientError, match="does not exist"):
        fleet.client("cloudformation").describe_stacks(StackName=STACK)
    assert f"{FLEET}_FleetRoleAlias" not in fleet.client("iot").list_role_aliases()["roleAliases"]
    assert fleet.shared.samples(fleet.outputs["FeedbackBucket"])
    fleet.deploy()  # again, under the same name
    fleet.client("iot").add_thing_to_thing_group(thingGroupName=FLEET, thingName=thing_name(CORE))
    fleet.start()
    assert fleet.verdicts.next() == ("SUCCEEDED", "SUCCESSFUL")
    assert fleet.next_scores()
