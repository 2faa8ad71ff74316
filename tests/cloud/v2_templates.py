"""A component and its deployment as templates have them."""

from __future__ import annotations

import json
from typing import Any

from tests.cloud.support import Device


def component_version(content: dict[str, Any] | str, **attributes: Any) -> dict[str, Any]:
    text = content if isinstance(content, str) else json.dumps(content)
    return {
        "Type": "AWS::GreengrassV2::ComponentVersion",
        "Properties": {"InlineRecipe": text},
        **attributes,
    }


def deployment(device: Device, **changes: Any) -> dict[str, Any]:
    specification = {
        "ComponentVersion": {"Fn::GetAtt": ["C", "ComponentVersion"]},
        "ConfigurationUpdate": {"Reset": [""], "Merge": '{"threshold": 0.7}'},
    }
    properties = {
        "TargetArn": device.thing_arn,
        "DeploymentName": "test",
        "Components": {changes.pop("name"): specification},
        "DeploymentPolicies": {
            "FailureHandlingPolicy": "ROLLBACK",
            "ComponentUpdatePolicy": {"Action": "NOTIFY_COMPONENTS", "TimeoutInSeconds": "60"},
        },
        "IotJobConfiguration": {"TimeoutConfig": {"InProgressTimeoutInMinutes": 60}},
        **changes,
    }
    return {"Type": "AWS::GreengrassV2::Deployment", "Properties": properties}
