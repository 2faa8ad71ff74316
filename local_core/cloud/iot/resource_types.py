"""The CloudFormation resource type of AWS IoT that ministack lacks.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_IoT.html
"""

from __future__ import annotations

import uuid

from ..api.rest_api import RestApi
from ..deployment.handlers import Created, Properties, absent_is_deleted
from ..emulator import Handlers


def resource_types(api: RestApi) -> dict[str, Handlers]:
    """Return the handlers of the role alias."""
    return {"AWS::IoT::RoleAlias": _role_alias(api)}


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
        with absent_is_deleted():
            api.call("DeleteRoleAlias", {"roleAlias": identity})

    return {"create": create, "update": update, "delete": delete}
