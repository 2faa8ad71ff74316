"""What Greengrass V1 refuses in a group: definitions that do not fit together.

AWS finds some of these faults only when the group is deployed, and fails the deployment. Here the
group version is refused, where CloudFormation can show the reason.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from .connector_rules import IMAGE_CLASSIFICATION, connector_name
from .rules import NO_CONTAINER, isolation_mode

Content = Mapping[str, Any]
Find = Callable[[str, str], Content | None]
"""Finds a definition version's content by its kind and ARN."""

_CLOUD_ENDS = ("cloud", "GGShadowService")
_DEFAULT_GROUP = "ggc_group"
"""The Linux group in which functions and connectors run, unless their group says otherwise."""


def group_faults(group: Content, find: Find) -> Iterator[str]:
    """Yield what is wrong with a group version, given the definition versions it names."""
    found: dict[str, Content] = {}
    for member, arn in group.items():
        kind = member.removesuffix("DefinitionVersionArn")
        if kind == member or not arn:
            continue
        content = find(kind, arn)
        if content is None:
            yield f"{member} {arn} does not exist"
        else:
            found[kind] = content
    yield from _resource_faults(found)
    yield from _owner_faults(found)
    yield from _subscription_faults(found)
    yield from _classifier_faults(found)


def _owner_faults(found: Mapping[str, Content]) -> Iterator[str]:
    """Yield which functions could read a model by their Linux group, without being given it."""
    functions = found.get("Function", {}).get("Functions") or []
    given = {one["FunctionArn"]: _resources_of(one) for one in functions}
    for one in found.get("Connector", {}).get("Connectors") or []:
        parameters = one.get("Parameters") or {}
        given[one["ConnectorArn"]] = [parameters.get("MLModelResourceId", "")]
    for resource in found.get("Resource", {}).get("Resources") or []:
        if _owner(resource) != _DEFAULT_GROUP:
            continue
        for arn, resources in given.items():
            if resource["Id"] not in resources:
                yield (
                    f"Lambda {arn} gains access to resource {resource['Id']} by sharing the same "
                    "group owner id"
                )


def _resource_faults(found: Mapping[str, Content]) -> Iterator[str]:
    version = found.get("Function", {})
    resources = {r["Id"]: r for r in found.get("Resource", {}).get("Resources") or []}
    for function in version.get("Functions") or []:
        for identity in _resources_of(function):
            resource = resources.get(identity)
            if resource is None:
                yield f"{function['Id']}: the group has no resource {identity}"
            elif isolation_mode(function, version) == NO_CONTAINER and not _owner(resource):
                yield (
                    f"{function['Id']}: the resource {resource['Id']} must have an OwnerSetting, "
                    "because the function runs in IsolationMode=NoContainer"
                )


def _resources_of(function: Content) -> list[str]:
    """Return the ids of the resources that a function is given."""
    environment = (function.get("FunctionConfiguration") or {}).get("Environment") or {}
    return [policy["ResourceId"] for policy in environment.get("ResourceAccessPolicies") or []]


def _owner(resource: Content) -> str | None:
    """Return the Linux group that owns a downloaded model, None without one."""
    containers = (resource.get("ResourceDataContainer") or {}).values()
    settings = [(data or {}).get("OwnerSetting") or {} for data in containers]
    return next((one["GroupOwner"] for one in settings if "GroupOwner" in one), None)


def _subscription_faults(found: Mapping[str, Content]) -> Iterator[str]:
    ends = {
        *_CLOUD_ENDS,
        *(f.get("FunctionArn") for f in found.get("Function", {}).get("Functions") or []),
        *(c.get("ConnectorArn") for c in found.get("Connector", {}).get("Connectors") or []),
        *(d.get("ThingArn") for d in found.get("Device", {}).get("Devices") or []),
    }
    for subscription in found.get("Subscription", {}).get("Subscriptions") or []:
        for end in ("Source", "Target"):
            if subscription.get(end) not in ends:
                yield (
                    f"{subscription['Id']}: {end} {subscription.get(end)} is not in the group, "
                    f"nor one of {', '.join(_CLOUD_ENDS)}"
                )


def _classifier_faults(found: Mapping[str, Content]) -> Iterator[str]:
    """Yield what an Image Classification connector names and the group lacks."""
    connectors = found.get("Connector", {}).get("Connectors") or []
    by_name = {connector_name(one.get("ConnectorArn")): one for one in connectors}
    resources = {one["Id"]: one for one in found.get("Resource", {}).get("Resources") or []}
    feedback = (by_name.get("MLFeedback") or {}).get("Parameters") or {}
    configurations = json.loads(feedback.get("FeedbackConfigurationMap", "{}"))
    for name, connector in by_name.items():
        if not name.startswith(IMAGE_CLASSIFICATION):
            continue
        identity, given = connector["Id"], connector.get("Parameters") or {}
        resource = resources.get(given["MLModelResourceId"], {})
        container = resource.get("ResourceDataContainer") or {}
        data = container.get("SageMakerMachineLearningModelResourceData")
        if data is None:
            model = given["MLModelResourceId"]
            yield f"{identity}: {model} is not a SageMaker resource of the group"
        elif (data["DestinationPath"], data["SageMakerJobArn"]) != (
            given["MLModelDestinationPath"],
            given["MLModelSageMakerJobArn"],
        ):
            yield f"{identity}: {resource['Id']} has another destination path or training job"
        config_id = given.get("MLFeedbackConnectorConfigId")
        if config_id and config_id not in configurations:
            yield f"{identity}: MLFeedback has no configuration {config_id}"
