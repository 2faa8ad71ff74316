"""The function behind the custom resources: what it asks AWS, and answers CloudFormation."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from custom_resources.handler import handler

ARN = "arn:aws:greengrass:eu-west-1:123456789012:components:DlrInference.Demo"


class Stubs:
    """Answers of the services, each checked against the service's model."""

    def __init__(self) -> None:
        self.iot = Stubber(_client("iot"))
        self.greengrassv2 = Stubber(_client("greengrassv2"))
        self.ssm = Stubber(_client("ssm"))


def _client(service: str) -> Any:
    return boto3.client(
        service, region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b"
    )


@pytest.fixture
def stubs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubs]:
    made = Stubs()
    monkeypatch.setattr(boto3, "client", lambda service: getattr(made, service).client)
    with made.iot, made.greengrassv2, made.ssm:
        yield made
        made.iot.assert_no_pending_responses()
        made.greengrassv2.assert_no_pending_responses()
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
