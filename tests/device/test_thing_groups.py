"""A V2 core that is the target of several deployments: its thing's, and its thing groups'."""

from __future__ import annotations

import json
import queue
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from local_core.cloud import LocalCloud
from local_core.device.setup import Address, CoreConfiguration, create_certificate
from local_core.device.v2.core import V2Device
from local_core.nucleus.dialect import CLASSIC, Nucleus
from tests.cloud.support import recipe
from tests.waiting import eventually

ACCOUNT = "arn:aws:iot:us-east-1:000000000000"
SECONDS = 20.0
SUCCEEDED = ("SUCCEEDED", "SUCCESSFUL")
Components = Mapping[str, tuple[str, str]]
"""Version, and what the component is to say, by its name."""


class Core:
    """A thing with a core on it, and what is deployed to it."""

    def __init__(self, cloud: LocalCloud, root: Path, nucleus: Nucleus = CLASSIC) -> None:
        self.cloud = cloud
        self.name = f"core-{uuid.uuid4().hex[:8]}"
        self.arn = f"{ACCOUNT}:thing/{self.name}"
        self.greengrass = cloud.client("greengrassv2")
        self.iot = cloud.client("iot")
        self.root = root
        self.verdicts: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
        self.configuration = self._configuration()
        self.device = self.another(nucleus)

    def another(self, nucleus: Nucleus) -> V2Device:
        """Return a device of the same core, which is not running yet."""
        return V2Device(
            self.configuration,
            endpoint=self.cloud.endpoint,
            on_verdict=lambda status, reason: self.verdicts.put((status, reason)),
            nucleus=nucleus,
            settle=0.2,
        )

    def _configuration(self) -> CoreConfiguration:
        made = create_certificate(self.iot, self.root, self.cloud.ca_path)
        self.iot.create_thing(thingName=self.name)
        self.iot.attach_thing_principal(thingName=self.name, principal=made.arn)
        trust = {
            "Effect": "Allow",
            "Principal": {"Service": "credentials.iot.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
        role = self.cloud.client("iam").create_role(
            RoleName=self.name, AssumeRolePolicyDocument=_document(trust)
        )
        artifacts = {
            "Effect": "Allow",
            "Action": ["s3:GetBucketLocation", "s3:GetObject"],
            "Resource": "*",
        }
        self.cloud.client("iam").put_role_policy(
            RoleName=self.name, PolicyName="artifacts", PolicyDocument=_document(artifacts)
        )
        self.iot.create_role_alias(roleAlias=self.name, roleArn=role["Role"]["Arn"])
        allowed = [
            {"Effect": "Allow", "Action": action, "Resource": f"{ACCOUNT}:{resource}"}
            for action, resource in (
                ("iot:Connect", f"client/{self.name}"),
                ("iot:AssumeRoleWithCertificate", f"rolealias/{self.name}"),
                ("iot:Publish", f"topic/$aws/things/{self.name}/*"),
                ("iot:Receive", f"topic/$aws/things/{self.name}/*"),
                ("iot:Subscribe", f"topicfilter/$aws/things/{self.name}/*"),
            )
        ]
        data_plane = {"Effect": "Allow", "Action": "greengrass:*", "Resource": "*"}
        document = _document(*allowed, data_plane)
        self.iot.create_policy(policyName=self.name, policyDocument=document)
        self.iot.attach_policy(policyName=self.name, target=made.arn)
        return CoreConfiguration(
            thing_name=self.name,
            region=self.cloud.region,
            root=self.root,
            certificate=made.certificate,
            private_key=made.private_key,
            root_ca=made.root_ca,
            broker=Address(self.cloud.mqtt_host, self.cloud.mqtt_port),
            role_alias=self.name,
            credential_provider=Address.parse(self.cloud.credential_endpoint, 443),
        )

    def group(self) -> str:
        """Make a thing group; return its ARN."""
        made = self.iot.create_thing_group(thingGroupName=f"group:{uuid.uuid4().hex[:8]}")
        return str(made["thingGroupArn"])

    def join(self, group: str) -> None:
        self.iot.add_thing_to_thing_group(thingGroupArn=group, thingName=self.name)

    def leave(self, group: str) -> None:
        self.iot.remove_thing_from_thing_group(thingGroupArn=group, thingName=self.name)

    def deploy(self, target: str, components: Components, **more: str) -> str:
        """Deploy to a target; return the deployment's id. ``more`` is further configuration."""
        made = self.greengrass.create_deployment(
            targetArn=target,
            components={
                name: {
                    "componentVersion": version,
                    "configurationUpdate": {"merge": json.dumps({"say": text, **more})},
                }
                for name, (version, text) in components.items()
            },
        )
        return str(made["deploymentId"])

    def verdict(self) -> tuple[str, str]:
        return self.verdicts.get(timeout=SECONDS)

    def said(self, component: str) -> list[str]:
        """What the component has said here: one word each time that it was started."""
        file = self.root / "work" / component / "said"
        return file.read_text().split() if file.exists() else []

    def runs(self, component: str) -> bool:
        """Whether the process that the component was last is there."""
        pid = (self.root / "work" / component / "pid").read_text().strip()
        return Path(f"/proc/{pid}").exists()

    @property
    def installed(self) -> dict[str, str]:
        """The versions of what the core has reported to run."""
        reply = self.greengrass.list_installed_components(coreDeviceThingName=self.name)
        return {c["componentName"]: c["componentVersion"] for c in reply["installedComponents"]}

    @property
    def status(self) -> str:
        """What the core is, by its last health message."""
        return str(self.greengrass.get_core_device(coreDeviceThingName=self.name)["status"])

    @property
    def effective(self) -> dict[str, dict[str, Any]]:
        """The core's word on each deployment."""
        reply = self.greengrass.list_effective_deployments(coreDeviceThingName=self.name)
        return {one["deploymentId"]: one for one in reply["effectiveDeployments"]}


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


SAY = "echo $$ > pid; echo {configuration:/say} >> said; exec sleep 60"


def make_component(core: Core, *versions: str, run: str = SAY, install: str = "true") -> str:
    name = f"test.{uuid.uuid4().hex[:8]}"
    lifecycle = {"install": {"Script": install}, "run": {"Script": run}}
    for version in versions:
        content = recipe(
            name,
            version,
            ComponentDependencies={},
            Manifests=[{"Platform": {"os": "linux", "runtime": "*"}, "Lifecycle": lifecycle}],
        )
        core.greengrass.create_component_version(inlineRecipe=json.dumps(content).encode())
    return name


def _document(*statements: Mapping[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


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
