"""A deployed rule of AWS IoT keeps telemetry in a table, with the permissions of its role."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from local_core.cloud import LocalCloud
from local_core.cloud.iam.decisions import ALLOW, DENY, FILE, Decision, read_decisions
from stacks.names import fleet_component_name
from tests.cloud.support import Device, MqttClient, Stacks
from tests.stacks import telemetry_table
from tests.waiting import eventually

TELEMETRY: Mapping[str, Any] = {
    "schemaVersion": "1.0",
    "timestamp": "2026-11-27T10:00:00.000+00:00",
    "core": "press-1",
    "component": None,
    "intervalSeconds": 60,
    "uptimeSeconds": 7.5,
    "health": {"status": "ok", "faults": []},
    "frames": {"read": 7, "predicted": 7, "failed": 0, "perSecond": 2.5},
    "latencyMs": {"inference": {"p50": 30.1, "p95": 40.2}},
    "memoryBytes": 1000,
    "publish": {"queued": 3, "dropped": 0},
    "sources": [{"name": "static", "state": "streaming", "frames": 7}],
    "model": {"name": "m", "sha256": "0" * 64},
    "configuration": "0123456789ab",
    "versions": {"component": "1.2.3", "python": "3.11"},
}
"""What a core reports; the rule keeps only a part of it."""


def payload(**changes: Any) -> bytes:
    return json.dumps({**TELEMETRY, **changes}).encode()


class Kept:
    """The deployed rule, role and table of a core or fleet."""

    def __init__(self, cloud: LocalCloud, stacks: Stacks, stack: str) -> None:
        self.cloud, self.stacks, self.stack = cloud, stacks, stack

    def deploy(self, resources: Mapping[str, Any]) -> None:
        self.stacks.deploy(self.stack, resources, telemetry_table.output())

    @property
    def table(self) -> str:
        return self.stacks.outputs(self.stack)[telemetry_table.OUTPUT]

    def publish(self, core_name: str, content: bytes) -> None:
        data = self.cloud.client("iot-data")
        data.publish(topic=f"mli/telemetry/{core_name}", qos=1, payload=content)

    def items(self) -> dict[str, Any]:
        found = self.cloud.client("dynamodb").scan(TableName=self.table)["Items"]
        return {one["core"]["S"]: one for one in found}

    def role(self) -> str:
        resources = self.cloud.client("cloudformation").list_stack_resources(StackName=self.stack)
        [name] = [
            one["PhysicalResourceId"]
            for one in resources["StackResourceSummaries"]
            if one["ResourceType"] == "AWS::IAM::Role"
        ]
        return str(name)

    def decisions(self) -> list[Decision]:
        role = self.role()
        return [one for one in read_decisions(self.cloud.data / FILE) if role in str(one)]


@pytest.fixture
def kept(cloud: LocalCloud, stacks: Stacks, stack: str) -> Kept:
    return Kept(cloud, stacks, stack)


def test_device_s_telemetry_arrives_in_the_table(kept: Kept, device: Device) -> None:
    kept.deploy(telemetry_table.of_core(device.thing))
    device.allow("iot:*", "*")
    with MqttClient(device) as client:
        eventually(lambda: client.connected)
        client.publish(f"mli/telemetry/{device.thing}", payload()).wait_for_publish(5)
    item = eventually(kept.items)[device.thing]
    assert item["timestamp"] == {"S": TELEMETRY["timestamp"]}
    assert item["perSecond"] == {"N": "2.5"}
    assert item["version"] == {"S": "1.2.3"}
    assert int(item["received"]["N"]) > 1_700_000_000_000
    assert "uptimeSeconds" not in item
    assert [one.decision for one in kept.decisions()] == [ALLOW, ALLOW]
    assert kept.decisions()[1].statement == "Table[KeepTelemetry]"


def test_rule_of_a_core_ignores_every_other_core(kept: Kept) -> None:
    kept.deploy(telemetry_table.of_core("press-1"))
    for core in ("press-10", "press-1"):
        kept.publish(core, payload())
    assert list(kept.items()) == ["press-1"]


def test_rule_of_a_fleet_takes_the_telemetry_of_its_component(kept: Kept) -> None:
    kept.deploy(telemetry_table.of_fleet("hall"))
    own = fleet_component_name("hall")
    kept.publish("of-another", payload(component=fleet_component_name("hall-2")))
    kept.publish("of-none", payload())
    kept.publish("press-1", payload(component=own))
    kept.publish("press-1", payload(component=own, configuration="newer"))
    kept.publish("press-2", payload(component=own, model={}))
    found = kept.items()
    assert sorted(found) == ["press-1", "press-2"]
    assert found["press-1"]["configuration"] == {"S": "newer"}
    assert "model" not in found["press-2"]


def test_rule_that_was_replaced_follows_its_new_statement(kept: Kept) -> None:
    """Its topic, what it selects, and its condition: the cloud keeps the parts of statements."""
    kept.deploy(telemetry_table.of_core("press-1"))
    kept.publish("press-1", payload())
    iot = kept.cloud.client("iot")
    rule = iot.get_topic_rule(ruleName="DlrInference_press_1")["rule"]
    sql = "SELECT core, uptimeSeconds FROM 'mli/telemetry/press-2' WHERE memoryBytes > 1000"
    kept_parts = {key: rule[key] for key in ("actions", "awsIotSqlVersion", "ruleDisabled")}
    iot.replace_topic_rule(
        ruleName="DlrInference_press_1", topicRulePayload={**kept_parts, "sql": sql}
    )
    kept.publish("press-1", payload(configuration="newer"))
    kept.publish("press-2", payload(core="press-2"))
    kept.publish("press-2", payload(core="press-3", memoryBytes=1001))
    found = kept.items()
    assert sorted(found) == ["press-1", "press-3"]
    assert found["press-1"]["configuration"] == {"S": TELEMETRY["configuration"]}
    assert found["press-3"] == {"core": {"S": "press-3"}, "uptimeSeconds": {"N": "7.5"}}


def test_message_that_no_rule_can_read_does_not_fail_its_sender(kept: Kept) -> None:
    kept.deploy(telemetry_table.of_core("press-1"))
    kept.publish("press-1", b"[" * 100_000)
    assert kept.items()["press-1"].keys() == {"core", "received"}


def _without_policy(kept: Kept) -> None:
    iam = kept.cloud.client("iam")
    iam.delete_role_policy(RoleName=kept.role(), PolicyName="Table")


def _for_another_rule(kept: Kept) -> None:
    iam, role = kept.cloud.client("iam"), kept.role()
    document = iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]
    text = json.dumps(document).replace("rule/DlrInference_press_1", "rule/DlrInference_press_2")
    iam.update_assume_role_policy(RoleName=role, PolicyDocument=text)


@pytest.mark.parametrize("change", [_without_policy, _for_another_rule])
def test_rule_may_do_no_more_than_its_role(kept: Kept, change: Callable[[Kept], None]) -> None:
    kept.deploy(telemetry_table.of_core("press-1"))
    change(kept)
    kept.publish("press-1", payload())
    assert kept.items() == {}
    assert kept.decisions()[-1].decision == DENY
