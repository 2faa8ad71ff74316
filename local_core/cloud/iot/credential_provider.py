"""AWS IoT's credential provider: a device's certificate for a role's temporary credentials.

https://docs.aws.amazon.com/iot/latest/developerguide/authorizing-direct-aws.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ..api.errors import ApiError
from ..api.rest_api import HttpReply
from ..api.timestamps import iso
from ..emulator import Emulator
from ..iam.role_sessions import RoleSessions
from .device_endpoint import DeviceRequest
from .registry import IotAdditions

_PATH = re.compile(r"/role-aliases/([\w=,@-]+)/credentials")
_THING_HEADER = "x-amzn-iot-thingname"
_SERVICE = "credentials.iot.amazonaws.com"
_CERTIFICATE_KEY = "credentials-iot:AwsCertificateId"
_THING_KEY = "credentials-iot:ThingName"
"""Keys that a role's policies can use; things of the local cloud have no type."""


class CredentialProvider:
    """Serves ``GET /role-aliases/<alias>/credentials``."""

    def __init__(self, *, emulator: Emulator, sessions: RoleSessions, iot: IotAdditions) -> None:
        self._emulator = emulator
        self._sessions = sessions
        self._iot = iot

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
            reason = f"Invalid thing name passed: {thing} does not have this certificate"
            raise ApiError("InvalidRequestException", reason, 400)
        alias = self._iot.role_alias(alias_name)
        session = self._sessions.assume_role(
            _SERVICE,
            alias.role_arn,
            certificate,
            seconds=alias.seconds,
            keys={_CERTIFICATE_KEY: certificate, **({_THING_KEY: thing} if thing else {})},
        )
        if session is None:
            reason = (
                f"Access Denied: {alias.role_arn} does not trust {_SERVICE}, or not for "
                f"{alias.seconds} s"
            )
            raise ApiError("AccessDeniedException", reason, 403)
        return {
            "credentials": {
                "accessKeyId": session.key,
                "secretAccessKey": session.secret,
                "sessionToken": session.token,
                "expiration": iso(datetime.fromtimestamp(session.expires, UTC)),
            }
        }
