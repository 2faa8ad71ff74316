"""The CloudFormation resource types of Greengrass V2.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_GreengrassV2.html
"""

from __future__ import annotations

from ..api.rest_api import RestApi
from ..deployment.handlers import Created, Properties, absent_is_deleted
from ..emulator import Handlers


def resource_types(api: RestApi) -> dict[str, Handlers]:
    """Return the handlers of every type of Greengrass V2."""
    return {
        "AWS::GreengrassV2::ComponentVersion": _component_version(api),
        "AWS::GreengrassV2::Deployment": _deployment(api),
    }


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
        with absent_is_deleted():
            api.call("DeleteComponent", {"arn": identity})

    return {"create": create, "delete": delete}


def _deployment(api: RestApi) -> Handlers:
    def create(logical_id: str, properties: Properties, stack: str) -> Created:
        request = api.from_template("CreateDeployment", properties)
        identity = api.call("CreateDeployment", request)["deploymentId"]
        return identity, {"DeploymentId": identity}

    def delete(identity: str, properties: Properties) -> None:
        request = {"deploymentId": identity}
        with absent_is_deleted():
            # What has ended cannot be cancelled, and what is active cannot be deleted.
            if api.call("GetDeployment", request)["deploymentStatus"] == "ACTIVE":
                api.call("CancelDeployment", request)
            api.call("DeleteDeployment", request)

    return {"create": create, "delete": delete}
