"""Custom resources that only read: what a template needs to know and cannot know by itself.

``Custom::IotEndpoints`` returns the account's own endpoints, which no CloudFormation resource has
as an attribute. ``Custom::ComponentRevision`` returns the last number of a component's version, so
that content that was deployed before, and whose version outlives its stack, can be deployed again.
``Custom::SimulatorImage`` returns the newest image at its creation, and is asked only once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import boto3
from botocore.exceptions import ClientError


def iot_endpoints(properties: Mapping[str, Any]) -> tuple[str, Mapping[str, str]]:
    """Return the endpoints of this account and Region: of the broker and of the credentials.

    https://docs.aws.amazon.com/iot/latest/apireference/API_DescribeEndpoint.html
    """
    iot = boto3.client("iot")
    types = {"Data": "iot:Data-ATS", "Credentials": "iot:CredentialProvider"}
    found = {
        name: iot.describe_endpoint(endpointType=kind)["endpointAddress"]
        for name, kind in types.items()
    }
    return "iot-endpoints", found


def component_revision(properties: Mapping[str, Any]) -> tuple[str, Mapping[str, str]]:
    """Return the first free number after ``ContentVersion``, such as ``2`` if 1 is taken.

    The physical id changes with the content, so that a rollback returns to the old resource and its
    old number.
    https://docs.aws.amazon.com/greengrass/v2/APIReference/API_ListComponentVersions.html
    """
    arn, content = properties["ComponentArn"], properties["ContentVersion"]
    taken = [
        int(version[len(content) + 1 :])
        for version in _versions(arn)
        if version.startswith(content + ".")
    ]
    return f"{arn}:{content}", {"Revision": str(max(taken, default=-1) + 1)}


def simulator_image(properties: Mapping[str, Any]) -> tuple[str, Mapping[str, str]]:
    """Return the image that the public parameter ``Parameter`` names now.

    CloudFormation asks again only for another parameter, so a newer image replaces no instance.
    https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameter.html
    """
    name = properties["Parameter"]
    found = boto3.client("ssm").get_parameter(Name=name)
    return name, {"ImageId": found["Parameter"]["Value"]}


def _versions(arn: str) -> list[str]:
    """Return every version of a component, or none if the component does not exist yet."""
    pages = boto3.client("greengrassv2").get_paginator("list_component_versions")
    try:
        return [
            version["componentVersion"]
            for page in pages.paginate(arn=arn)
            for version in page["componentVersions"]
        ]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            return []
        raise
