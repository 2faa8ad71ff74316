"""What all cores of a fleet share: the content of one core's stack, with other names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from inference import names as device_names
from stacks import names
from stacks.component import job_document
from stacks.component.fleet_configuration import for_all_cores

from ..device.core_stack import Clients, CoreStack
from ..device.generations import generation_of
from ..device.v2 import latest_deployment
from ..errors import MliError


@dataclass(frozen=True)
class Pattern:
    """The stack of one core, by which others are created.

    ``policies`` are the documents of its certificate by the last part of their names, and
    ``deployment`` is the content of its deployment.
    """

    stack: CoreStack
    policies: Mapping[str, Mapping[str, Any]]
    deployment: Mapping[str, Any]

    @property
    def component(self) -> str:
        """The component and its version, which the whole fleet has."""
        name = names.component_name(self.stack.core_name)
        return f"{name} {self.deployment['components'][name]['componentVersion']}"

    @property
    def place(self) -> str:
        """The Region and the account."""
        return ":".join(self.stack.deployment_target.split(":")[3:5])

    def policies_of(self, core_name: str) -> dict[str, str]:
        """Return the documents of another core's policies, by their full names."""
        return {
            f"{core_name}_{kind}": json.dumps(
                rename(document, self.stack.core_name, core_name), sort_keys=True
            )
            for kind, document in self.policies.items()
        }

    def group_deployment(self, group_arn: str, name: str) -> dict[str, Any]:
        """Return the request that deploys the pattern's component to a thing group.

        The stack itself deploys the same to the group of ``thingGroupName``.

        Raises:
            MliError: if its job document is larger than a core with nucleus lite can read.
        """
        component = names.component_name(self.stack.core_name)
        components = dict(self.deployment["components"])
        update = dict(components[component].get("configurationUpdate") or {})
        merge = for_all_cores(json.loads(update.get("merge") or "{}"), self.stack.core_name)
        update["merge"] = json.dumps(merge, sort_keys=True)
        found = job_document.size(
            job_document.document(
                group=group_arn.rpartition("/")[2],
                deployment=name,
                component=component,
                configuration=merge,
            )
        )
        if found > job_document.MAX_BYTES:
            raise MliError(
                f"the job document of a deployment to {name} has {found:,} bytes, and nucleus lite "
                f"accepts {job_document.MAX_BYTES:,}: shorten feedbackConfiguration or classes of "
                f"{self.stack.core_name}, and deploy it again"
            )
        components[component] = {**components[component], "configurationUpdate": update}
        kept = {
            key: self.deployment[key]
            for key in ("deploymentPolicies", "iotJobConfiguration")
            if self.deployment.get(key)
        }
        return {
            "targetArn": group_arn,
            "deploymentName": name,
            "components": components,
            **kept,
        }


def read_pattern(clients: Clients, core_name: str) -> Pattern:
    """Read a core's stack, policies and deployment.

    Raises:
        MliError: if it is a V1 group, or lacks one of them.
    """
    stack = CoreStack.find(clients, core_name)
    generation_of(stack).check_pattern(core_name)
    iot, greengrass = clients("iot"), clients("greengrassv2")
    policies = {}
    for kind in ("CorePolicy", "PublishPolicy"):
        name = f"{core_name}_{kind}"
        try:
            policies[kind] = json.loads(iot.get_policy(policyName=name)["policyDocument"])
        except iot.exceptions.ResourceNotFoundException:
            raise MliError(f"the stack of {core_name} has no policy {name}: deploy it") from None
    found = latest_deployment(greengrass, stack.deployment_target)
    if found is None:
        raise MliError(f"{core_name} has no deployment: deploy its stack (npx cdk deploy …)")
    _, deployment = found
    if names.component_name(core_name) not in deployment.get("components", {}):
        raise MliError(f"the deployment of {core_name} has no {names.component_name(core_name)}")
    return Pattern(stack, policies, deployment)


def rename(document: Mapping[str, Any], old: str, new: str) -> dict[str, Any]:
    """Return a policy with the resources of the core ``new`` instead of those of ``old``.

    Resources without a core's name do not change: role alias and data plane are shared.
    """
    return {
        **document,
        "Statement": [
            {
                **statement,
                "Resource": [_renamed(arn, old, new) for arn in _list(statement["Resource"])],
            }
            for statement in document["Statement"]
        ],
    }


def _renamed(arn: str, old: str, new: str) -> str:
    *head, resource = arn.split(":", 5)
    if len(head) < 5 or head[2] != "iot":
        return arn
    kind, _, name = resource.partition("/")
    thing, thing_of_new = names.thing_name(old), names.thing_name(new)
    own = f"$aws/things/{thing}"
    changes = {
        device_names.prediction_topic(old): device_names.prediction_topic(new),
        device_names.telemetry_topic(old): device_names.telemetry_topic(new),
    }
    if kind == "client" and name.removeprefix(thing) in ("", "*", "-*"):
        name = thing_of_new + name.removeprefix(thing)
    elif kind in ("topic", "topicfilter") and name.startswith(own) and name[len(own)] in "/*-":
        name = f"$aws/things/{thing_of_new}" + name.removeprefix(own)
    elif kind in ("topic", "topicfilter"):
        name = changes.get(name, name)
    return ":".join([*head, f"{kind}/{name}"])


def _list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
