"""Counts the cores of a fleet that were heard once and are silent now."""

from __future__ import annotations

import json
import os
import time
from typing import Any

import boto3


def handler(event: Any, context: Any) -> dict[str, int]:
    """Write both numbers to the log, in CloudWatch's embedded metric format, and return them.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    now = time.time() * 1e3
    oldest = now - float(os.environ["SILENT_SECONDS"]) * 1e3
    heard = _heard(os.environ["TABLE"])
    groups = os.environ["THING_GROUPS"].split(",")
    members = {core for group in groups for core in _members(group)}
    cores = [heard[core] for core in members if core in heard]
    silent = sum(received < oldest for received in cores)
    numbers = {"CoresSilent": silent, "CoresReporting": len(cores) - silent}
    metrics = [{"Name": name, "Unit": "Count"} for name in numbers]
    directive = {"Namespace": os.environ["NAMESPACE"], "Dimensions": [[]], "Metrics": metrics}
    envelope = {"Timestamp": int(now), "CloudWatchMetrics": [directive]}
    print(json.dumps({"_aws": envelope, **numbers}))
    return numbers


def _members(group: str) -> set[str]:
    """Return the cores of a thing group. A core is called like its thing, but for this ending."""
    pages = boto3.client("iot").get_paginator("list_things_in_thing_group")
    found = pages.paginate(thingGroupName=group, recursive=True)
    return {thing.removesuffix("_Core") for page in found for thing in page["things"]}


def _heard(table: str) -> dict[str, float]:
    """Return when each core was heard last, in milliseconds."""
    pages = boto3.client("dynamodb").get_paginator("scan")
    found = pages.paginate(
        TableName=table,
        ProjectionExpression="#core, #received",
        ExpressionAttributeNames={"#core": "core", "#received": "received"},
    )
    return {
        item["core"]["S"]: float(item["received"]["N"])
        for page in found
        for item in page["Items"]
        if "received" in item
    }
