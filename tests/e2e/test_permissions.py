"""What is allowed is what is needed: a core uses each statement, and fails without any of them.

The run is decided by the local cloud, and so is each call here, by the policies as deployed.
"""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import boto3
import pytest
from botocore.exceptions import ClientError

from local_core.cloud.iam.decisions import ALLOW, DENY, FILE, UNCHECKED, Decision, read_decisions
from local_core.device.credentials import CoreCredentials
from local_core.device.mqtt import tls_context
from local_core.device.v2.configuration import read_configuration
from local_core.device.v2.thing_groups import targets_of
from local_core.run.shared_cloud import DEPLOYER_POLICY
from tests.cloud.support import Device, MqttClient, StackError, is_published
from tests.e2e.rig import Rig
from tests.stacks.permissions import rows
from tests.waiting import eventually

GENERATION = 2
CORE = "E2E-Permissions"
INSTALLED = True
pytestmark = [pytest.mark.e2e, pytest.mark.slow]

Statement = dict[str, Any]

NOT_IN_A_LIFE: Mapping[tuple[str, str], str] = {
    ("FeedbackBucketPolicy", "s3:*"): "denies; tests/cloud/test_iam.py has requests without TLS",
    ("StoreBucketPolicy", "s3:*"): "the same",
    ("KeptPolicy", "greengrass:GetDeployment"): "for the second deployment",
    ("CustomResourcesRollback", "cloudformation:DescribeStacks"): "for one that is refused",
    ("TokenExchangeRole", "logs:CreateLogGroup"): "for components that send logs, such as AWS's",
    ("TokenExchangeRole", "logs:CreateLogStream"): "log manager, which is not deployed",
    ("TokenExchangeRole", "logs:DescribeLogStreams"): "",
    ("TokenExchangeRole", "logs:PutLogEvents"): "",
}
"""Rows of the table that are not used here, by holder and action, with the reason."""

SHARING_A_STATEMENT = ("GetComponentVersionArtifact", "GetDeploymentConfiguration")
"""Actions that share a statement, and that only AWS's own components or large deployments need."""


def decisions(rig: Rig) -> list[Decision]:
    return list(read_decisions(rig.shared.cloud.data / FILE))


class Stack:
    """The deployed stack: its holders of permissions, by the names of docs/permissions.md."""

    def __init__(self, rig: Rig, life: list[Decision]) -> None:
        self.rig = rig
        self.life = life
        """What was decided while only the core and its deployer acted."""
        listed = rig.client("cloudformation").get_paginator("list_stack_resources")
        described = rig.client("cloudformation").describe_stacks(StackName=rig.prepared.stack)
        self.id = str(described["Stacks"][0]["StackId"])
        self._logical: dict[str, str] = {}
        self._physical: dict[str, str] = {}
        for page in listed.paginate(StackName=rig.prepared.stack):
            for one in page["StackResourceSummaries"]:
                logical, physical = one["LogicalResourceId"], one["PhysicalResourceId"]
                self._logical[physical] = self._logical[logical] = logical[:-8]
                self._physical[logical[:-8]] = physical

    def physical(self, who: str) -> str:
        return self._physical[who]

    def holder(self, decision: Decision) -> str | None:
        """Return who of the table a decision is about; None if it is not of this stack."""
        kind, _, name = decision.principal.split(":")[-1].partition("/")
        policy = decision.statement.partition("[")[0]
        if kind == "cert":
            return self._logical.get(policy) if name == self.rig.prepared.certificate.id else None
        if decision.principal.endswith(".amazonaws.com"):
            return self._logical.get(decision.resource.rpartition("/")[2])
        role = self._logical.get(name.partition("/")[0])
        return None if role is None else self._logical.get(policy, role)


@pytest.fixture(scope="module")
def stack(module_rig: Rig) -> Stack:
    """The stack of a core that has run, so that samples were written; it is stopped then."""
    before = len(decisions(module_rig))  # of other modules, whose stacks were in the same cloud
    module_rig.ensure_running()
    module_rig.next_predictions(8)
    eventually(lambda: module_rig.shared.samples(module_rig.outputs["FeedbackBucket"]))
    module_rig.stop()
    return Stack(module_rig, decisions(module_rig)[before:])


def test_nothing_was_refused_to_the_core_or_its_deployer(stack: Stack) -> None:
    ours = (CORE, "cdk-hnb659fds", stack.rig.prepared.certificate.id)
    refused = [one for one in stack.life if one.decision in (DENY, UNCHECKED)]
    assert [one for one in refused if any(name in one.principal for name in ours)] == []


def without(statements: list[Statement], position: int) -> str:
    kept = [one for number, one in enumerate(statements) if number != position]
    never = {"Effect": "Deny", "Action": "none:None", "Resource": "*"}  # a policy needs a statement
    return json.dumps({"Version": "2012-10-17", "Statement": kept or [never]})


class RolePolicy:
    """An inline policy of a role, from which single statements can be removed."""

    def __init__(self, rig: Rig, role: str) -> None:
        self._iam = rig.client("iam")
        self._role = role

    def named(self, beginning: str) -> tuple[str, list[Statement]]:
        names = self._iam.list_role_policies(RoleName=self._role)["PolicyNames"]
        [name] = [name for name in names if name.startswith(beginning)]
        found = self._iam.get_role_policy(RoleName=self._role, PolicyName=name)
        return name, found["PolicyDocument"]["Statement"]

    @contextmanager
    def lacking(self, beginning: str, position: int) -> Iterator[None]:
        name, statements = self.named(beginning)
        whole = json.dumps({"Version": "2012-10-17", "Statement": statements})
        self._put(name, without(statements, position))
        try:
            yield
        finally:
            self._put(name, whole)

    def _put(self, name: str, document: str) -> None:
        self._iam.put_role_policy(RoleName=self._role, PolicyName=name, PolicyDocument=document)


# The token exchange role.

CoreCall = Callable[[Rig, Callable[[str], Any]], object]


def _store(rig: Rig) -> str:
    """Return the bucket of the artifacts."""
    found = rig.client("cloudformation").describe_stack_resources(StackName=rig.prepared.stack)
    [bucket] = [
        one["PhysicalResourceId"]
        for one in found["StackResources"]
        if one["LogicalResourceId"][:-8] == "StoreBucket"
    ]
    return str(bucket)


def _key(rig: Rig) -> str:
    return rig.shared.samples(_store(rig))[0]


CALLS_OF_A_CORE: Mapping[str, CoreCall] = {
    "FindArtifacts": lambda rig, client: client("s3").get_bucket_location(Bucket=_store(rig)),
    "ReadArtifacts": lambda rig, client: client("s3").head_object(
        Bucket=_store(rig), Key=_key(rig)
    ),
    "WriteLogs": lambda rig, client: client("logs").describe_log_streams(
        logGroupName="/aws/greengrass/any"
    ),
    "WriteSamples": lambda rig, client: client("s3").put_object(
        Bucket=rig.outputs["FeedbackBucket"], Key="entropy/a.jpg", Body=b""
    ),
}
"""By the Sid of a statement of the token exchange role, a call of a core that it is for."""


def core_client(rig: Rig, service: str) -> Any:
    """Return a client with the credentials that the core's certificate gets."""
    given = core_credentials(rig).get()
    return boto3.client(
        service,
        endpoint_url=rig.shared.cloud.endpoint,
        region_name="us-east-1",
        aws_access_key_id=given.access_key_id,
        aws_secret_access_key=given.secret_access_key,
        aws_session_token=given.session_token,
    )


def core_credentials(rig: Rig) -> CoreCredentials:
    files = rig.prepared.certificate
    configuration = read_configuration(rig.prepared.root / "config.yaml")
    assert configuration.credential_provider is not None
    return CoreCredentials(
        configuration.credential_provider, configuration.role_alias, rig.thing, tls_context(files)
    )


def is_refused(call: Callable[[], object]) -> bool:
    """Return whether IAM refuses; another fault, such as a missing log group, is none here."""
    try:
        call()
    except ClientError as error:
        return error.response["Error"]["Code"] in ("AccessDenied", "AccessDeniedException", "403")
    return False


@pytest.mark.parametrize("sid", CALLS_OF_A_CORE)
def test_core_cannot_do_without_a_statement_of_its_role(stack: Stack, sid: str) -> None:
    rig = stack.rig
    policy = RolePolicy(rig, stack.physical("TokenExchangeRole"))
    _, statements = policy.named("")
    sids = [one["Sid"] for one in statements]
    assert set(sids) == CALLS_OF_A_CORE.keys()

    def call() -> object:
        return CALLS_OF_A_CORE[sid](rig, lambda service: core_client(rig, service))

    assert not is_refused(call)
    with policy.lacking("", sids.index(sid)):
        assert is_refused(call)


# The role of the custom resources.


def _model_not_copied(rig: Rig) -> Mapping[str, Any]:
    """Return properties by which the core's model is copied, which has no copy now."""
    store, model = _store(rig), rig.context["modelS3Uri"].removeprefix("s3://")
    for key in rig.shared.samples(store):
        if key.endswith(model.rpartition("/")[2]):
            rig.client("s3").delete_object(Bucket=store, Key=key)
    return {
        "Bucket": store,
        "Prefix": f"DlrInference.{CORE}",
        "ContentDigest": "0",
        "Assets": [],
        "Model": model,
    }


def _lost_component(rig: Rig) -> Mapping[str, Any]:
    """Return properties by which the core would lose its component."""
    return {"TargetArn": rig.outputs["DeploymentTarget"], "Components": [], "MayDrop": "false"}


EVENTS: Mapping[str, tuple[str, Callable[[Rig], Mapping[str, Any]]]] = {
    "InferenceCopiesPolicy": ("Custom::ArtifactCopies", _model_not_copied),
    "KeptPolicy": ("Custom::KeptComponents", _lost_component),
    "CustomResourcesRollback": ("Custom::KeptComponents", _lost_component),
    "EndpointsPolicy": ("Custom::IotEndpoints", lambda rig: {}),
    "GroupPolicy": (
        "Custom::ThingGroupMembership",
        lambda rig: {"ThingName": rig.thing, "ThingGroupName": f"{CORE}_Group"},
    ),
    "InferenceRevisionPolicy": (
        "Custom::ComponentRevision",
        lambda rig: {
            "ComponentArn": "arn:aws:greengrass:us-east-1:000000000000:"
            f"components:DlrInference.{CORE}",
            "ContentVersion": "1.0",
        },
    ),
}
"""By policy of the custom resources' role, a resource type and its properties."""


class Answers(http.server.BaseHTTPRequestHandler):
    """Takes the answers of custom resources."""

    said: ClassVar[list[Mapping[str, Any]]] = []

    def do_PUT(self) -> None:
        self.said.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        pass


_SIDS: Mapping[str, Sequence[str]] = {
    "InferenceCopiesPolicy": ("ReadSources", "ListCopies", "WriteCopies"),
    "KeptPolicy": ("ListDeployments", "ReadDeployment", "ReadJobOfDeployment"),
}
"""The statements of policies that have several."""

_WITHOUT_READING = "does not exist, or this stack may not read it"
"""S3 answers HEAD without saying what is not allowed."""


def put_custom_resource(stack: Stack, kind: str, properties: Mapping[str, Any]) -> str:
    """Return the reason why a custom resource fails; empty if it does not."""
    with http.server.HTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        event = {
            "RequestType": "Create",
            "ResponseURL": f"http://127.0.0.1:{server.server_port}/",
            "StackId": stack.id,
            "RequestId": "request",
            "LogicalResourceId": "Resource",
            "ResourceType": kind,
            "ResourceProperties": dict(properties),
        }
        before = len(Answers.said)
        stack.rig.client("lambda").invoke(
            FunctionName=stack.physical("CustomResourcesFunction"), Payload=json.dumps(event)
        )
        eventually(lambda: len(Answers.said) > before)
    answer = Answers.said[-1]
    return "" if answer["Status"] == "SUCCESS" else str(answer["Reason"])


@pytest.mark.parametrize(
    ("who", "position"), [(who, n) for who in EVENTS for n in range(len(_SIDS.get(who, ("only",))))]
)
def test_custom_resource_fails_without_a_statement_of_its_policy(
    stack: Stack, who: str, position: int
) -> None:
    kind, properties = EVENTS[who]
    policy = RolePolicy(stack.rig, stack.physical("CustomResourcesRole"))
    _, statements = policy.named(who)
    sids = [one["Sid"] for one in statements]
    assert sids == list(_SIDS.get(who, sids[:1]))
    actions = statements[position]["Action"]
    refusals = [
        f"is not authorized to perform: {action} on resource: "
        for action in ([actions] if isinstance(actions, str) else actions)
    ]
    refusals += [_WITHOUT_READING] if sids[position] == "ReadSources" else []

    def is_refused_now() -> bool:
        reason = put_custom_resource(stack, kind, properties(stack.rig))
        return any(refusal in reason for refusal in refusals)

    assert not is_refused_now()
    with policy.lacking(who, position):
        assert is_refused_now()


def test_function_writes_no_log_without_its_policy(stack: Stack) -> None:
    logs, group = stack.rig.client("logs"), stack.physical("CustomResourcesLogs")

    def streams() -> int:
        put_custom_resource(stack, "Custom::IotEndpoints", {})
        return len(logs.describe_log_streams(logGroupName=group)["logStreams"])

    before = streams()
    eventually(lambda: streams() > before)
    policy = RolePolicy(stack.rig, stack.physical("CustomResourcesRole"))
    with policy.lacking("CustomResourcesRoleDefaultPolicy", 0):
        assert streams() == streams()


# The policies of the certificate.


def device_of(rig: Rig) -> Device:
    files = rig.prepared.certificate
    return Device(rig.shared.cloud, rig.thing, files.arn, files.certificate, files.private_key)


def can_connect(rig: Rig) -> bool:
    with MqttClient(device_of(rig)) as client:
        eventually(lambda: client.connected or client.failed)
        return client.connected[:1] == ["Success"]


def can_publish(topic: Callable[[Rig], str]) -> Callable[[Rig], bool]:
    def publish(rig: Rig) -> bool:
        with MqttClient(device_of(rig)) as client:
            eventually(lambda: client.connected)
            message = client.publish(topic(rig), b"{}")
            eventually(lambda: is_published(message) or client.failed)
            return is_published(message)

    return publish


def can_subscribe(rig: Rig) -> bool:
    with MqttClient(device_of(rig)) as client:
        eventually(lambda: client.connected)
        client.subscribe(f"$aws/things/{rig.thing}/jobs/notify")
        eventually(lambda: client.granted or client.failed)
        return client.granted[:1] == ["Granted QoS 1"]


def can_get_credentials(rig: Rig) -> bool:
    return succeeds(core_credentials(rig).get)


def can_ask_greengrass(rig: Rig) -> bool:
    configuration = read_configuration(rig.prepared.root / "config.yaml")
    assert configuration.credential_provider is not None
    tls = tls_context(rig.prepared.certificate)
    address = configuration.credential_provider
    return succeeds(lambda: targets_of(address, rig.thing, tls))


def succeeds(call: Callable[[], object]) -> bool:
    try:
        call()
    except OSError:
        return False
    return True


ABILITIES: Mapping[tuple[str, str], Callable[[Rig], bool]] = {
    ("CoreCorePolicy", "iot:Connect"): can_connect,
    ("CoreCorePolicy", "iot:Publish"): can_publish(lambda rig: f"$aws/things/{rig.thing}/jobs/get"),
    ("CoreCorePolicy", "iot:Subscribe"): can_subscribe,
    ("CoreCorePolicy", "iot:AssumeRoleWithCertificate"): can_get_credentials,
    ("CoreCorePolicy", "greengrass:GetComponentVersionArtifact"): can_ask_greengrass,
    ("CorePublishPolicy", "iot:Publish"): can_publish(lambda rig: rig.prediction_topic),
}
"""By policy and first action of each statement, what a core can do with it."""


@pytest.mark.parametrize(("who", "action"), ABILITIES)
def test_core_cannot_do_without_a_statement_of_its_certificate(
    stack: Stack, who: str, action: str
) -> None:
    iot, name = stack.rig.client("iot"), stack.physical(who)
    found = iot.get_policy(policyName=name)
    statements = json.loads(found["policyDocument"])["Statement"]
    first = [
        one["Action"] if isinstance(one["Action"], str) else one["Action"][0] for one in statements
    ]
    assert set(first) == {action for holder, action in ABILITIES if holder == who}
    can = ABILITIES[who, action]
    assert can(stack.rig)
    made = iot.create_policy_version(
        policyName=name,
        policyDocument=without(statements, first.index(action)),
        setAsDefault=True,
    )
    try:
        assert not can(stack.rig)
    finally:
        iot.set_default_policy_version(policyName=name, policyVersionId=found["defaultVersionId"])
        iot.delete_policy_version(policyName=name, policyVersionId=made["policyVersionId"])


# The deployer.


def test_deployment_fails_without_the_deployers_permission(stack: Stack) -> None:
    iam = stack.rig.client("iam")
    arn = "arn:aws:iam::000000000000:policy/MliDeployer"
    whole = json.loads(DEPLOYER_POLICY.read_text(encoding="utf-8"))
    sids = [one["Sid"] for one in whole["Statement"]]
    lacking = without(whole["Statement"], sids.index("NewDeployments"))
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=lacking, SetAsDefault=True)
    try:
        with pytest.raises(StackError, match="greengrass:CreateDeployment on resource: \\*"):
            stack.rig.deploy(inferenceInterval="0.3")
    finally:
        restored = json.dumps(whole)
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=restored, SetAsDefault=True)


def test_a_life_of_a_core_uses_what_the_table_of_permissions_lists(stack: Stack) -> None:
    before = len(decisions(stack.rig))
    stack.rig.destroy()
    end = decisions(stack.rig)[before:]
    assert [one for one in end if one.decision != ALLOW] == []

    table = {
        (who, action.strip("`"))
        for who, actions, _, _ in rows("v2", "Demo")
        for action in actions.removeprefix("deny ").split("<br>")
    }
    allowed = [one for one in (*stack.life, *end) if one.decision == ALLOW]
    used = {(stack.holder(one), one.action) for one in allowed if stack.holder(one)}
    assert used <= table
    unused = {row for row in table - used if row[1].split(":")[1] not in SHARING_A_STATEMENT}
    assert unused == NOT_IN_A_LIFE.keys()
