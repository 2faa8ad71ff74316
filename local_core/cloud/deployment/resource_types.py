"""The CloudFormation resource types that our own handlers serve.

A handler turns a resource's properties into a request of the service's own API, so that a template
is held to the same rules as a call. Attributes and references are those of
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_Greengrass.html,
AWS_GreengrassV2.html and AWS_IoT.html.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from ..api.errors import ApiError
from ..api.rest_api import RestApi
from ..emulator import Handlers
from ..v1.definitions import KINDS

Properties = Mapping[str, Any]
Created = tuple[str, dict[str, Any]]
"""A resource's physical id, and what Fn::GetAtt finds."""

_ABSENT = ("IdNotFoundException", "ResourceNotFoundException")


def resource_types(*, v1: RestApi, v2: RestApi, iot: RestApi) -> dict[str, Handlers]:
    """Return the handlers of every type of Greengrass, and of the role alias."""
    types: dict[str, Handlers] = {
        "AWS::Greengrass::Group": _definition(v1, "Group"),
        "AWS::Greengrass::GroupVersion": _version(v1, "Group"),
        "AWS::GreengrassV2::ComponentVersion": _component_version(v2),
        "AWS::GreengrassV2::Deployment": _deployment(v2),
        "AWS::IoT::RoleAlias": _role_alias(iot),
    }
    for kind in KINDS:
        name = f"{kind}Definition"
        types[f"AWS::Greengrass::{name}"] = _definition(v1, name)
        types[f"AWS::Greengrass::{name}Version"] = _version(v1, name)
    return types


def _definition(api: RestApi, name: str) -> Handlers:
    """Return the handlers of a V1 definition or group; its version is part of its identity."""

    def attributes(identity: str, role: str | None) -> dict[str, Any]:
        found = api.call(f"Get{name}", {f"{name}Id": identity})
        values = {key: found.get(key) or "" for key in ("Arn", "Id", "LatestVersionArn", "Name")}
        return {**values, **({"RoleArn": role} if role else {})}

    def set_role(identity: str, role: str | None) -> None:
        if role:
            api.call("AssociateRoleToGroup", {"GroupId": identity, "RoleArn": role})

    def create(logical_id: str, properties: Properties, stack: str) -> Created:
        role = _role(name, properties)
        request = api.from_template(f"Create{name}", _without_role(name, properties))
        identity = api.call(f"Create{name}", request)["Id"]
        set_role(identity, role)
        return identity, attributes(identity, role)

    def update(identity: str, old: Properties, new: Properties, stack: str) -> Created:
        if old.get("InitialVersion") != new.get("InitialVersion"):
            return create("", new, stack)
        api.call(f"Update{name}", {f"{name}Id": identity, "Name": new["Name"]})
        set_role(identity, _role(name, new))
        return identity, attributes(identity, _role(name, new))

    def delete(identity: str, properties: Properties) -> None:
        with _absent_is_deleted():
            api.call(f"Delete{name}", {f"{name}Id": identity})

    return {"create": create, "update": update, "delete": delete}


def _role(name: str, properties: Properties) -> str | None:
    return properties.get("RoleArn") if name == "Group" else None


def _without_role(name: str, properties: Properties) -> Properties:
    """Return the properties that the API's own operation takes: a group's role is set apart."""
    return {k: v for k, v in properties.items() if name != "Group" or k != "RoleArn"}


def _version(api: RestApi, name: str) -> Handlers:
    """Return the handlers of a V1 version, which only goes with its definition."""
    operation = f"Create{name}Version"

    def create(logical_id: str, properties: Properties, stack: str) -> Created:
        return api.call(operation, api.from_template(operation, properties))["Arn"], {}

    return {"create": create, "delete": _keep}


def _keep(identity: str, properties: Properties) -> None:
    """Do nothing: what is deleted is the resource that this one is part of."""


def _component_version(api: RestApi) -> Handlers:
    def create(logical_id: str, properties: Properties, stack: str) -> Created:
        request = api.from_template("CreateComponentVersion", properties)
        made = api.call("CreateComponentVersion", request)
        return made["arn"], {
            "Arn": made["arn"],
            "ComponentName": made["componentName"],
            "ComponentVersion": made["componentVersion"],
        }

    def delete(identity: str, properties: Properties) -> None:
        with _absent_is_deleted():
            api.call("DeleteComponent", {"arn": identity})

    return {"create": create, "delete": delete}


def _deployment(api: RestApi) -> Handlers:
    def create(logical_id: str, properties: Properties, stack: str) -> Created:
        request = api.from_template("CreateDeployment", properties)
        identity = api.call("CreateDeployment", request)["deploymentId"]
        return identity, {"DeploymentId": identity}

    def delete(identity: str, properties: Properties) -> None:
        request = {"deploymentId": identity}
        with _absent_is_deleted():
            # What has ended cannot be cancelled, and what is active cannot be deleted.
            if api.call("GetDeployment", request)["deploymentStatus"] == "ACTIVE":
                api.call("CancelDeployment", request)
            api.call("DeleteDeployment", request)

    return {"create": create, "delete": delete}


def _role_alias(api: RestApi) -> Handlers:
    def create(logical_id: str, properties: Properties, stack: str) -> Created:
        name = properties.get("RoleAlias") or f"{stack}-{logical_id}-{uuid.uuid4().hex[:12]}"
        request = api.from_template("CreateRoleAlias", {**properties, "RoleAlias": name})
        return name, {"RoleAliasArn": api.call("CreateRoleAlias", request)["roleAliasArn"]}

    def update(identity: str, old: Properties, new: Properties, stack: str) -> Created:
        if old.get("RoleAlias") != new.get("RoleAlias"):
            return create("", new, stack)
        changes = {k: v for k, v in new.items() if k != "Tags"}
        request = api.from_template("UpdateRoleAlias", {**changes, "RoleAlias": identity})
        return identity, {"RoleAliasArn": api.call("UpdateRoleAlias", request)["roleAliasArn"]}

    def delete(identity: str, properties: Properties) -> None:
        with _absent_is_deleted():
            api.call("DeleteRoleAlias", {"roleAlias": identity})

    return {"create": create, "update": update, "delete": delete}


@contextlib.contextmanager
def _absent_is_deleted() -> Iterator[None]:
    """Take a resource that is gone already as deleted, as CloudFormation does."""
    try:
        yield
    except ApiError as error:
        if error.code not in _ABSENT:
            raise
