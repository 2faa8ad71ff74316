"""The CloudFormation resource types of Greengrass V1.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_Greengrass.html
"""

from __future__ import annotations

from typing import Any

from ..api.rest_api import RestApi
from ..deployment.handlers import Created, Properties, absent_is_deleted
from ..emulator import Handlers
from .definitions import KINDS


def resource_types(api: RestApi) -> dict[str, Handlers]:
    """Return the handlers of every type of Greengrass V1."""
    types = {}
    for name in ("Group", *(f"{kind}Definition" for kind in KINDS)):
        types[f"AWS::Greengrass::{name}"] = _definition(api, name)
        types[f"AWS::Greengrass::{name}Version"] = _version(api, name)
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
        with absent_is_deleted():
            api.call(f"Delete{name}", {f"{name}Id": identity})

    return {"create": create, "update": update, "delete": delete}


def _role(name: str, properties: Properties) -> str | None:
    return properties.get("RoleArn") if name == "Group" else None


def _without_role(name: str, properties: Properties) -> Properties:
    """Return the properties that the API's operation takes; a group's role is set separately."""
    return {k: v for k, v in properties.items() if name != "Group" or k != "RoleArn"}


def _version(api: RestApi, name: str) -> Handlers:
    """Return the handlers of a V1 version, which is deleted with its definition only."""
    operation = f"Create{name}Version"

    def create(logical_id: str, properties: Properties, stack: str) -> Created:
        return api.call(operation, api.from_template(operation, properties))["Arn"], {}

    return {"create": create, "delete": _keep}


def _keep(identity: str, properties: Properties) -> None:
    """Do nothing: what is deleted is the resource that this one is part of."""
