"""One endpoint: our own APIs and ministack's behind the same address."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any
from xml.sax.saxutils import escape

from .. import location
from ..emulator import Emulator, Receive, Send
from ..iam.authorization import Authorization
from ..iam.evaluation import PolicyEvaluation
from ..iam.stack_roles import StackRoles
from ..iot.core_endpoint import CoreEndpoint
from .errors import ApiError
from .rest_api import HttpReply, RestApi

_SIGNED_FOR = re.compile(r"Credential=[^/]+/\d+/([^/]+)/([a-z0-9-]+)/aws4_request")
_GLOBAL = ("iam", "sts")
"""Services of all Regions, whose requests may be signed for another one."""
_S3_DOWN = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>ServiceUnavailable</Code>'
    b"<Message>Please reduce your request rate.</Message></Error>"
)


class Router:
    """The ASGI application of the endpoint; a request goes to the service that it is signed for."""

    def __init__(
        self,
        *,
        emulator: Emulator,
        evaluation: PolicyEvaluation,
        iam: Authorization,
        stack_roles: StackRoles,
        apis: dict[str, list[RestApi]],
        core_endpoint: CoreEndpoint,
    ) -> None:
        self._emulator = emulator
        self._evaluation = evaluation
        self._iam = iam
        self._stack_roles = stack_roles
        self._apis = apis
        self._core_endpoint = core_endpoint
        self.serves_s3 = True

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request, or a lifespan of the listener, which ministack must not see."""
        if scope["type"] == "lifespan":
            await _outlive(receive, send)
            return
        if scope["type"] != "http":
            await self._emulator.application(scope, receive, send)
            return
        headers = {key.decode().lower(): value.decode("latin-1") for key, value in scope["headers"]}
        signed = _SIGNED_FOR.search(headers.get("authorization", ""))
        region, service = (signed[1], signed[2]) if signed else ("", "")
        if signed and region != location.REGION and service not in _GLOBAL:
            await _body(receive)
            await _send(_other_region(region, service, headers), send)
            return
        self._evaluation.set_transport(headers.get("x-forwarded-proto"))
        path = (scope.get("raw_path") or scope["path"].encode()).decode().partition("?")[0]
        if self._core_endpoint.serves(path):
            body = await _body(receive)
            reply = await asyncio.to_thread(self._core_endpoint.serve, scope["method"], path, body)
            await _send(reply, send)
            return
        if self._serves(service, scope["method"], path):
            body = await _body(receive)
            serve = self._serve(service, scope, path, headers, body)
            await _send(await asyncio.to_thread(serve), send)
            return
        if service == "cloudformation":
            body = await _body(receive)
            await self._operate_stack(scope, path, body, send)
            return
        if not self.serves_s3 and _is_for_s3(service, scope):
            down = HttpReply(503, _S3_DOWN, (("content-type", "application/xml"),))
            await _send(down, send)
            return
        await self._emulator.application(scope, receive, send)

    def _serves(self, service: str, method: str, path: str) -> bool:
        """Return whether a request is for one of our APIs; ministack has nothing of Greengrass."""
        apis = self._apis.get(service, [])
        return service == "greengrass" or any(api.serves(method, path) for api in apis)

    def _serve(
        self, service: str, scope: dict[str, Any], path: str, headers: dict[str, str], body: bytes
    ) -> Callable[[], HttpReply]:
        method, query = scope["method"], scope.get("query_string", b"").decode()

        def serve() -> HttpReply:
            with self._iam.calling(method, path, query, scope["headers"], body):
                for api in self._apis[service]:
                    reply = api.serve(method, path, query, headers, body)
                    if reply is not None:
                        return reply
            reason = f"the local cloud does not serve {scope['method']} {path}"
            return HttpReply.of_error(ApiError("UnknownOperationException", reason, 404))

        return serve

    async def _operate_stack(
        self, scope: dict[str, Any], path: str, body: bytes, send: Send
    ) -> None:
        """Let CloudFormation answer, which then acts as the role that the request or stack has."""
        query = scope.get("query_string", b"").decode()
        try:
            with self._iam.calling(scope["method"], path, query, scope["headers"], body):
                caller = self._stack_roles.note(query, body)
        except ApiError as error:
            await _send(_denied(error), send)
            return
        with self._iam.acting_as(caller):
            await self._emulator.application(scope, _replay(body), send)


def _denied(error: ApiError) -> HttpReply:
    """Return an error of the query protocol."""
    code = error.code.removesuffix("Exception")
    text = f"<Type>Sender</Type><Code>{code}</Code><Message>{escape(error.message)}</Message>"
    return _xml(error.status, f"<ErrorResponse><Error>{text}</Error></ErrorResponse>")


def _other_region(region: str, service: str, headers: dict[str, str]) -> HttpReply:
    """Return what an endpoint of AWS answers to a request that is signed for another Region."""
    if service == "s3":
        return _xml(
            400,
            "<Error><Code>AuthorizationHeaderMalformed</Code><Message>The authorization header is "
            f"malformed; the region '{region}' is wrong; expecting '{location.REGION}'</Message>"
            f"<Region>{location.REGION}</Region></Error>",
        )
    code = "InvalidSignatureException"
    reason = (
        f"Credential should be scoped to a valid region, not '{region}': "
        f"this local cloud is in {location.REGION}"
    )
    if "x-www-form-urlencoded" not in headers.get("content-type", ""):
        return HttpReply.of_error(ApiError(code, reason, 403))
    error = f"<Error><Code>{code}</Code><Message>{reason}</Message></Error>"
    return _xml(403, f"<ErrorResponse>{error}</ErrorResponse>")


def _xml(status: int, body: str) -> HttpReply:
    return HttpReply(status, body.encode(), (("content-type", "application/xml"),))


def _is_for_s3(service: str, scope: dict[str, Any]) -> bool:
    """Return whether a request is for S3, by its signature or by a signed link."""
    if service:
        return service == "s3"
    return b"X-Amz-Signature=" in scope.get("query_string", b"")


async def _outlive(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


async def _body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        event = await receive()
        body += event.get("body", b"")
        if not event.get("more_body"):
            return bytes(body)


def _replay(body: bytes) -> Receive:
    """Return a receiver that returns a body that was already read."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


async def _send(reply: HttpReply, send: Send) -> None:
    headers = [(key.encode(), value.encode()) for key, value in reply.headers]
    headers.append((b"content-length", str(len(reply.body)).encode()))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})
