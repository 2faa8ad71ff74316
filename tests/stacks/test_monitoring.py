"""Dashboard and alarms: each alone or both, of a core or a fleet."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from inference.names import SILENT_INTERVALS, TELEMETRY_SECONDS
from stacks.monitoring import telemetry_metrics
from stacks.names import StackNames
from tests.stacks.configurations import template
from tests.stacks.synthesis import all_of, context, named, only, resolved, templates_of
from tests.stacks.test_context_keys import rule_of, settings

FLEET_STACK = "DlrInferenceFleet-shop-floor"
ALARM = "AWS::CloudWatch::Alarm"


def watched(folder: Path, **values: object) -> dict[str, Any]:
    """The template of a core with these keys."""
    [found] = templates_of(folder / "cdk.out", context(folder, **values)).values()
    return found


def metrics_of(found: dict[str, Any]) -> set[str]:
    return {
        one["MetricTransformations"][0]["MetricName"]
        for one in all_of(found, "AWS::Logs::MetricFilter")
    }


def alarm(found: dict[str, Any], name: str) -> dict[str, Any]:
    [one] = [
        resource["Properties"]
        for logical, resource in found["Resources"].items()
        if resource["Type"] == ALARM and logical.startswith(f"MonitoringAlarms{name}")
    ]
    return dict(resolved(one))


def test_nothing_is_watched_unless_somebody_asks(tmp_path: Path) -> None:
    kinds = Counter(one["Type"] for one in watched(tmp_path)["Resources"].values())
    assert kinds["AWS::Logs::MetricFilter"] == 0
    assert kinds["AWS::IoT::TopicRule"] == 1


def test_dashboard_alone_has_no_alarm(tmp_path: Path) -> None:
    found = watched(tmp_path, dashboard="true")
    assert all_of(found, ALARM) == [] and all_of(found, "AWS::SNS::Topic") == []
    assert metrics_of(found) == set(telemetry_metrics.SOURCES)
    dashboard = resolved(only(found, "AWS::CloudWatch::Dashboard"))
    assert dashboard["DashboardName"] == "DlrInference-Demo-ap-southeast-2"  # they are global


def test_alarms_alone_pay_for_two_metrics(tmp_path: Path) -> None:
    found = watched(tmp_path, alarmEmail="ops@example.com")
    assert all_of(found, "AWS::CloudWatch::Dashboard") == []
    assert metrics_of(found) == {"Degraded", "Confidence"}
    subscription = only(found, "AWS::SNS::Subscription")
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", "ops@example.com")


def test_core_is_silent_after_three_intervals() -> None:
    found = alarm(template("v2-watched"), "Silence")
    assert (found["Namespace"], found["MetricName"]) == ("AWS/IoT", "TopicMatch")
    assert found["Dimensions"] == [{"Name": "RuleName", "Value": "DlrInference_Demo"}]
    assert found["Period"] * found["EvaluationPeriods"] == SILENT_INTERVALS * TELEMETRY_SECONDS
    assert found["TreatMissingData"] == "breaching"


def test_fleet_is_asked_core_by_core() -> None:
    fleet = template("v2-fleet-watched", FLEET_STACK)
    found = alarm(fleet, "Silence")
    assert (found["MetricName"], found["Threshold"]) == ("CoresSilent", 1)
    [function] = [
        one
        for one in all_of(fleet, "AWS::Lambda::Function")
        if one["Handler"] == "custom_resources.silent_cores.handler"
    ]
    variables = function["Environment"]["Variables"]
    assert variables["NAMESPACE"] == found["Namespace"]
    assert variables["SILENT_SECONDS"] == str(SILENT_INTERVALS * TELEMETRY_SECONDS)
    assert variables["THING_GROUPS"] == "shop-floor"
    minutes = int(only(fleet, "AWS::Events::Rule")["ScheduleExpression"].split()[0].strip("rate("))
    assert minutes * 60 < found["Period"]  # no period is without a value


def test_cores_of_the_canary_are_asked_too(tmp_path: Path) -> None:
    """They are in no other group, and decide about each deployment."""
    keys = {"rollout": {"canary": {}}, "dashboard": "true"}
    found = watched(tmp_path, fleetName="shop-floor", coreName=None, certificateId=None, **keys)
    assert '"THING_GROUPS": "shop-floor,shop-floor-canary"' in json.dumps(found)
    policy = named(found, "MonitoringSilentCoresPolicy")
    assert policy is not None
    statements = policy["Properties"]["PolicyDocument"]["Statement"]
    [listing] = [one for one in statements if one["Sid"] == "ListMembers"]
    assert [str(resolved(arn)).rpartition("/")[2] for arn in listing["Resource"]] == [
        "shop-floor",
        "shop-floor-canary",
    ]


def test_drift_is_what_leaves_a_learned_band() -> None:
    found = alarm(template("v2-watched"), "Drift")
    band, metric = sorted(found["Metrics"], key=lambda one: "Expression" not in one)
    assert band["Expression"] == f"ANOMALY_DETECTION_BAND({metric['Id']}, 3)"
    assert found["ThresholdMetricId"] == band["Id"]
    assert metric["MetricStat"]["Metric"]["MetricName"] == "Confidence"


def test_everyone_hears_when_an_alarm_begins_and_ends() -> None:
    alarms = [resolved(one) for one in all_of(template("v2-watched"), ALARM)]
    assert len(alarms) == 3
    assert all(one["AlarmActions"] == one["OKActions"] != [] for one in alarms)


def test_topic_is_encrypted_with_a_key_that_cloudwatch_may_use() -> None:
    found = template("v2-watched")
    assert "KmsMasterKeyId" in only(found, "AWS::SNS::Topic")
    key = only(found, "AWS::KMS::Key")
    assert key["EnableKeyRotation"]
    assert "cloudwatch.amazonaws.com" in json.dumps(key["KeyPolicy"])
    statements = only(found, "AWS::SNS::TopicPolicy")["PolicyDocument"]["Statement"]
    denied = next(one for one in statements if one["Effect"] == "Deny")
    assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_dashboard_of_a_fleet_has_a_table_of_its_cores() -> None:
    for name, stack, shown in (
        ("v2-watched", "Demo", False),
        ("v2-fleet-watched", FLEET_STACK, True),
    ):
        dashboard = only(template(name, stack), "AWS::CloudWatch::Dashboard")
        assert ("by core" in json.dumps(dashboard["DashboardBody"])) == shown


def test_every_metric_reads_a_field_that_is_logged() -> None:
    statement = telemetry_metrics.sql(StackNames.of_core("Demo"))
    for source in telemetry_metrics.SOURCES.values():
        field = source.pattern.split("$.")[1].split()[0]
        assert f" AS {field}," in statement.replace(" FROM", ",")


@pytest.mark.parametrize(
    "address",
    [
        *("", "ops", "ops@", "@example.com", "a b@example.com", "ops@example", ".a@example.com"),
        *("ops@example.com, b@example.com", "o..ps@example.com", "ops@-example.com", "ops@é.com"),
        *(7, ["ops@example.com"]),
    ],
)
def test_bad_address_is_a_fault(tmp_path: Path, address: object) -> None:
    rule = "must be one e-mail address such as ops@example.com"
    assert rule_of(tmp_path, "alarmEmail", alarmEmail=address) == rule


@pytest.mark.parametrize("address", ["ops@example.com", "a.b+greengrass@mail.example.co.uk"])
def test_address_is_taken(tmp_path: Path, address: str) -> None:
    assert settings(tmp_path, alarmEmail=address).alarm_email == address


def test_fleet_is_watched_as_long_as_it_has_cores() -> None:
    fleet = template("v2-fleet-watched", FLEET_STACK)["Resources"]
    [members] = [one for one in fleet.values() if one["Type"] == "Custom::FleetMembers"]
    watchers = {name for name in fleet if name.startswith(("Monitoring", "Actions"))}
    assert watchers and watchers <= set(members["DependsOn"])
