"""The API of Greengrass V1: groups, their definitions, deployments and roles.

https://docs.aws.amazon.com/greengrass/v1/apireference/api-doc.html
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .. import location
from ..api.errors import ApiError
from ..api.rest_api import Operation, Reply, Request, RestApi
from ..api.timestamps import iso_now
from ..emulator import Handlers
from . import rules as v1_rules
from .definitions import KINDS, DefinitionStore
from .deployments import RESETS, GroupDeployment, GroupDeployments
from .group_rules import group_faults
from .resource_types import resource_types

_CHECKS: Mapping[str, Callable[[Mapping[str, Any]], Iterable[str]]] = {
    "Connector": v1_rules.all_connector_faults,
    "Core": v1_rules.core_faults,
    "Device": v1_rules.device_faults,
    "Function": v1_rules.function_faults,
    "Logger": v1_rules.logger_faults,
    "Resource": v1_rules.resource_faults,
    "Subscription": v1_rules.subscription_faults,
}
_NO_SERVICE_ROLE = (
    "Greengrass is not authorized to assume the Service Role associated with this account. "
    "Failed: TES service role is not associated with this account."
)


class GreengrassV1:
    """The state of Greengrass V1, and the operations on it."""

    def __init__(self) -> None:
        self._definitions = {
            kind: DefinitionStore(
                path=f"/greengrass/definition/{kind.lower()}s",
                what=f"{kind.lower()} definition",
                check=_CHECKS[kind],
            )
            for kind in KINDS
        }
        self._groups = DefinitionStore(
            path="/greengrass/groups",
            what="group",
            check=functools.partial(group_faults, find=self._find),
        )
        self.deployments = GroupDeployments()
        self._group_roles: dict[str, dict[str, str]] = {}
        self._service_role: dict[str, str] = {}
        self.api = RestApi("greengrass", self._operations(), fault_code="BadRequestException")

    def resource_types(self) -> Mapping[str, Handlers]:
        """Return the resource types of CloudFormation."""
        return resource_types(self.api)

    def orders(self, thing_name: str) -> Mapping[str, Any] | None:
        """Return the latest deployment of a core's group, which the core is to carry out."""
        found = self.deployment_of_thing(location.arn("iot", f"thing/{thing_name}"))
        return (
            None
            if found is None
            else {
                "groupId": found.group_id,
                "groupVersionId": found.group_version,
                "deploymentId": found.id,
                "deploymentType": found.kind,
                "status": found.status,
                "error": found.error,
            }
        )

    def role(self, thing_name: str) -> tuple[str, str]:
        """Return the ARNs of the group that was deployed to a thing last, and of its role.

        Raises:
            ApiError: if nothing is deployed, or the group has no role.
        """
        found = self.deployment_of_thing(location.arn("iot", f"thing/{thing_name}"))
        if found is None:
            raise ApiError("NotFoundException", f"no group is deployed to {thing_name}", 404)
        role = self._get_role({"GroupId": found.group_id})["RoleArn"]
        return self._groups.get(found.group_id).arn, str(role)

    def report(self, thing_name: str, report: Mapping[str, Any]) -> None:
        """Take a core's verdict on a deployment of its group."""
        self.deployments.report(
            report.get("groupId", ""),
            report.get("deploymentId", ""),
            report.get("status", ""),
            report.get("error"),
        )

    def core_of(self, group_id: str, group_version: str) -> str | None:
        """Return the ARN of the thing that is a group version's core."""
        group = self._groups.version(group_id, group_version).content
        version = self._find("Core", group.get("CoreDefinitionVersionArn") or "")
        cores = (version or {}).get("Cores") or []
        return cores[0]["ThingArn"] if cores else None

    def deployment_of_thing(self, thing_arn: str) -> GroupDeployment | None:
        """Return the latest deployment of the group of the core ``thing_arn``."""
        latest = None
        for group in self._groups.all():
            for deployment in self.deployments.of_group(group.id):
                version = deployment.group_version or self._last_version(group.id)
                is_ours = version and self.core_of(group.id, version) == thing_arn
                if is_ours and (latest is None or deployment.created >= latest.created):
                    latest = deployment
        return latest

    def _last_version(self, group_id: str) -> str | None:
        versions = self._groups.get(group_id).versions
        return versions[-1].version if versions else None

    def _find(self, kind: str, arn: str) -> Mapping[str, Any] | None:
        store = self._definitions.get(kind)
        version = store.version_of_arn(arn) if store else None
        return version.content if version else None

    def _operations(self) -> dict[str, Operation]:
        operations: dict[str, Operation] = {
            "AssociateRoleToGroup": self._associate_role,
            "AssociateServiceRoleToAccount": self._associate_service_role,
            "CreateDeployment": self._create_deployment,
            "DeleteGroup": self._delete_group,
            "DisassociateRoleFromGroup": self._disassociate_role,
            "DisassociateServiceRoleFromAccount": self._disassociate_service_role,
            "GetAssociatedRole": self._get_role,
            "GetDeploymentStatus": self._deployment_status,
            "GetServiceRoleForAccount": self._get_service_role,
            "ListDeployments": self._list_deployments,
            "ResetDeployments": self._reset_deployments,
        }
        stores = {f"{kind}Definition": store for kind, store in self._definitions.items()}
        for name, store in {**stores, "Group": self._groups}.items():
            operations = {**_definition_operations(name, store), **operations}
        return operations

    def _delete_group(self, request: Request) -> Reply:
        identity = request["GroupId"]
        self._groups.get(identity)
        if self.deployments.is_deployed(identity):
            raise ApiError(
                "BadRequestException",
                f"Group id: {identity} cannot be deleted: it is currently deployed. "
                "Reset its deployments first.",
            )
        self._groups.delete(identity)
        self._group_roles.pop(identity, None)
        self.deployments.forget_group(identity)
        return {}

    def _associate_role(self, request: Request) -> Reply:
        self._groups.get(request["GroupId"])
        role = {"AssociatedAt": iso_now(), "RoleArn": request["RoleArn"]}
        self._group_roles[request["GroupId"]] = role
        return role

    def _disassociate_role(self, request: Request) -> Reply:
        self._group_roles.pop(request["GroupId"], None)
        return {"DisassociatedAt": iso_now()}

    def _get_role(self, request: Request) -> Reply:
        if request["GroupId"] not in self._group_roles:
            reason = "You need to attach an IAM role to this deployment group."
            raise ApiError("RoleNotFoundException", reason, 404)
        return self._group_roles[request["GroupId"]]

    def _associate_service_role(self, request: Request) -> Reply:
        self._service_role = {"AssociatedAt": iso_now(), "RoleArn": request["RoleArn"]}
        return self._service_role

    def _disassociate_service_role(self, request: Request) -> Reply:
        self._service_role = {}
        return {"DisassociatedAt": iso_now()}

    def _get_service_role(self, request: Request) -> Reply:
        if not self._service_role:
            reason = "You need to attach a service role to this account."
            raise ApiError("RoleNotFoundException", reason, 404)
        return self._service_role

    def _create_deployment(self, request: Request) -> Reply:
        identity, kind = request["GroupId"], request["DeploymentType"]
        self._groups.get(identity)
        version = request.get("GroupVersionId")
        if kind == "Redeployment" and not version and request.get("DeploymentId"):
            version = self.deployments.get(identity, request["DeploymentId"]).group_version
        refusal = None
        if kind in RESETS:
            version = None
        elif not version:
            raise ApiError("BadRequestException", "GroupVersionId is required")
        elif self.core_of(identity, version) is None:
            raise ApiError("BadRequestException", f"Group version {version} has no core")
        elif not self._service_role:
            refusal = _NO_SERVICE_ROLE
        deployment = self.deployments.create(
            group_id=identity, group_version=version, kind=kind, refusal=refusal
        )
        return {"DeploymentArn": deployment.arn, "DeploymentId": deployment.id}

    def _reset_deployments(self, request: Request) -> Reply:
        kind = "ForceResetDeployment" if request.get("Force") else "ResetDeployment"
        return self._create_deployment({"GroupId": request["GroupId"], "DeploymentType": kind})

    def _deployment_status(self, request: Request) -> Reply:
        deployment = self.deployments.get(request["GroupId"], request["DeploymentId"])
        return {
            "DeploymentStatus": deployment.status,
            "DeploymentType": deployment.kind,
            "ErrorMessage": deployment.error,
            "UpdatedAt": deployment.updated,
        }

    def _list_deployments(self, request: Request) -> Reply:
        group = self._groups.get(request["GroupId"])
        items = [
            {
                "CreatedAt": deployment.created,
                "DeploymentArn": deployment.arn,
                "DeploymentId": deployment.id,
                "DeploymentType": deployment.kind,
                "GroupArn": group.arn,
            }
            for deployment in reversed(self.deployments.of_group(group.id))
        ]
        return {"Deployments": items}


def _definition_operations(name: str, store: DefinitionStore) -> dict[str, Operation]:
    """Return the eight operations on definitions ``name``, or on groups, by their API names."""
    key = f"{name}Id"
    is_group = name == "Group"

    def create(request: Request) -> Reply:
        initial = request.get("InitialVersion")
        return store.create(request["Name"], initial, request.get("tags")).information()

    def create_version(request: Request) -> Reply:
        content = {k: v for k, v in request.items() if k not in (key, "AmznClientToken")}
        return store.add_version(request[key], content).information()

    def delete(request: Request) -> Reply:
        store.delete(request[key])
        return {}

    def get(request: Request) -> Reply:
        return store.get(request[key]).information()

    def get_version(request: Request) -> Reply:
        version = store.version(request[key], request[f"{name}VersionId"])
        return {**version.information(), "Definition": version.content}

    def update(request: Request) -> Reply:
        store.rename(request[key], request["Name"])
        return {}

    def list_all(request: Request) -> Reply:
        items = [definition.information() for definition in store.all()]
        return {"Groups" if is_group else "Definitions": items}

    def list_versions(request: Request) -> Reply:
        return {"Versions": [v.information() for v in store.get(request[key]).versions]}

    return {
        f"Create{name}": create,
        f"Create{name}Version": create_version,
        f"Delete{name}": delete,
        f"Get{name}": get,
        f"Get{name}Version": get_version,
        f"Update{name}": update,
        f"List{name}s": list_all,
        f"List{name}Versions": list_versions,
    }
