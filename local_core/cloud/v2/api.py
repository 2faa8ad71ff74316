"""The API of Greengrass V2: components, deployments, core devices.

https://docs.aws.amazon.com/greengrass/v2/APIReference/Welcome.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import yaml

from .. import location
from ..api.errors import ApiError
from ..api.rest_api import Operation, Reply, Request, RestApi
from ..emulator import Handlers
from . import recipe as v2_recipe
from .components import ComponentStore, ComponentVersion, Digest
from .core_devices import CoreDevice, CoreDevices
from .delivery import Delivery, IotChannel, check_size
from .deployments import Deployment, DeploymentStore, configuration_faults
from .resource_types import resource_types

Presign = Callable[[str], str]
TargetExists = Callable[[str], bool]


class GreengrassV2:
    """The state of Greengrass V2, and the operations on it."""

    def __init__(
        self,
        *,
        digest: Digest,
        presign: Presign,
        target_exists: TargetExists,
        channel: IotChannel,
    ) -> None:
        self.components = ComponentStore(digest)
        self.deployments = DeploymentStore()
        self.devices = CoreDevices()
        self._presign = presign
        self._target_exists = target_exists
        self._delivery = Delivery(channel)
        self.api = RestApi("greengrassv2", self._operations(), fault_code="ValidationException")

    def resource_types(self) -> Mapping[str, Handlers]:
        """Return the resource types of CloudFormation."""
        return resource_types(self.api)

    def _take_verdicts(self) -> None:
        """End the deployments to things that their cores have concluded.

        A group's deployment stays active, because more cores may join.
        """
        for deployment in self.deployments.all():
            if deployment.status == "ACTIVE":
                status = self._delivery.thing_status(deployment)
                if status is not None:
                    self.deployments.set_status(deployment.id, status)

    def _operations(self) -> dict[str, Operation]:
        return {
            "CancelDeployment": self._cancel_deployment,
            "CreateComponentVersion": self._create_component_version,
            "CreateDeployment": self._create_deployment,
            "DeleteComponent": self._delete_component,
            "DeleteCoreDevice": self._delete_core_device,
            "DeleteDeployment": self._delete_deployment,
            "DescribeComponent": self._describe_component,
            "GetComponent": self._get_component,
            "GetComponentVersionArtifact": self._get_artifact,
            "GetCoreDevice": self._get_core_device,
            "GetDeployment": self._get_deployment,
            "ListComponentVersions": self._list_component_versions,
            "ListComponents": self._list_components,
            "ListCoreDevices": self._list_core_devices,
            "ListDeployments": self._list_deployments,
            "ListEffectiveDeployments": self._list_effective_deployments,
            "ListInstalledComponents": self._list_installed_components,
            "ResolveComponentCandidates": self._resolve,
        }

    def _create_component_version(self, request: Request) -> Reply:
        if request.get("lambdaFunction") or not request.get("inlineRecipe"):
            reason = "inlineRecipe is required: the local cloud imports no functions"
            raise ApiError("ValidationException", reason)
        component = self.components.create(request["inlineRecipe"], request.get("tags"))
        return {
            "arn": component.arn,
            "componentName": component.name,
            "componentVersion": component.version,
            "creationTimestamp": component.created,
            "status": {"componentState": "REQUESTED", "message": "NONE", "errors": {}},
        }

    def _delete_component(self, request: Request) -> Reply:
        self.components.delete(request["arn"])
        return {}

    def _describe_component(self, request: Request) -> Reply:
        component = self.components.get(request["arn"])
        return {
            **_summary(component),
            "componentName": component.name,
            "status": {"componentState": "DEPLOYABLE", "message": "NONE", "errors": {}},
            "tags": component.tags,
        }

    def _get_component(self, request: Request) -> Reply:
        component = self.components.get(request["arn"])
        form = request.get("recipeOutputFormat") or "YAML"
        if form == "JSON":
            text = _json(component)
        else:
            text = yaml.safe_dump(dict(component.recipe), sort_keys=False).encode()
        return {"recipeOutputFormat": form, "recipe": text, "tags": component.tags}

    def _get_artifact(self, request: Request) -> Reply:
        """Return a signed link; the artifact's name is its URI without the scheme."""
        component = self.components.get(request["arn"])
        wanted = request["artifactName"].lstrip("/")
        for artifact in v2_recipe.artifacts(component.recipe):
            uri = str(artifact.get("Uri") or artifact["URI"])
            if uri.partition("://")[2] == wanted:
                return {"preSignedUrl": self._presign(uri)}
        reason = f"{component.arn} has no artifact {wanted}"
        raise ApiError("ResourceNotFoundException", reason, 404)

    def _list_components(self, request: Request) -> Reply:
        found = self.components.latest(public=request.get("scope") == "PUBLIC")
        items = [
            {"arn": c.component_arn, "componentName": c.name, "latestVersion": _summary(c)}
            for c in found
        ]
        return {"components": items}

    def _list_component_versions(self, request: Request) -> Reply:
        items = [
            {"arn": c.arn, "componentName": c.name, "componentVersion": c.version}
            for c in self.components.versions(request["arn"])
        ]
        return {"componentVersions": items}

    def _resolve(self, request: Request) -> Reply:
        resolved, missing = [], []
        for candidate in request.get("componentCandidates") or []:
            name = candidate["componentName"]
            requirements = list((candidate.get("versionRequirements") or {}).values())
            if candidate.get("componentVersion") and not requirements:
                requirements = [candidate["componentVersion"]]
            component = self.components.resolve(name, requirements)
            if component is None:
                missing.append(f"{name} {' and '.join(requirements)}")
            else:
                resolved.append({**_identity(component), "recipe": _json(component)})
        if missing:
            reason = f"No applicable version found for: {', '.join(missing)}"
            raise ApiError("ResourceNotFoundException", reason, 404)
        return {"resolvedComponentVersions": resolved}

    def _create_deployment(self, request: Request) -> Reply:
        found = list(configuration_faults(request))
        if found:
            raise ApiError("ValidationException", "; ".join(found))
        if not self._target_exists(request["targetArn"]):
            reason = f"The target {request['targetArn']} does not exist"
            raise ApiError("ResourceNotFoundException", reason, 404)
        for name, component in (request.get("components") or {}).items():
            version = component["componentVersion"]
            if self.components.resolve(name, [version]) is None:
                reason = f"Component {name} has no version {version}"
                raise ApiError("ResourceNotFoundException", reason, 404)
        self._take_verdicts()
        previous = self.deployments.latest(request["targetArn"])
        deployment = self.deployments.create(request, check_size)
        self._delivery.send(deployment, previous)
        return {
            "deploymentId": deployment.id,
            "iotJobId": deployment.job_id,
            "iotJobArn": location.arn("iot", f"job/{deployment.job_id}"),
        }

    def _cancel_deployment(self, request: Request) -> Reply:
        self._take_verdicts()
        self._delivery.cancel(self.deployments.cancel(request["deploymentId"]))
        return {"message": "Deployment canceled"}

    def _delete_deployment(self, request: Request) -> Reply:
        self._take_verdicts()
        self._delivery.delete(self.deployments.delete(request["deploymentId"]))
        return {}

    def describe(self, deployment: Deployment) -> dict[str, Any]:
        """Return a deployment as GetDeployment does."""
        latest = self.deployments.latest(deployment.target_arn)
        return {
            **{k: v for k, v in deployment.request.items() if k != "clientToken"},
            "deploymentId": deployment.id,
            "revisionId": deployment.revision,
            "deploymentStatus": deployment.status,
            "iotJobId": deployment.job_id,
            "iotJobArn": location.arn("iot", f"job/{deployment.job_id}"),
            "creationTimestamp": deployment.created,
            "isLatestForTarget": latest is not None and latest.id == deployment.id,
        }

    def _get_deployment(self, request: Request) -> Reply:
        self._take_verdicts()
        return self.describe(self.deployments.get(request["deploymentId"]))

    def _list_deployments(self, request: Request) -> Reply:
        self._take_verdicts()
        items = [self.describe(deployment) for deployment in self.deployments.all()]
        target = request.get("targetArn")
        # Unless all are requested, the service lists only the latest one of each target.
        everything = request.get("historyFilter") == "ALL"
        wanted = [
            item
            for item in items
            if target in (None, item["targetArn"]) and (everything or item["isLatestForTarget"])
        ]
        return {"deployments": wanted}

    def _get_core_device(self, request: Request) -> Reply:
        return _device(self.devices.get(request["coreDeviceThingName"]))

    def _delete_core_device(self, request: Request) -> Reply:
        self.devices.delete(request["coreDeviceThingName"])
        return {}

    def _list_core_devices(self, request: Request) -> Reply:
        wanted = request.get("status")
        found = [device for device in self.devices.all() if wanted in (None, device.status)]
        return {"coreDevices": [_device(device) for device in found]}

    def _list_effective_deployments(self, request: Request) -> Reply:
        device = self.devices.get(request["coreDeviceThingName"])
        found = self._delivery.effective(device.thing_name, self.deployments.all())
        return {"effectiveDeployments": found}

    def _list_installed_components(self, request: Request) -> Reply:
        device = self.devices.get(request["coreDeviceThingName"])
        roots_only = request.get("topologyFilter") != "ALL"
        found = [c for c in device.components if c.get("isRoot", True) or not roots_only]
        return {"installedComponents": found}


def _json(component: ComponentVersion) -> bytes:
    return json.dumps(component.recipe).encode()


def _identity(component: ComponentVersion) -> dict[str, Any]:
    return {
        "arn": component.arn,
        "componentName": component.name,
        "componentVersion": component.version,
    }


def _summary(component: ComponentVersion) -> dict[str, Any]:
    recipe = component.recipe
    manifests = recipe.get("Manifests") or []
    platforms = [
        {"name": m.get("Name"), "attributes": {k: str(v) for k, v in m["Platform"].items()}}
        for m in manifests
        if m.get("Platform")
    ]
    return {
        "arn": component.arn,
        "componentVersion": component.version,
        "creationTimestamp": component.created,
        "description": recipe.get("ComponentDescription"),
        "publisher": recipe.get("ComponentPublisher"),
        "platforms": platforms,
    }


def _device(device: CoreDevice) -> dict[str, Any]:
    return {
        "coreDeviceThingName": device.thing_name,
        "coreVersion": device.core_version,
        "platform": device.platform,
        "architecture": device.architecture,
        "runtime": device.runtime,
        "status": device.status,
        "lastStatusUpdateTimestamp": device.updated,
    }
