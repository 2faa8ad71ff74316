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
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner

from inference import names
from inference.model.engines.runnable import DLR
from local_core.archives.claim import ClaimArchive
from local_core.archives.setup import SetupArchive
from local_core.device.mqtt import MqttConnection, tls_context
from local_core.device.v2.core import V2Device
from local_core.device.watcher import Watcher
from local_core.processes.cdk import REPOSITORY, CdkError
from local_core.run.shared_cloud import SharedCloud
from mli.cli.main import main
from mli.device.reports import last_telemetry
from mli.fleet.core import ARCHIVE
from mli.fleet.reports.status import ATTENTION
from stacks.names import fleet_component_name, fleet_stack_name, thing_name
from tests import environments
from tests.cloud.support import StackError, Stacks, recipe
from tests.e2e.fleet_life import FleetLife
from tests.e2e.fleet_rig import CLAIMED, CORE, FLEET, GROUP_ARN, OTHER, STACK, Fleet, remove_core
from tests.e2e.rig import Verdicts, target
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


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
    made.tools("fleet", "retire", FLEET, "--yes", *made.journalled)
    made.destroy()
    greengrass = made.client("greengrassv2")
    arn = f"arn:aws:greengrass:us-east-1:000000000000:components:{fleet_component_name(FLEET)}"
    for version in greengrass.list_component_versions(arn=arn)["componentVersions"]:
        greengrass.delete_component(arn=version["arn"])
    for other in greengrass.list_components()["components"]:
        if other["componentName"].startswith("com.example."):
            greengrass.delete_component(arn=other["latestVersion"]["arn"])


@pytest.fixture
def fleet(module_fleet: Fleet) -> Fleet:
    """The fleet, deployed, and its core, running."""
    module_fleet.ensure_running()
    return module_fleet


def test_what_a_failed_first_deployment_leaves_can_be_deleted(module_fleet: Fleet) -> None:
    """The CLI deletes it at the next deployment."""
    shared, name = module_fleet.shared, "e2e-failed"
    context = {**module_fleet.context, "fleetName": name, "modelS3Uri": "s3://missing/model.zip"}
    with pytest.raises(CdkError, match=r"model\.zip does not exist"):
        shared.deployer().deploy(context)
    assert Stacks(shared.cloud).status(fleet_stack_name(name)) == "ROLLBACK_COMPLETE"
    Stacks(shared.cloud).delete(fleet_stack_name(name))


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
    inner = last_telemetry.time_in_aws
    # A date of HTTP has whole seconds: the core may have been heard up to one after it.
    passed = timedelta(seconds=names.SILENT_INTERVALS * names.TELEMETRY_SECONDS + 2)
    monkeypatch.setattr(last_telemetry, "time_in_aws", lambda reply: inner(reply) + passed)
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
    eventually(lambda: min(fleet.next_scores()) >= 0.9)  # the component reads it after the verdict


def test_redeployment_of_the_fleet_waits_for_its_cores(fleet: Fleet) -> None:
    said = fleet.tools("redeploy", FLEET)
    assert said["made"]
    assert said["cores"] == {CORE: {"status": "SUCCEEDED", "reason": ""}}
    assert fleet.verdicts.next() == ("SUCCEEDED", "SUCCESSFUL")


def test_component_of_somebody_else_is_not_removed_without_being_named(fleet: Fleet) -> None:
    other = add_component_of_somebody_else(fleet)
    assert fleet.verdicts.next() == ("SUCCEEDED", "SUCCESSFUL")
    before = fleet.deployments()
    with pytest.raises(StackError, match=f"would lose {other}, which somebody else deployed"):
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
        environments.put_on(tmp_path / "device", fleet_component_name(FLEET), DLR)
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
        # What it has installed would keep that version from the clean-up in the last test.
        fleet.client("greengrassv2").delete_core_device(coreDeviceThingName=thing_name(CLAIMED))
        ended = fleet.tools("fleet", "claim", FLEET, "--end")
    assert ended["ended"] == [said["certificateId"]]


def test_mistaken_destruction_of_a_fleet_changes_nothing(fleet: Fleet) -> None:
    with pytest.raises(CdkError, match="cannot be deleted while TerminationProtection is enabled"):
        fleet.shared.deployer().destroy(fleet.context, stacks=(STACK,))
    fleet.deploy(confidenceThreshold="0.9")
    assert fleet.verdicts.next() == ("SUCCEEDED", "SUCCESSFUL")


def test_stack_cannot_be_destroyed_while_the_fleet_has_a_core(fleet: Fleet) -> None:
    fleet.lift_protection()
    with pytest.raises(StackError, match=f"the fleet {FLEET} still has 1 cores .{CORE}_Core."):
        fleet.destroy()
    aliases = fleet.client("iot").list_role_aliases()["roleAliases"]
    assert f"{FLEET}_FleetRoleAlias" in aliases
    assert fleet.deployments()[0]["deploymentStatus"] == "ACTIVE"
    assert min(fleet.next_scores()) > 0


def test_stack_of_a_fleet_without_cores_can_be_destroyed(fleet: Fleet) -> None:
    fleet.stop()
    remove_core(fleet)
    fleet.lift_protection()
    fleet.destroy()
    with pytest.raises(ClientError, match="does not exist"):
        fleet.client("cloudformation").describe_stacks(StackName=STACK)
    assert f"{FLEET}_FleetRoleAlias" not in fleet.client("iot").list_role_aliases()["roleAliases"]
    assert fleet.shared.samples(fleet.outputs["FeedbackBucket"])
    fleet.deploy()  # again, under the same name
    fleet.client("iot").add_thing_to_thing_group(thingGroupName=FLEET, thingName=thing_name(CORE))
    fleet.start()
    assert fleet.verdicts.next() == ("SUCCEEDED", "SUCCESSFUL")
    assert fleet.next_scores()


def test_life_of_a_fleet_from_its_first_core_to_its_end(fleet: Fleet, tmp_path: Path) -> None:
    """The last one, because nothing of the fleet is left."""
    life = FleetLife(fleet, tmp_path)
    try:
        life.begin()
        life.let_all_come()
        life.choose_canary()
        life.see_a_bad_model_rolled_back()
        life.see_a_good_model_reach_all()
        life.lose_what_the_stack_was_made_of()
        life.remove_three()
    finally:
        life.stop()
    life.retire()
