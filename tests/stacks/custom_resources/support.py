"""Both sides of a custom resource: what AWS answers it, and what CloudFormation receives."""

import json
from datetime import datetime
from functools import cache
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import boto3
from botocore.stub import Stubber

ARN = "arn:aws:greengrass:eu-west-1:123456789012:components:DlrInference.Demo"


class Stubs:
    """Answers of the services, each checked against the service's model."""

    def __init__(self) -> None:
        self.cloudformation = Stubber(_client("cloudformation"))
        self.iot = Stubber(_client("iot"))
        self.greengrassv2 = Stubber(_client("greengrassv2"))
        self.s3 = Stubber(_client("s3"))
        self.ssm = Stubber(_client("ssm"))


@cache  # a client takes long to create, and a stub that ends leaves nothing in it
def _client(service: str) -> Any:
    return boto3.client(
        service, region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b"
    )


def add_status(stubs: Stubs, status: str) -> None:
    """Let the stack of :func:`event` have this status when it is asked once."""
    stack = {"StackName": "s", "CreationTime": datetime(2026, 11, 27), "StackStatus": status}
    stubs.cloudformation.add_response(
        "describe_stacks", {"Stacks": [stack]}, {"StackName": "stack"}
    )


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
