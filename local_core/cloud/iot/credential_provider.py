"""AWS IoT's credential provider: a device's certificate for a role's temporary credentials.

https://docs.aws.amazon.com/iot/latest/developerguide/authorizing-direct-aws.html
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Callable, Mapping
from typing import Any

import botocore.exceptions
import h11

from ...local_requests import refusal
from .. import location
from ..api.errors import ApiError
from ..api.rest_api import HttpReply
from ..api.timestamps import iso
from ..emulator import Emulator, verified_certificate
from ..iam.evaluation import Iam
from .mutual_tls import MutualTls
from .registry import IotAdditions

_PATH = re.compile(r"/role-aliases/([\w=,@-]+)/credentials")
_THING_HEADER = b"x-amzn-iot-thingname"
_SERVICE = "credentials.iot.amazonaws.com"
_CERTIFICATE_KEY = "credentials-iot:AwsCertificateId"
_THING_KEY = "credentials-iot:ThingName"
"""Keys that a role's policies can use; things of the local cloud have no type."""
_TIMEOUT_SECONDS = 30.0
_CHUNK = 65_536

AwsClient = Callable[[str], Any]


class CredentialProvider:
    """Serves ``GET /role-aliases/<alias>/credentials`` with mutual TLS."""

    def __init__(
        self,
        *,
        emulator: Emulator,
        iam: Iam,
        tls: MutualTls,
        iot: IotAdditions,
        client: AwsClient,
        port: int,
    ) -> None:
        self._emulator = emulator
        self._iam = iam
        self._tls = tls
        self._iot = iot
        self._client = client
        self._port = port
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        """Listen."""
        if self._server is None:
            self._server = await asyncio.start_server(
                self._connected, location.HOST, self._port, ssl=self._tls.context
            )

    async def stop(self) -> None:
        """Refuse connections and cut those that there are."""
        if self._server is not None:
            self._server.close()
            self._server = None
            for writer in list(self._writers):
                writer.transport.abort()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                request = await _read_request(reader)
                if request is not None:
                    tls: ssl.SSLObject = writer.get_extra_info("ssl_object")
                    reply = await asyncio.to_thread(self._reply, request, verified_certificate(tls))
                    writer.write(_encoded(reply))
                    await writer.drain()
        except (OSError, TimeoutError, h11.RemoteProtocolError):
            pass  # the client went away or does not speak HTTP: no reply can be sent
        finally:
            self._writers.discard(writer)
            writer.close()

    def _reply(self, request: h11.Request, certificate: str) -> HttpReply:
        headers = dict(request.headers)
        match = _PATH.fullmatch(request.target.decode().partition("?")[0])
        try:
            if reason := refusal(request.headers):
                raise ApiError("AccessDeniedException", reason, 403)
            if request.method != b"GET" or not match:
                raise ApiError("ResourceNotFoundException", "Not Found", 404)
            thing = headers.get(_THING_HEADER, b"").decode()
            return HttpReply.of_json(self._credentials(match[1], certificate, thing))
        except ApiError as error:
            return HttpReply.of_error(error)

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
        self._iam.describe_session(given["AccessKeyId"], keys)
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
                self._iam.log(_SERVICE, "sts:AssumeRole", role_arn, is_allowed=True)
                return
        self._iam.log(_SERVICE, "sts:AssumeRole", role_arn, is_allowed=False)
        reason = f"Access Denied: {role_arn} does not trust {_SERVICE}"
        raise ApiError("AccessDeniedException", reason, 403)


def _listed(value: Any) -> list[Any]:
    """Return a policy's element as a list; a single item may be written without one."""
    return value if isinstance(value, list) else [] if value is None else [value]


async def _read_request(reader: asyncio.StreamReader) -> h11.Request | None:
    connection = h11.Connection(h11.SERVER)
    while True:
        event = connection.next_event()
        if isinstance(event, h11.Request):
            return event
        if event is not h11.NEED_DATA:
            return None
        connection.receive_data(await reader.read(_CHUNK))


def _encoded(reply: HttpReply) -> bytes:
    connection = h11.Connection(h11.SERVER)
    headers = [
        *reply.headers,
        ("content-length", str(len(reply.body))),
        ("connection", "close"),
    ]
    parts = (
        h11.Response(status_code=reply.status, headers=headers),
        h11.Data(data=reply.body),
        h11.EndOfMessage(),
    )
    return b"".join(connection.send(part) or b"" for part in parts)
