"""Deployed monitoring: telemetry becomes lines of a log, and silent cores of a fleet a number."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from custom_resources import silent_cores
from local_core.cloud import LocalCloud, location
from tests.cloud.support import Stacks
from tests.cloud.test_rules import TELEMETRY
from tests.stacks.synthesis import CERTIFICATE_ID, templates_of

WATCHED = {
    "modelS3Uri": "s3://bucket/models/model.tar.gz",
    "dashboard": "true",
    "alarmEmail": "ops@example.com",
}


def resources(folder: Path, **context: str) -> Mapping[str, Any]:
    """The resources of telemetry and monitoring, as the app makes them."""
    [template] = templates_of(folder / "cdk.out", {**WATCHED, **context}).values()
    kinds = ("Monitoring", "LastWords")
    return {k: v for k, v in template["Resources"].items() if k.startswith(kinds)}


def physical(cloud: LocalCloud, stack: str, kind: str) -> list[str]:
    listed = cloud.client("cloudformation").list_stack_resources(StackName=stack)
    return [
        one["PhysicalResourceId"]
        for one in listed["StackResourceSummaries"]
        if one["ResourceType"] == kind
    ]


def test_telemetry_of_a_core_is_logged_with_what_metrics_need(
    cloud: LocalCloud, stacks: Stacks, stack: str, tmp_path: Path
) -> None:
    core = {"coreName": "press-9", "certificateId": CERTIFICATE_ID}
    stacks.deploy(stack, resources(tmp_path, **core))
    recent = {"seconds": 60, "predicted": 12, "failed": 1, "samples": 2, "dropped": 0}
    message = {**TELEMETRY, "recent": {**recent, "confidence": 0.71}}
    cloud.client("iot-data").publish(topic="mli/telemetry/press-9", payload=json.dumps(message))
    [group] = physical(cloud, stack, "AWS::Logs::LogGroup")
    logs = cloud.client("logs")
    [event] = logs.filter_log_events(logGroupName=group)["events"]
    assert json.loads(event["message"]) == {
        "core": "press-9",
        "health": "ok",
        "faults": [],
        "perSecond": 2.5,
        "inferenceMs": 40.2,
        "failed": 1,
        "samples": 2,
        "dropped": 0,
        "confidence": 0.71,
    }
    assert len(logs.describe_metric_filters(logGroupName=group)["metricFilters"]) == 7
    assert len(physical(cloud, stack, "AWS::CloudWatch::Alarm")) == 3
    [dashboard] = physical(cloud, stack, "AWS::CloudWatch::Dashboard")
    found = cloud.client("cloudwatch").get_dashboard(DashboardName=dashboard)
    assert len(json.loads(found["DashboardBody"])["widgets"]) == 6


@pytest.fixture
def watched(
    cloud: LocalCloud,
    stacks: Stacks,
    stack: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[str]:
    """A watched fleet with its thing groups; its name. The function runs in this process."""
    fleet = stack
    iot = cloud.client("iot")
    groups = (fleet, f"{fleet}-canary")
    for group in groups:
        iot.create_thing_group(thingGroupName=group)
    stacks.deploy(stack, resources(tmp_path, fleetName=fleet))
    [table] = physical(cloud, stack, "AWS::DynamoDB::Table")
    for name, value in {
        "AWS_ENDPOINT_URL": cloud.endpoint,
        "AWS_DEFAULT_REGION": location.DEFAULT_REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "TABLE": table,
        "THING_GROUPS": ",".join(groups),
        "NAMESPACE": "MliGreengrass/test",
        "SILENT_SECONDS": "180",
    }.items():
        monkeypatch.setenv(name, value)
    yield fleet
    for group in groups:
        iot.delete_thing_group(thingGroupName=group)


def test_only_members_that_were_heard_and_are_silent_are_counted(
    cloud: LocalCloud, watched: str, capsys: pytest.CaptureFixture[str]
) -> None:
    iot, data, table = (cloud.client(name) for name in ("iot", "iot-data", "dynamodb"))
    things = [f"{watched}-{end}" for end in ("a_Core", "b", "never_Core")]
    for thing in things:
        iot.create_thing(thingName=thing)
        group = f"{watched}-canary" if thing.endswith("-b") else watched
        iot.add_thing_to_thing_group(thingGroupName=group, thingName=thing)
    message = json.dumps({**TELEMETRY, "component": f"DlrInferenceFleet.{watched}"})
    for core in ("a", "b", "left"):
        data.publish(topic=f"mli/telemetry/{watched}-{core}", payload=message)
    assert silent_cores.handler({}, None) == {"CoresSilent": 0, "CoresReporting": 2}
    for core in ("b", "left"):
        table.update_item(
            TableName=os.environ["TABLE"],
            Key={"core": {"S": f"{watched}-{core}"}},
            UpdateExpression="SET received = :then",
            ExpressionAttributeValues={":then": {"N": str(int(time.time() * 1e3) - 181_000)}},
        )
    capsys.readouterr()
    assert silent_cores.handler({}, None) == {"CoresSilent": 1, "CoresReporting": 1}
    line = json.loads(capsys.readouterr().out)
    assert (line["CoresSilent"], line["CoresReporting"]) == (1, 1)
    [directive] = line["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "MliGreengrass/test"
    assert directive["Dimensions"] == [[]]
    assert {one["Name"] for one in directive["Metrics"]} <= line.keys()
    for thing in things:
        iot.delete_thing(thingName=thing)
