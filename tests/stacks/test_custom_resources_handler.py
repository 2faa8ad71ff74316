"""The function behind the custom resources: what it asks AWS, and answers CloudFormation."""

import json
import re
import threading
from collections.abc import Iterator
from datetime import datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from custom_resources.handler import handler

ARN = "arn:aws:greengrass:eu-west-1:123456789012:components:DlrInference.Demo"


class Stubs:
    """Answers of the services, each checked against the service's model."""

    def __init__(self) -> None:
        self.cloudformation = Stubber(_client("cloudformation"))
        self.iot = Stubber(_client("iot"))
        self.greengrassv2 = Stubber(_client("greengrassv2"))
        self.s3 = Stubber(_client("s3"))
        self.ssm = Stubber(_client("ssm"))


def _client(service: str) -> Any:
    return boto3.client(
        service, region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b"
    )


@pytest.fixture
def stubs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubs]:
    made = Stubs()
    monkeypatch.setattr(boto3, "client", lambda service: getattr(made, service).client)
    with made.cloudformation, made.iot, made.greengrassv2, made.s3, made.ssm:
        yield made
        made.cloudformation.assert_no_pending_responses()
        made.iot.assert_no_pending_responses()
        made.greengrassv2.assert_no_pending_responses()
        made.s3.assert_no_pending_responses()
        made.ssm.assert_no_pending_responses()


class Answers(HTTPServer):
    """CloudFormation's side: takes what is put, after ``failures`` refusals."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Put)
        self.received: list[dict[str, Any]] = []
        self.content_types: list[str | None] = []
        self.failures = 0


class _Put(BaseHTTPRequestHandler):
    server: Answers

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.failures:
            self.server.failures -= 1
            self.send_error(503)
            return
        self.server.received.append(json.loads(body))
        self.server.content_types.append(self.headers["Content-Type"])
        self.send_response(200)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def cloudformation() -> Iterator[Answers]:
    server = Answers()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def event(cloudformation: Answers, kind: str, request: str = "Create", **more: Any) -> Any:
    return {
        "RequestType": request,
        "ResourceType": f"Custom::{kind}",
        "ResponseURL": f"http://127.0.0.1:{cloudformation.server_port}/answer",
        "StackId": "stack",
        "RequestId": "request",
        "LogicalResourceId": "Resource",
        "ResourceProperties": {"ComponentArn": ARN, "ContentVersion": "12.345"},
        **more,
    }


def versions(*numbers: str) -> dict[str, Any]:
    return {"componentVersions": [{"componentVersion": number} for number in numbers]}


def test_endpoints_are_the_account_s_own(stubs: Stubs, cloudformation: Answers) -> None:
    for kind, address in (("iot:Data-ATS", "a-ats.iot"), ("iot:CredentialProvider", "c.cred")):
        stubs.iot.add_response(
            "describe_endpoint", {"endpointAddress": address}, {"endpointType": kind}
        )
    handler(event(cloudformation, "IotEndpoints"), None)
    assert cloudformation.received == [
        {
            "Status": "SUCCESS",
            "Reason": "",
            "PhysicalResourceId": "iot-endpoints",
            "StackId": "stack",
            "RequestId": "request",
            "LogicalResourceId": "Resource",
            "Data": {"Data": "a-ats.iot", "Credentials": "c.cred"},
        }
    ]
    assert cloudformation.content_types == [""]


@pytest.mark.parametrize(
    ("existing", "revision"),
    [
        ((), "0"),
        (("99.1.7",), "0"),
        (("12.345.0",), "1"),
        (("12.345.9", "12.345.10", "12.345.2"), "11"),
        (("12.3456.8", "112.345.8"), "0"),
    ],
)
def test_revision_is_the_first_that_is_free_after_the_last(
    stubs: Stubs, cloudformation: Answers, existing: tuple[str, ...], revision: str
) -> None:
    stubs.greengrassv2.add_response("list_component_versions", versions(*existing), {"arn": ARN})
    handler(event(cloudformation, "ComponentRevision"), None)
    (answer,) = cloudformation.received
    assert answer["Data"] == {"Revision": revision}
    assert answer["PhysicalResourceId"] == f"{ARN}:12.345"


def test_image_is_the_one_that_the_public_parameter_names(
    stubs: Stubs, cloudformation: Answers
) -> None:
    name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
    stubs.ssm.add_response(
        "get_parameter", {"Parameter": {"Name": name, "Value": "ami-1"}}, {"Name": name}
    )
    wanted = event(cloudformation, "SimulatorImage", ResourceProperties={"Parameter": name})
    handler(wanted, None)
    (answer,) = cloudformation.received
    assert answer["Data"] == {"ImageId": "ami-1"}
    assert answer["PhysicalResourceId"] == name


def test_every_page_of_versions_is_read(stubs: Stubs, cloudformation: Answers) -> None:
    first = {**versions("12.345.3"), "nextToken": "more"}
    stubs.greengrassv2.add_response("list_component_versions", first, {"arn": ARN})
    stubs.greengrassv2.add_response(
        "list_component_versions", versions("12.345.4"), {"arn": ARN, "nextToken": "more"}
    )
    handler(event(cloudformation, "ComponentRevision"), None)
    assert cloudformation.received[0]["Data"] == {"Revision": "5"}


def test_component_that_does_not_exist_yet_has_no_versions(
    stubs: Stubs, cloudformation: Answers
) -> None:
    stubs.greengrassv2.add_client_error(
        "list_component_versions", "ResourceNotFoundException", http_status_code=404
    )
    handler(event(cloudformation, "ComponentRevision"), None)
    assert cloudformation.received[0]["Data"] == {"Revision": "0"}


def test_refusal_fails_the_stack_with_its_reason(stubs: Stubs, cloudformation: Answers) -> None:
    stubs.greengrassv2.add_client_error("list_component_versions", "AccessDeniedException", "no")
    handler(event(cloudformation, "ComponentRevision"), None)
    (answer,) = cloudformation.received
    assert answer["Status"] == "FAILED"
    assert "AccessDeniedException" in answer["Reason"]
    assert answer["PhysicalResourceId"] == "Resource"


def test_other_resource_fails_and_does_not_hang(cloudformation: Answers) -> None:
    handler(event(cloudformation, "Other"), None)
    assert cloudformation.received[0]["Status"] == "FAILED"


def test_deletion_asks_nothing_and_keeps_the_id(cloudformation: Answers) -> None:
    deletion = event(cloudformation, "ComponentRevision", "Delete", PhysicalResourceId="mine")
    handler(deletion, None)
    (answer,) = cloudformation.received
    assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", "mine")


def test_answer_is_tried_again(cloudformation: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    cloudformation.failures = 2
    handler(event(cloudformation, "IotEndpoints", "Delete"), None)
    assert len(cloudformation.received) == 1
    cloudformation.failures = 3
    with pytest.raises(OSError, match="503"):
        handler(event(cloudformation, "IotEndpoints", "Delete"), None)


MEMBERSHIP = {"ThingName": "Demo_Core", "ThingGroupName": "Demo_Group"}
BY_NAME = {"thingName": "Demo_Core", "thingGroupName": "Demo_Group"}


def membership(cloudformation: Answers, request: str, **more: Any) -> Any:
    properties = {"ResourceProperties": MEMBERSHIP}
    return event(cloudformation, "ThingGroupMembership", request, **properties, **more)


@pytest.mark.parametrize("request_type", ["Create", "Update"])
def test_thing_joins_its_group(stubs: Stubs, cloudformation: Answers, request_type: str) -> None:
    stubs.iot.add_response("add_thing_to_thing_group", {}, BY_NAME)
    handler(membership(cloudformation, request_type), None)
    (answer,) = cloudformation.received
    assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", "Demo_Group/Demo_Core")


def test_deleted_membership_takes_the_thing_out(stubs: Stubs, cloudformation: Answers) -> None:
    stubs.iot.add_response("remove_thing_from_thing_group", {}, BY_NAME)
    handler(membership(cloudformation, "Delete", PhysicalResourceId="mine"), None)
    (answer,) = cloudformation.received
    assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", "mine")


def test_thing_that_is_gone_has_left_its_group(stubs: Stubs, cloudformation: Answers) -> None:
    stubs.iot.add_client_error(
        "remove_thing_from_thing_group", "ResourceNotFoundException", http_status_code=404
    )
    handler(membership(cloudformation, "Delete"), None)
    assert cloudformation.received[0]["Status"] == "SUCCESS"


def test_membership_that_cannot_be_ended_fails_with_its_reason(
    stubs: Stubs, cloudformation: Answers
) -> None:
    stubs.iot.add_client_error("remove_thing_from_thing_group", "ThrottlingException", "slowly")
    handler(membership(cloudformation, "Delete"), None)
    (answer,) = cloudformation.received
    assert answer["Status"] == "FAILED"
    assert "slowly" in answer["Reason"]


COPIES = {
    "Bucket": "copies",
    "Prefix": "DlrInference.Demo",
    "ContentDigest": "0123",
    "Assets": ["assets/code.zip", "assets/profile.zip"],
}
WITH_MODEL = {**COPIES, "Model": "models/a/model.tar.gz", "AskedAt": "now"}


def copy(stubs: Stubs, cloudformation: Answers, properties: dict[str, Any]) -> dict[str, Any]:
    """Ask for copies; return the answer."""
    handler(event(cloudformation, "ArtifactCopies", ResourceProperties=properties), None)
    return cloudformation.received[-1]


def add_present(stubs: Stubs, *keys: str) -> None:
    stubs.s3.add_response(
        "list_objects_v2",
        {"Contents": [{"Key": key} for key in keys]},
        {"Bucket": "copies", "Prefix": "DlrInference.Demo/"},
    )


def add_copy(stubs: Stubs, source: str, key: str, **condition: str) -> None:
    bucket, _, name = source.partition("/")
    expected = {
        "CopySource": {"Bucket": bucket, "Key": name},
        "Bucket": "copies",
        "Key": key,
        "TaggingDirective": "REPLACE",
        **condition,
    }
    stubs.s3.add_response("copy_object", {}, expected)


def model_copied(stubs: Stubs, cloudformation: Answers, tag: str) -> dict[str, str]:
    """Copy a model with this ETag; return the attributes."""
    present = ("DlrInference.Demo/code.zip", "DlrInference.Demo/profile.zip")
    add_present(stubs, *present)
    stubs.s3.add_response(
        "head_object", {"ETag": tag}, {"Bucket": "models", "Key": "a/model.tar.gz"}
    )
    expected = {"CopySource": ANY, "Bucket": "copies", "Key": ANY, "TaggingDirective": "REPLACE"}
    stubs.s3.add_response("copy_object", {}, {**expected, "CopySourceIfMatch": tag})
    data: dict[str, str] = copy(stubs, cloudformation, WITH_MODEL)["Data"]
    return data


def test_artifacts_are_copied_below_the_component(stubs: Stubs, cloudformation: Answers) -> None:
    add_present(stubs)
    add_copy(stubs, "assets/code.zip", "DlrInference.Demo/code.zip")
    add_copy(stubs, "assets/profile.zip", "DlrInference.Demo/profile.zip")
    answer = copy(stubs, cloudformation, COPIES)
    assert answer["Status"] == "SUCCESS"
    version = answer["Data"]["ContentVersion"]
    assert re.fullmatch(r"(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})", version)
    assert answer["PhysicalResourceId"] == f"copies/DlrInference.Demo/{version}"


def test_copies_that_exist_are_not_made_again(stubs: Stubs, cloudformation: Answers) -> None:
    add_present(stubs, "DlrInference.Demo/code.zip", "DlrInference.Demo/old.zip")
    add_copy(stubs, "assets/profile.zip", "DlrInference.Demo/profile.zip")
    assert copy(stubs, cloudformation, COPIES)["Status"] == "SUCCESS"


def test_model_gets_a_folder_and_a_version_by_its_bytes(
    stubs: Stubs, cloudformation: Answers
) -> None:
    first, again, other = (
        model_copied(stubs, cloudformation, tag) for tag in ('"one"', '"one"', '"other"')
    )
    assert first == again
    assert re.fullmatch("[0-9a-f]{32}", first["ModelFolder"])
    assert first["ModelFolder"] != other["ModelFolder"]
    assert first["ContentVersion"] != other["ContentVersion"]


def test_copy_of_a_model_lies_in_its_folder(stubs: Stubs, cloudformation: Answers) -> None:
    folder = model_copied(stubs, cloudformation, '"one"')["ModelFolder"]
    key = f"DlrInference.Demo/{folder}/model.tar.gz"
    add_present(stubs, "DlrInference.Demo/code.zip", "DlrInference.Demo/profile.zip", key)
    stubs.s3.add_response("head_object", {"ETag": '"one"'})  # and no copy is made
    assert copy(stubs, cloudformation, WITH_MODEL)["Data"]["ModelFolder"] == folder


@pytest.mark.parametrize(("code", "status"), [("404", 404), ("403", 403)])
def test_model_that_is_not_there_is_named(
    stubs: Stubs, cloudformation: Answers, code: str, status: int
) -> None:
    add_present(stubs)
    stubs.s3.add_client_error("head_object", code, http_status_code=status)
    answer = copy(stubs, cloudformation, WITH_MODEL)
    assert answer["Status"] == "FAILED"
    assert "the model s3://models/a/model.tar.gz does not exist, or" in answer["Reason"]


def test_model_that_is_replaced_meanwhile_fails_the_deployment(
    stubs: Stubs, cloudformation: Answers
) -> None:
    add_present(stubs)
    stubs.s3.add_response("head_object", {"ETag": '"one"'})
    stubs.s3.add_client_error("copy_object", "PreconditionFailed", http_status_code=412)
    assert "PreconditionFailed" in copy(stubs, cloudformation, WITH_MODEL)["Reason"]


def test_deleted_copies_stay(cloudformation: Answers) -> None:
    """A core may need them longer than a template names them."""
    deletion = event(
        cloudformation,
        "ArtifactCopies",
        "Delete",
        PhysicalResourceId="mine",
        ResourceProperties=COPIES,
    )
    handler(deletion, None)
    assert cloudformation.received[0]["Status"] == "SUCCESS"


def members(cloudformation: Answers, request: str) -> dict[str, Any]:
    """Ask for the protection of a fleet; return the answer."""
    properties = {"ThingGroupName": "shop-floor", "ClaimPolicyName": "shop-floor_ClaimPolicy"}
    asked = event(cloudformation, "FleetMembers", request, ResourceProperties=properties)
    handler(asked, None)
    return cloudformation.received[-1]


def test_fleet_is_asked_for_its_members_only_at_its_deletion(cloudformation: Answers) -> None:
    answer = members(cloudformation, "Create")
    assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", "shop-floor")


def test_fleet_without_cores_is_deleted(stubs: Stubs, cloudformation: Answers) -> None:
    stubs.iot.add_response(
        "list_things_in_thing_group", {"things": []}, {"thingGroupName": "shop-floor"}
    )
    stubs.iot.add_response(
        "list_targets_for_policy", {"targets": []}, {"policyName": "shop-floor_ClaimPolicy"}
    )
    assert members(cloudformation, "Delete")["Status"] == "SUCCESS"
    stubs.iot.add_client_error("list_things_in_thing_group", "ResourceNotFoundException")
    stubs.iot.add_client_error("list_targets_for_policy", "ResourceNotFoundException")
    assert members(cloudformation, "Delete")["Status"] == "SUCCESS"


def test_fleet_with_cores_is_kept_and_some_are_named(stubs: Stubs, cloudformation: Answers) -> None:
    pages = (
        {"things": ["a_Core", "b_Core"], "nextToken": "more"},
        {"things": ["c_Core", "d_Core"]},
    )
    for page in pages:
        stubs.iot.add_response("list_things_in_thing_group", page)
    answer = members(cloudformation, "Delete")
    assert answer["Status"] == "FAILED"
    assert (
        "the fleet shop-floor still has 4 cores (a_Core, b_Core, c_Core, …), which need this "
        "stack: remove them first (docs/fleet.md)"
    ) in answer["Reason"]


def test_fleet_with_claims_is_kept(stubs: Stubs, cloudformation: Answers) -> None:
    stubs.iot.add_response("list_things_in_thing_group", {"things": []})
    stubs.iot.add_response("list_targets_for_policy", {"targets": ["arn:a", "arn:b"]})
    answer = members(cloudformation, "Delete")
    assert answer["Status"] == "FAILED"
    assert (
        "the fleet shop-floor still has 2 claim certificates, with which devices join it: end them "
        "first (mli fleet claim shop-floor --end)"
    ) in answer["Reason"]


def test_fleet_whose_members_cannot_be_listed_is_kept(
    stubs: Stubs, cloudformation: Answers
) -> None:
    stubs.iot.add_client_error("list_things_in_thing_group", "ThrottlingException", "slowly")
    assert "slowly" in members(cloudformation, "Delete")["Reason"]


TARGET = "arn:aws:iot:eu-west-1:123456789012:thinggroup/Demo_Group"
KEPT = {"TargetArn": TARGET, "Components": ["DlrInference.Demo"], "MayDrop": "false"}


def kept(
    stubs: Stubs, cloudformation: Answers, deployed: dict[str, str] | None, **more: Any
) -> dict[str, Any]:
    """Ask whether a deployment may follow one with the components ``deployed``."""
    listed = [] if deployed is None else [{"deploymentId": "d", "deploymentStatus": "ACTIVE"}]
    stubs.greengrassv2.add_response(
        "list_deployments",
        {"deployments": listed},
        {"targetArn": TARGET, "historyFilter": "LATEST_ONLY"},
    )
    if deployed is not None:
        components = {name: {"componentVersion": version} for name, version in deployed.items()}
        stubs.greengrassv2.add_response(
            "get_deployment", {"components": components}, {"deploymentId": "d"}
        )
    properties = {"ResourceProperties": KEPT}
    handler(event(cloudformation, "KeptComponents", "Update", **{**properties, **more}), None)
    return cloudformation.received[-1]


@pytest.mark.parametrize("deployed", [None, {}, {"DlrInference.Demo": "1.2.0"}])
def test_deployment_that_removes_nothing_of_others_is_allowed(
    stubs: Stubs, cloudformation: Answers, deployed: dict[str, str] | None
) -> None:
    answer = kept(stubs, cloudformation, deployed)
    assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", TARGET)


def test_components_of_others_are_named_with_what_keeps_them(
    stubs: Stubs, cloudformation: Answers
) -> None:
    add_status(stubs, "UPDATE_IN_PROGRESS")
    others = {"com.org.B": "2.0.0", "com.org.A": "1.0.0"}
    answer = kept(stubs, cloudformation, {"DlrInference.Demo": "1.2.0", **others})
    assert answer["Status"] == "FAILED"
    assert (
        "cores of Demo_Group would lose com.org.A, com.org.B, which somebody else deployed: keep "
        "them with -c components=com.org.A=1.0.0,com.org.B=2.0.0, or let them go with "
        "-c dropComponents=true"
    ) in answer["Reason"]


def add_status(stubs: Stubs, status: str) -> None:
    stack = {"StackName": "s", "CreationTime": datetime(2026, 11, 27), "StackStatus": status}
    stubs.cloudformation.add_response(
        "describe_stacks", {"Stacks": [stack]}, {"StackName": "stack"}
    )


def test_rollback_is_not_refused(stubs: Stubs, cloudformation: Answers) -> None:
    """The stack would end in UPDATE_ROLLBACK_FAILED."""
    add_status(stubs, "UPDATE_ROLLBACK_IN_PROGRESS")
    deployed = {"DlrInference.Demo": "1.2.0", "com.org.A": "1.0.0"}
    assert kept(stubs, cloudformation, deployed)["Status"] == "SUCCESS"


def test_component_that_the_stack_itself_deployed_may_go(
    stubs: Stubs, cloudformation: Answers
) -> None:
    """It was taken out of the context, or the update that added it is rolled back."""
    old = {**KEPT, "Components": ["DlrInference.Demo", "com.org.A"]}
    answer = kept(
        stubs,
        cloudformation,
        {"DlrInference.Demo": "1.2.0", "com.org.A": "1.0.0"},
        OldResourceProperties=old,
    )
    assert answer["Status"] == "SUCCESS"


def test_whoever_lets_components_go_is_not_asked(cloudformation: Answers) -> None:
    properties = {**KEPT, "MayDrop": "true"}
    handler(event(cloudformation, "KeptComponents", ResourceProperties=properties), None)
    assert cloudformation.received[-1]["Status"] == "SUCCESS"
