"""The actions and resources of the APIs that the local cloud serves beside ministack.

Which resource an action takes, and which further actions it depends on, is in
https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsiotgreengrassv2.html and
https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsiotgreengrassv1.html.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .. import location
from ..v2 import recipe as v2_recipe

Request = Mapping[str, Any]

PASS_ROLE = "iam:PassRole"
PASSED_TO = "iam:PassedToService"

_PARAMETER = re.compile(r"\{(\w+)[^}]*\}")
_PREFIXES = {"greengrassv2": "greengrass"}
_READS_OF_A_DEPLOYMENT = ("DescribeJob", "DescribeThing", "DescribeThingGroup", "GetThingShadow")
_CHANGES_OF_A_DEPLOYMENT = (
    *_READS_OF_A_DEPLOYMENT,
    "CancelJob",
    "DeleteThingShadow",
    "UpdateJob",
    "UpdateThingShadow",
)
_DEPENDENT_OF_V2: Mapping[str, tuple[str, ...]] = {
    "CancelDeployment": _CHANGES_OF_A_DEPLOYMENT,
    "CreateDeployment": ("CreateJob", *_CHANGES_OF_A_DEPLOYMENT),
    "DeleteCoreDevice": ("DescribeJobExecution",),
    "DeleteDeployment": ("DeleteJob",),
    "GetDeployment": _READS_OF_A_DEPLOYMENT,
    "ListDeployments": _READS_OF_A_DEPLOYMENT,
    "ListEffectiveDeployments": (*_READS_OF_A_DEPLOYMENT, "DescribeJobExecution"),
}
"""Actions of AWS IoT that Greengrass calls as its caller."""
_ANY_JOB = "job/any"
_PASSES_ROLE = {"iot": "credentials.iot.amazonaws.com", "greengrass": "greengrass.amazonaws.com"}


@dataclass(frozen=True)
class Check:
    """An action on a resource, which the caller must be allowed to do."""

    action: str
    resource: str
    context: Mapping[str, Any] = field(default_factory=dict)


def checks(service: str, operation: str, uri: str, request: Request) -> Iterator[Check]:
    """Yield what a request needs.

    ``service`` is the name of its model, and ``uri`` the path that the model gives the operation.
    """
    prefix = _PREFIXES.get(service, service)
    for resource in _resources(service, operation, uri, request):
        yield Check(f"{prefix}:{operation}", resource)
    if service == "greengrassv2":
        for action in _DEPENDENT_OF_V2.get(operation, ()):
            for resource in _resources_of_iot(action, request):
                yield Check(f"iot:{action}", resource)
    role = request.get("roleArn") or request.get("RoleArn")
    if role and service in _PASSES_ROLE:
        yield Check(PASS_ROLE, str(role), {PASSED_TO: _PASSES_ROLE[service]})


def _resources(service: str, operation: str, uri: str, request: Request) -> list[str]:
    if operation == "CreateComponentVersion":
        component = component_name(request.get("inlineRecipe"))
        return [location.arn("greengrass", f"components:{component}")]
    if operation == "ResolveComponentCandidates":
        return [
            location.arn("greengrass", f"components:{one['componentName']}:versions:*")
            for one in request.get("componentCandidates") or []
        ]
    if service == "sagemaker":
        name = request.get("TrainingJobName")
        return [location.arn("sagemaker", f"training-job/{name}")]
    if service == "iot":
        alias = request.get("roleAlias")
        return [location.arn("iot", f"rolealias/{alias}") if alias else "*"]
    parameters = list(_PARAMETER.finditer(uri))
    if not parameters:
        return ["*"]
    if service == "greengrassv2":
        return [_resource_of_v2(parameters[0][1], request)]
    whole = uri[: parameters[-1].end()]
    path = _PARAMETER.sub(lambda match: str(request.get(match[1], "")), whole)
    return [location.arn("greengrass", path)]


def _resource_of_v2(parameter: str, request: Request) -> str:
    value = str(request.get(parameter, ""))
    kinds = {"deploymentId": "deployments", "coreDeviceThingName": "coreDevices"}
    kind = kinds.get(parameter)
    return value if kind is None else location.arn("greengrass", f"{kind}:{value}")


def _resources_of_iot(action: str, request: Request) -> list[str]:
    """Return what a dependent action is for: the target, or a job whose id is not known yet.

    A request that names no target, such as one by a deployment's id, is about any.
    """
    target = str(request.get("targetArn") or "")
    if "Job" in action:
        job = location.arn("iot", _ANY_JOB)
        return [job, target] if action == "CreateJob" else [job]
    kind = "thinggroup" if action == "DescribeThingGroup" else "thing"
    return [target] if f":{kind}/" in target else []


def component_name(recipe: Any) -> str:
    """Return the name of a recipe's component; ``*`` if it cannot be read."""
    try:
        return str(v2_recipe.parse(recipe or b"{}")["ComponentName"])
    except (v2_recipe.InvalidRecipeError, KeyError):
        return "*"
