"""A group of Greengrass V1 as templates have it, for tests to take apart."""

from __future__ import annotations

import json
from typing import Any

from tests.cloud.support import Device

FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:inference:live"
CONNECTOR = "arn:aws:greengrass:us-east-1::/connectors/MLFeedback/versions/1"
ROLE = "arn:aws:iam::000000000000:role/group"
KINDS = ("Connector", "Core", "Device", "Function", "Logger", "Resource", "Subscription")
_FEEDBACK = {"LC50": {"s3-bucket-name": "feedback", "content-type": "image/jpeg"}}


def content_of(device: Device) -> dict[str, dict[str, Any]]:
    """Return the content of one version of each kind of definition."""
    thing = {
        "Id": "core",
        "ThingArn": device.thing_arn,
        "CertificateArn": device.certificate_arn,
    }
    return {
        "Connector": {
            "Connectors": [
                {
                    "Id": "feedback",
                    "ConnectorArn": CONNECTOR,
                    "Parameters": {
                        "FeedbackConfigurationMap": json.dumps(_FEEDBACK),
                        "RequestLimit": "10",
                    },
                }
            ]
        },
        "Core": {"Cores": [{**thing, "SyncShadow": "true"}]},
        "Device": {"Devices": [{**thing, "Id": "device"}]},
        "Function": {
            "DefaultConfig": {"Execution": {"IsolationMode": "NoContainer"}},
            "Functions": [
                {
                    "Id": "inference",
                    "FunctionArn": FUNCTION,
                    "FunctionConfiguration": {
                        "Pinned": "true",
                        "Timeout": "25",
                        "Executable": "lambda_function.handler",
                        "Environment": {
                            "Variables": {"THRESHOLD": "0.5"},
                            "ResourceAccessPolicies": [{"ResourceId": "model"}],
                        },
                    },
                }
            ],
        },
        "Logger": {
            "Loggers": [
                {
                    "Id": "local",
                    "Component": "Lambda",
                    "Level": "INFO",
                    "Type": "FileSystem",
                    "Space": 1024,
                }
            ]
        },
        "Resource": {
            "Resources": [
                {
                    "Id": "model",
                    "Name": "model",
                    "ResourceDataContainer": {
                        "S3MachineLearningModelResourceData": {
                            "DestinationPath": "/model",
                            "S3Uri": "s3://models/model.tar.gz",
                            "OwnerSetting": {"GroupOwner": "ggc_model", "GroupPermission": "ro"},
                        }
                    },
                }
            ]
        },
        "Subscription": {
            "Subscriptions": [
                {"Id": "out", "Source": FUNCTION, "Subject": "mli/+", "Target": "cloud"}
            ]
        },
    }


def definition(kind: str, content: dict[str, Any], name: str = "first") -> dict[str, Any]:
    return {
        "Type": f"AWS::Greengrass::{kind}Definition",
        "Properties": {"Name": name, "InitialVersion": content, "Tags": {"made": "by a test"}},
    }


def group_of(kinds: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return a group with a group version of these definitions."""
    definitions = {kind: definition(kind, content) for kind, content in kinds.items()}
    arns = {
        f"{kind}DefinitionVersionArn": {"Fn::GetAtt": [kind, "LatestVersionArn"]} for kind in kinds
    }
    group = {"Type": "AWS::Greengrass::Group", "Properties": {"Name": "g", "RoleArn": ROLE}}
    version = {
        "Type": "AWS::Greengrass::GroupVersion",
        "Properties": {"GroupId": {"Ref": "Group"}, **arns},
    }
    return {**definitions, "Group": group, "Version": version}
