"""A fleet's stack in a cloud on this machine, for the commands that work with fleets."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_core.cloud import LocalCloud
from stacks import names
from stacks.names import CORE_PLACEHOLDER
from tests.cloud.support import Stacks, recipe
from tests.mli.support import nucleus_configurations, policy_documents, speak
from tests.stacks import telemetry_table


@dataclass(frozen=True)
class DeployedFleet:
    """A stack with the outputs, thing group and deployment that a fleet's stack has."""

    cloud: LocalCloud
    name: str
    group_arn: str

    @classmethod
    def deployed(cls, cloud: LocalCloud) -> DeployedFleet:
        """Deploy a fleet of a new name."""
        name = f"F{uuid.uuid4().hex[:8]}"
        group = cloud.client("iot").create_thing_group(thingGroupName=name)["thingGroupArn"]
        fleet = cls(cloud, name, group)
        greengrass = cloud.client("greengrassv2")
        text = json.dumps(recipe(fleet.component, "1.0.0")).encode()
        greengrass.create_component_version(inlineRecipe=text)
        greengrass.create_deployment(
            targetArn=group,
            deploymentName=names.fleet_stack_name(name),
            components={fleet.component: {"componentVersion": "1.0.0"}},
        )
        fleet.deploy(policy_documents(CORE_PLACEHOLDER, names.fleet_role_alias_name(name)))
        return fleet

    @property
    def component(self) -> str:
        return names.fleet_component_name(self.name)

    def deploy(self, policies: dict[str, dict[str, Any]], canary: str | None = None) -> None:
        """Create the stack, or update it, with these policies of each core.

        ``canary`` is the ARN of its thing group, if it has one.
        """
        configuration = nucleus_configurations(
            self.cloud, names.thing_name(CORE_PLACEHOLDER), names.fleet_role_alias_name(self.name)
        )
        thing = {"ThingName": f"of-the-stack-{self.name}"}  # a stack needs a resource
        Stacks(self.cloud).deploy(
            names.fleet_stack_name(self.name),
            {
                "Thing": {"Type": "AWS::IoT::Thing", "Properties": thing},
                **telemetry_table.of_fleet(self.name),
            },
            {
                **telemetry_table.output(),
                **({"CanaryTarget": canary} if canary else {}),
                "ClaimPolicy": names.claim_policy_name(self.name),
                "CorePolicies": json.dumps(policies),
                "DeploymentTarget": self.group_arn,
                "GreengrassConfig": configuration,
                "ProvisioningTemplate": names.provisioning_template_name(self.name),
            },
        )

    def add(self, core_name: str) -> None:
        """Put a thing into the group, as `mli fleet` does at the end."""
        iot, thing = self.cloud.client("iot"), names.thing_name(core_name)
        iot.create_thing(thingName=thing)
        iot.add_thing_to_thing_group(thingGroupName=self.name, thingName=thing)

    def speak(self, core_name: str, **changes: Any) -> None:
        """Send telemetry as a core would, with these changes."""
        speak(self.cloud, core_name, self.component, **changes)

    def deployments(self) -> list[str]:
        """Return the ids of all deployments to the fleet, the newest first."""
        reply = self.cloud.client("greengrassv2").list_deployments(
            targetArn=self.group_arn, historyFilter="ALL"
        )
        return [str(one["deploymentId"]) for one in reply["deployments"]]

    def report(self, core_name: str, status: str) -> None:
        """Report what a core would of the fleet's latest deployment."""
        latest = self.cloud.client("greengrassv2").get_deployment(
            deploymentId=self.deployments()[0]
        )
        self.cloud.client("iot-jobs-data").update_job_execution(
            jobId=latest["iotJobId"], thingName=names.thing_name(core_name), status=status
        )


def listed(cores: list[str], file: str = "cores.csv") -> str:
    """Write a list of these cores, and return its name."""
    Path(file).write_text("coreName,attribute.hall\n" + "".join(f"{c},north\n" for c in cores))
    return file
