"""AWS IoT's credential provider: a device's certificate for a role's temporary credentials.

https://docs.aws.amazon.com/iot/latest/developerguide/authorizing-direct-aws.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import botocore.exceptions

from ..api.errors import ApiError
from ..api.rest_api import HttpReply
from ..api.timestamps import iso
from ..emulator import Emulator
from ..iam.authorization import Authorization
from ..iam.evaluation import PolicyEvaluation
from .device_endpoint import DeviceRequest
from .registry import IotAdditions

_PATH = re.compile(r"/role-aliases/([\w=,@-]+)/credentials")
_THING_HEADER = "x-amzn-iot-thingname"
_SERVICE = "credentials.iot.amazonaws.com"
_CERTIFICATE_KEY = "credentials-iot:AwsCertificateId"
_THING_KEY = "credentials-iot:ThingName"
"""Keys that a role's policies can use; things of the local cloud have no type."""

AwsClient = Callable[[str], Any]


class CredentialProvider:
    """Serves ``GET /role-aliases/<alias>/credentials``."""

    def __init__(
        self,
        *,
        emulator: Emulator,
        evaluation: PolicyEvaluation,
        iam: Authorization,
        iot: IotAdditions,
        client: AwsClient,
    ) -> None:
        self._emulator = emulator
        self._evaluation = evaluation
        self._iam = iam
        self._iot = iot
        self._client = client

    def serve(self, request: DeviceRequest) -> HttpReply | None:
        """Answer a request, or return None if it is not for this service.

        Raises:
            ApiError: if it is refused.
        """
        match = _PATH.fullmatch(request.path)
        if request.method != "GET" or not match:
            return None
        thing = request.headers.get(_THING_HEADER, "")
        return HttpReply.of_json(self._credentials(match[1], request.certificate, thing))

    def _credentials(self, alias_name: str, certificate: str, thing: str) -> Mapping[str, Any]:
        resource = f"rolealias/{alias_name}"
        emulator = self._emulator
        if not emulator.is_active(certificate) or not emulator.certificate_allows(
            certificate, "iot:AssumeRoleWithCertificate", resource
        ):
            raise ApiError("AccessDeniedException", "Access Denied", 403)
        if thing and not emulator.is_attached(thing, certificate):
            reason = f"Invalid thing name passed: {thing} has not this certificate"
            raise ApiError("InvalidRequestException", reason, 400)
        alias = self._iot.role_alias(alias_name)
        try:
            self._refuse_untrusting(alias.role_arn)
            reply = self._client("sts").assume_role(
                RoleArn=alias.role_arn,
                RoleSessionName=certificate,
                DurationSeconds=alias.seconds,
            )
        except botocore.exceptions.ClientError as error:
            raise ApiError("AccessDeniedException", f"Access Denied: {error}", 403) from None
        given = reply["Credentials"]
        keys = {_CERTIFICATE_KEY: certificate, **({_THING_KEY: thing} if thing else {})}
        self._evaluation.describe_session(given["AccessKeyId"], keys)
        return {
            "credentials": {
                "accessKeyId": given["AccessKeyId"],
                "secretAccessKey": given["SecretAccessKey"],
                "sessionToken": given["SessionToken"],
                "expiration": iso(given["Expiration"]),
            }
        }

    def _refuse_untrusting(self, role_arn: str) -> None:
        """Raise unless the role lets the credential provider assume it."""
        role = self._client("iam").get_role(RoleName=role_arn.rsplit("/", 1)[-1])["Role"]
        for statement in _listed(role["AssumeRolePolicyDocument"].get("Statement")):
            principal = statement.get("Principal")
            services = _listed(principal.get("Service")) if isinstance(principal, dict) else []
            actions = _listed(statement.get("Action"))
            is_leave = statement["Effect"] == "Allow" and "sts:AssumeRole" in actions
            if is_leave and _SERVICE in services:
                self._iam.log_trust(_SERVICE, role_arn, is_trusted=True)
                return
        self._iam.log_trust(_SERVICE, role_arn, is_trusted=False)
        reason = f"Access Denied: {role_arn} does not trust {_SERVICE}"
        raise ApiError("AccessDeniedException", reason, 403)


def _listed(value: Any) -> list[Any]:
    """Return a policy's element as a list; a single item may be written without one."""
    return value if isinstance(value, list) else [] if value is None else [value]
