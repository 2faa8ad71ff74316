"""A V2 core of the tests, what is deployed to it, and what its components say."""

from __future__ import annotations

import json
import queue
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local_core.cloud import LocalCloud
from local_core.device.setup import Address, CoreConfiguration, create_certificate
from local_core.device.v2.core import V2Device
from local_core.nucleus.dialect import CLASSIC, Nucleus
from tests.cloud.support import recipe

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
