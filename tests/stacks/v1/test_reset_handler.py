"""The custom resource that resets a group's deployments, against botocore's model of it."""

import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from custom_resources import deployments_reset as reset
from tests.waiting import replace_time

HANDLER = "custom_resources.deployments_reset"
GROUP = "01234567-89ab-cdef-0123-456789abcdef"
DEPLOYMENT = "fedcba98-7654-3210-fedc-ba9876543210"
RESET = {"GroupId": GROUP, "Force": True}
STARTED = {"DeploymentId": DEPLOYMENT, "DeploymentArn": "arn:aws:greengrass:x"}
STATUS = {"GroupId": GROUP, "DeploymentId": DEPLOYMENT}


class Context:
    def __init__(self, seconds: float = 300) -> None:
        self._seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(self._seconds * 1000)


class CloudFormation(http.server.HTTPServer):
    """Accepts answers as the signed URL does; refuses the first ``refusals`` of them."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.refusals = 0
        self.answers: list[dict[str, Any]] = []
        self.content_types: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/answer?signature=1"


class Answer(http.server.BaseHTTPRequestHandler):
    server: CloudFormation

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.refusals:
            self.server.refusals -= 1
            self.send_error(503)
            return
        self.server.content_types.append(self.headers["Content-Type"])
        self.server.answers.append(json.loads(body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture
def cloudformation() -> Iterator[CloudFormation]:
    server = CloudFormation()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    client = boto3.client(
        "greengrass",
        region_name="ap-southeast-2",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    monkeypatch.setattr(f"{HANDLER}.boto3.client", lambda name: client)
    replace_time(monkeypatch, reset, sleep=lambda seconds: None)
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def event(kind: str, url: str, **values: object) -> dict[str, Any]:
    return {
        "RequestType": kind,
        "ResponseURL": url,
        "StackId": "stack",
        "RequestId": "request",
        "LogicalResourceId": "DeploymentsReset",
        "ResourceProperties": {"ServiceToken": "function", "GroupId": GROUP},
        **values,
    }


def status(state: str, **values: str) -> dict[str, str]:
    return {"DeploymentStatus": state, "DeploymentType": "ForceResetDeployment", **values}


def test_delete_resets_by_force_and_waits_for_the_end(
    service: Stubber, cloudformation: CloudFormation
) -> None:
    service.add_response("reset_deployments", STARTED, RESET)
    service.add_response("get_deployment_status", status("InProgress"), STATUS)
    service.add_response("get_deployment_status", status("Success"), STATUS)
    reset.handler(event("Delete", cloudformation.url, PhysicalResourceId=GROUP), Context())
    assert cloudformation.answers == [
        {
            "Status": "SUCCESS",
            "Reason": "",
            "PhysicalResourceId": GROUP,
            "StackId": "stack",
            "RequestId": "request",
            "LogicalResourceId": "DeploymentsReset",
            "Data": {},
        }
    ]
    assert cloudformation.content_types == [""]


@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_create_and_update_only_name_the_group(
    service: Stubber, cloudformation: CloudFormation, kind: str
) -> None:
    """Another group has another id, so that CloudFormation deletes, and so resets, the old one."""
    old = {"ResourceProperties": {"GroupId": "old"}, "OldResourceProperties": {"GroupId": "old"}}
    reset.handler(event(kind, cloudformation.url), Context())
    reset.handler(event(kind, cloudformation.url, **old), Context())
    answers = cloudformation.answers
    assert [one["Status"] for one in answers] == ["SUCCESS", "SUCCESS"]
    assert [one["PhysicalResourceId"] for one in answers] == [GROUP, "old"]


@pytest.mark.parametrize(
    ("code", "message", "http_status"),
    [
        (
            "BadRequestException",
            f"Group id: {GROUP} has not been deployed or is already reset.",
            400,
        ),
        ("IdNotFoundException", "No such group", 404),
    ],
)
def test_group_that_has_nothing_to_reset_is_a_success(
    service: Stubber, cloudformation: CloudFormation, code: str, message: str, http_status: int
) -> None:
    service.add_client_error("reset_deployments", code, message, http_status, expected_params=RESET)
    reset.handler(event("Delete", cloudformation.url), Context())
    assert cloudformation.answers[0]["Status"] == "SUCCESS"


def test_second_delete_succeeds_too(service: Stubber, cloudformation: CloudFormation) -> None:
    service.add_response("reset_deployments", STARTED, RESET)
    service.add_response("get_deployment_status", status("Success"), STATUS)
    service.add_client_error(
        "reset_deployments", "BadRequestException", "has not been deployed or is already reset"
    )
    for _ in range(2):
        reset.handler(event("Delete", cloudformation.url), Context())
    assert [one["Status"] for one in cloudformation.answers] == ["SUCCESS", "SUCCESS"]


def test_refusal_is_reported_with_its_reason(
    service: Stubber, cloudformation: CloudFormation
) -> None:
    service.add_client_error("reset_deployments", "AccessDeniedException", "not allowed", 403)
    reset.handler(event("Delete", cloudformation.url, PhysicalResourceId=GROUP), Context())
    (answer,) = cloudformation.answers
    assert (answer["Status"], answer["PhysicalResourceId"]) == ("FAILED", GROUP)
    assert GROUP in answer["Reason"] and "not allowed" in answer["Reason"]


def test_failed_reset_is_reported_with_the_service_s_words(
    service: Stubber, cloudformation: CloudFormation
) -> None:
    service.add_response("reset_deployments", STARTED, RESET)
    failed = status("Failure", ErrorMessage="the core said no")
    service.add_response("get_deployment_status", failed, STATUS)
    reset.handler(event("Delete", cloudformation.url), Context())
    assert cloudformation.answers[0]["Status"] == "FAILED"
    assert cloudformation.answers[0]["Reason"].endswith("the core said no")


def test_reset_that_takes_too_long_is_reported_while_there_is_time(
    service: Stubber, cloudformation: CloudFormation
) -> None:
    service.add_response("reset_deployments", STARTED, RESET)
    service.add_response("get_deployment_status", status("InProgress"), STATUS)
    reset.handler(event("Delete", cloudformation.url), Context(seconds=16))
    assert cloudformation.answers[0]["Status"] == "FAILED"
    assert "still InProgress" in cloudformation.answers[0]["Reason"]


def test_unforeseen_error_is_reported_too(
    cloudformation: CloudFormation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(name: str) -> None:
        raise ValueError("no region")

    monkeypatch.setattr(f"{HANDLER}.boto3.client", fail)
    reset.handler(event("Delete", cloudformation.url), Context())
    assert cloudformation.answers[0]["Status"] == "FAILED"
    assert "no region" in cloudformation.answers[0]["Reason"]


def test_answer_is_repeated_until_it_arrives(
    service: Stubber, cloudformation: CloudFormation
) -> None:
    cloudformation.refusals = 2
    reset.handler(event("Create", cloudformation.url), Context())
    assert len(cloudformation.answers) == 1


def test_long_reason_is_cut_to_what_cloudformation_accepts(
    service: Stubber, cloudformation: CloudFormation
) -> None:
    service.add_client_error("reset_deployments", "BadRequestException", "x" * 5_000, 400)
    reset.handler(event("Delete", cloudformation.url), Context())
    assert len(json.dumps(cloudformation.answers[0])) < 4_096
