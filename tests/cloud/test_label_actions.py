"""Deployed rules for labels send what they should to real targets, with their own roles."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from inference.pipeline.results import EnvelopeEncoder, FrameResult
from inference.vision.postprocess import Prediction
from local_core.cloud import LocalCloud, location
from local_core.cloud.iam.decisions import ALLOW, DENY, FILE, Decision, read_decisions
from tests.cloud.support import Device, MqttClient, Stacks
from tests.stacks.synthesis import CERTIFICATE_ID, templates_of
from tests.waiting import eventually

KIT = "n02966687 carpenter's kit, tool kit"
HOSTILE = "' OR 1=1 OR label = '${topic()}\\"
CLAUSES = "lid FROM 'mli/#' WHERE (SELECT"
_MODEL = {"modelS3Uri": "s3://bucket/models/model.tar.gz", "messageFormat": "envelope"}


def arn(service: str, name: str) -> str:
    return f"arn:aws:{service}:us-east-1:{location.ACCOUNT}:{name}"


def action(name: str, target: str, **further: Any) -> dict[str, Any]:
    return {"name": name, "target": target, **further}


def resources(folder: Path, actions: list[dict[str, Any]], **context: str) -> Mapping[str, Any]:
    """The resources of actions, as the app makes them."""
    owner = context or {"coreName": "press-1", "certificateId": CERTIFICATE_ID}
    [template] = templates_of(folder / "cdk.out", {**_MODEL, **owner, "actions": actions}).values()
    return {k: v for k, v in template["Resources"].items() if k.startswith("Actions")}


def envelope(*found: tuple[str, float], core: str = "press-1", fleet: str = "") -> bytes:
    """What a core publishes, by its own encoder."""
    encode = EnvelopeEncoder(
        core_name=core,
        model_name="m",
        model_sha256="0" * 64,
        configuration="0123456789ab",
        component=f"DlrInferenceFleet.{fleet}" if fleet else f"DlrInference.{core}",
    )
    result = FrameResult(
        frame_id=7,
        source="static",
        width=640,
        height=480,
        captured_at=1_764_000_000.0,
        predictions=[Prediction(label, score, box=(0.1, 0.2, 0.3, 0.4)) for label, score in found],
        latency_ms={"inference": 30.0},
        scores=lambda: pytest.fail("nobody asked"),
    )
    return encode(result).payload


class Queue:
    """A queue of the local cloud, and what arrives in it."""

    def __init__(self, cloud: LocalCloud, name: str) -> None:
        self._sqs = cloud.client("sqs")
        self._url = self._sqs.create_queue(QueueName=name)["QueueUrl"]
        self.arn = arn("sqs", name)
        statement = {
            "Effect": "Allow",
            "Action": "sqs:SendMessage",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Resource": self.arn,
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self._sqs.set_queue_attributes(QueueUrl=self._url, Attributes={"Policy": policy})

    def messages(self) -> list[Any]:
        found = self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10)
        return [json.loads(one["Body"]) for one in found.get("Messages", [])]


@pytest.fixture
def queue(cloud: LocalCloud, stack: str) -> Queue:
    return Queue(cloud, stack)


def publish(cloud: LocalCloud, content: bytes, core: str = "press-1") -> None:
    cloud.client("iot-data").publish(topic=f"mli/predictions/{core}", qos=1, payload=content)


def errors(cloud: LocalCloud, stack: str) -> list[Any]:
    """What the error action logged."""
    listed = cloud.client("cloudformation").list_stack_resources(StackName=stack)
    [group] = [
        one["PhysicalResourceId"]
        for one in listed["StackResourceSummaries"]
        if one["ResourceType"] == "AWS::Logs::LogGroup"
    ]
    events = cloud.client("logs").filter_log_events(logGroupName=group)["events"]
    return [json.loads(one["message"]) for one in events]


def decisions(cloud: LocalCloud, name: str) -> list[Decision]:
    return [one for one in read_decisions(cloud.data / FILE) if name in one.resource]


def test_device_s_prediction_of_the_label_arrives_in_the_queue(
    cloud: LocalCloud, stacks: Stacks, stack: str, queue: Queue, device: Device, tmp_path: Path
) -> None:
    made = [action("seen", queue.arn, label="cup", minScore=0.8)]
    core = {"coreName": device.thing, "certificateId": CERTIFICATE_ID}
    stacks.deploy(stack, resources(tmp_path, made, **core))
    device.allow("iot:*", "*")
    with MqttClient(device) as client:
        eventually(lambda: client.connected)
        for found in (
            [("cat", 0.9), ("cup", 0.79)],
            [],
            [("cup", 0.91), ("cat", 0.9), ("cup", 0.85)],
        ):
            payload = envelope(*found, core=device.thing)
            client.publish(f"mli/predictions/{device.thing}", payload).wait_for_publish(5)
    [message] = eventually(queue.messages)
    assert message["core"] == device.thing and message["action"] == "seen"
    assert [one["score"] for one in message["matches"]] == [0.91, 0.85]
    assert message["matches"][0]["box"] == [0.1, 0.2, 0.3, 0.4]
    assert message["frame"]["id"] == 7
    assert message["timestamp"] == "2025-11-24T16:00:00.000Z"
    assert queue.messages() == []
    assert {one.decision for one in decisions(cloud, stack)} == {ALLOW}


@pytest.mark.parametrize("label", [KIT, HOSTILE, CLAUSES, "+ chr(39) +", "日本 (cup)"])
def test_a_label_is_only_ever_a_text(
    cloud: LocalCloud, stacks: Stacks, stack: str, queue: Queue, label: str, tmp_path: Path
) -> None:
    stacks.deploy(stack, resources(tmp_path, [action("seen", queue.arn, label=[label, "mug"])]))
    publish(cloud, envelope(("cup", 0.99), ("mu", 0.9)))
    publish(cloud, envelope(("cup", 0.99), (label, 0.1)))
    [message] = eventually(queue.messages)
    assert [one["label"] for one in message["matches"]] == [label]
    publish(cloud, envelope(("mug", 0.99)))
    assert [one["label"] for one in eventually(queue.messages)[0]["matches"]] == ["mug"]


def test_rule_of_a_fleet_takes_the_predictions_of_its_component(
    cloud: LocalCloud, stacks: Stacks, stack: str, queue: Queue, tmp_path: Path
) -> None:
    made = [action("seen", queue.arn, minScore=0.5)]
    stacks.deploy(stack, resources(tmp_path, made, fleetName="hall"))
    publish(cloud, envelope(("cup", 0.9), core="of-another", fleet="hall-2"), "of-another")
    publish(cloud, envelope(("cup", 0.9), core="alone"), "alone")
    publish(cloud, envelope(("cup", 0.4), core="press-2", fleet="hall"), "press-2")
    publish(cloud, envelope(("cup", 0.5), core="press-2", fleet="hall"), "press-2")
    assert [one["core"] for one in eventually(queue.messages)] == ["press-2"]


def test_topic_and_function_get_predictions_too(
    cloud: LocalCloud, stacks: Stacks, stack: str, queue: Queue, tmp_path: Path
) -> None:
    sns = cloud.client("sns")
    topic = sns.create_topic(Name=stack)["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue.arn)
    function = _function(cloud, stack)
    made = [action("told", topic, label="cup"), action("invoked", function, label="cat")]
    stacks.deploy(stack, resources(tmp_path, made))
    publish(cloud, envelope(("cup", 0.9)))
    [message] = eventually(queue.messages)
    assert json.loads(message["Message"])["action"] == "told"
    publish(cloud, envelope(("cat", 0.9)))
    lines = eventually(lambda: _lines(cloud, stack))
    assert '"action": "invoked"' in lines[0]
    assert errors(cloud, stack) == []


def test_what_a_rule_may_not_do_is_logged_with_the_message(
    cloud: LocalCloud, stacks: Stacks, stack: str, queue: Queue, tmp_path: Path
) -> None:
    function = _function(cloud, stack)
    made = [action("seen", queue.arn), action("invoked", function)]
    stacks.deploy(stack, resources(tmp_path, made))
    _take_permissions(cloud, stack, function)
    publish(cloud, envelope(("cup", 0.9)))
    eventually(lambda: len(errors(cloud, stack)) == 2)
    found = errors(cloud, stack)
    failed = {one["failures"][0]["failedAction"]: one["failures"][0] for one in found}
    assert failed.keys() == {"SqsAction", "LambdaAction"}
    assert "sqs:SendMessage" in failed["SqsAction"]["errorMessage"]
    assert "may not invoke" in failed["LambdaAction"]["errorMessage"]
    assert queue.messages() == []
    assert DENY in {one.decision for one in decisions(cloud, stack)}


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM 'a' WHERE EXISTS (SELECT * FROM b)",
        "SELECT * FROM 'a' WHERE get((SELECT c FROM b WHERE d LIKE), 0).c > 1",
    ],
)
def test_statement_that_aws_refuses_is_refused(cloud: LocalCloud, sql: str) -> None:
    payload = {"sql": sql, "actions": [{"republish": {"topic": "x", "roleArn": "arn:x"}}]}
    iot = cloud.client("iot")
    with pytest.raises(iot.exceptions.ClientError, match="SqlParse"):
        iot.create_topic_rule(ruleName="refused", topicRulePayload=payload)


def _take_permissions(cloud: LocalCloud, stack: str, function: str) -> None:
    iam = cloud.client("iam")
    listed = cloud.client("cloudformation").list_stack_resources(StackName=stack)
    for one in listed["StackResourceSummaries"]:
        if one["LogicalResourceId"].startswith("ActionsseenRole"):
            iam.delete_role_policy(RoleName=one["PhysicalResourceId"], PolicyName="Target")
    functions = cloud.client("lambda")
    policy = json.loads(functions.get_policy(FunctionName=function)["Policy"])
    for statement in policy["Statement"]:
        functions.remove_permission(FunctionName=function, StatementId=statement["Sid"])


def _function(cloud: LocalCloud, name: str) -> str:
    """A function that prints its event."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("code.py", "import json\ndef run(event, _): print(json.dumps(event))\n")
    role = cloud.client("iam").create_role(
        RoleName=name,
        AssumeRolePolicyDocument=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Action": "sts:AssumeRole",
                        "Principal": {"Service": "lambda.amazonaws.com"},
                    }
                ],
            }
        ),
    )["Role"]["Arn"]
    cloud.client("iam").put_role_policy(
        RoleName=name,
        PolicyName="Logs",
        PolicyDocument=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [{"Effect": "Allow", "Action": "logs:*", "Resource": "*"}],
            }
        ),
    )
    made = cloud.client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.12",
        Role=role,
        Handler="code.run",
        Code={"ZipFile": content.getvalue()},
    )
    return str(made["FunctionArn"])


def _lines(cloud: LocalCloud, function: str) -> list[str]:
    logs = cloud.client("logs")
    try:
        events = logs.filter_log_events(logGroupName=f"/aws/lambda/{function}")["events"]
    except logs.exceptions.ResourceNotFoundException:
        return []
    return [one["message"] for one in events if "action" in one["message"]]
