"""A role with a policy of the test's own, and what it may do."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local_core.cloud import LocalCloud
from local_core.cloud.iam.decisions import FILE, Decision, read_decisions

Statement = Mapping[str, Any]

ACCOUNT = "000000000000"
SESSION = "session"


def policy(*statements: Statement) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def allow(action: str | list[str], resource: str | list[str], **more: Any) -> Statement:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


class Role:
    """A role with one policy, and clients of its session."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.name = f"role-{uuid.uuid4().hex[:8]}"
        self.arn = f"arn:aws:iam::{ACCOUNT}:role/{self.name}"
        self.principal = f"arn:aws:sts::{ACCOUNT}:assumed-role/{self.name}/{SESSION}"
        self._cloud = cloud
        self._iam = cloud.client("iam")
        trusted = {"AWS": ACCOUNT, "Service": "cloudformation.amazonaws.com"}
        trust = {"Effect": "Allow", "Principal": trusted, "Action": "sts:AssumeRole"}
        self._iam.create_role(RoleName=self.name, AssumeRolePolicyDocument=policy(trust))
        sts = cloud.client("sts")
        self._given = sts.assume_role(RoleArn=self.arn, RoleSessionName=SESSION)["Credentials"]

    def may(self, *statements: Statement) -> None:
        """Replace the policy."""
        self._iam.put_role_policy(
            RoleName=self.name, PolicyName="inline", PolicyDocument=policy(*statements)
        )

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self._cloud.endpoint,
            region_name="us-east-1",
            aws_access_key_id=self._given["AccessKeyId"],
            aws_secret_access_key=self._given["SecretAccessKey"],
            aws_session_token=self._given["SessionToken"],
            config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
        )

    def decisions(self) -> list[Decision]:
        found = read_decisions(self._cloud.data / FILE)
        return [one for one in found if one.principal == self.principal]


def refusal(call: Callable[[], object]) -> tuple[str, str]:
    """Return code and message with which a call is refused."""
    with pytest.raises(ClientError) as caught:
        call()
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]
