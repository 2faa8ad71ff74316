"""The client through which the Greengrass Core SDK, and a function's runtime, reach the core."""

from __future__ import annotations

import os
import socket
from typing import IO, NamedTuple

from .wire import NO_CONTENT, SOCKET_VARIABLE, Fields, WireError, receive, send


class IPCException(Exception):
    """The core refused a request, or cannot be reached."""


class WorkItem(NamedTuple):
    """One invocation of a function; ``client_context`` is base64, or empty."""

    invocation_id: str
    payload: bytes
    client_context: str


class GetWorkResultOutput(NamedTuple):
    """What an invocation returned; ``func_err`` is empty, ``Handled`` or ``Unhandled``."""

    payload: bytes
    func_err: str


class IPCClient:
    """Sends each request on a connection of its own, so that threads can share a client."""

    def __init__(self, endpoint: str = "localhost", port: int | None = None) -> None:
        """Take what the SDK passes; the core's socket is known from the environment."""

    def post_work(
        self,
        function_arn: str,
        input_bytes: bytes | str | IO[bytes],
        client_context: bytes | str,
        invocation_type: str = "RequestResponse",
    ) -> str:
        """Invoke a function, a connector or the router; return the id of the invocation."""
        fields = {
            "action": "post_work",
            "function": function_arn,
            "context": _as_text(client_context),
            "type": invocation_type,
        }
        reply, _ = self._call(fields, _as_bytes(input_bytes))
        return str(reply["id"])

    def get_work_result(self, function_arn: str, invocation_id: str) -> GetWorkResultOutput:
        """Wait for the end of an invocation and return what came of it."""
        fields = {"action": "get_work_result", "function": function_arn, "id": invocation_id}
        reply, payload = self._call(fields)
        return GetWorkResultOutput(payload, str(reply.get("error", "")))

    def get_work(self, function_arn: str) -> WorkItem | None:
        """Wait for the next invocation of this function; None if the core has no more for it."""
        reply, payload = self._call({"action": "get_work", "function": function_arn})
        if reply["status"] == NO_CONTENT:
            return None
        return WorkItem(str(reply["id"]), payload, str(reply["context"]))

    def post_work_result(self, function_arn: str, work_item: WorkItem) -> None:
        """Return from an invocation, with the result in place of the payload."""
        self._finish(function_arn, work_item.invocation_id, work_item.payload, "")

    def post_handler_err(self, function_arn: str, invocation_id: str, handler_err: bytes) -> None:
        """Return from an invocation whose handler raised; ``handler_err`` is JSON."""
        self._finish(function_arn, invocation_id, handler_err, "Handled")

    def _finish(self, function_arn: str, invocation_id: str, payload: bytes, error: str) -> None:
        fields = {
            "action": "post_work_result",
            "function": function_arn,
            "id": invocation_id,
            "error": error,
        }
        self._call(fields, payload)

    def _call(self, fields: Fields, payload: bytes = b"") -> tuple[Fields, bytes]:
        token = os.environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN", "")
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(os.environ[SOCKET_VARIABLE])
                send(connection, {**fields, "token": token}, payload)
                reply, result = receive(connection)
        except (OSError, WireError) as error:
            raise IPCException(f"the core cannot be reached: {error}") from None
        if reply["status"] >= 400:
            raise IPCException(f"Error {reply['status']}: {reply['reason']}")
        return reply, result


def _as_text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _as_bytes(value: bytes | str | IO[bytes]) -> bytes:
    """Take what callers of the SDK pass: bytes, a text, or an open file."""
    content = value if isinstance(value, (bytes, bytearray, str)) else value.read()
    return content.encode() if isinstance(content, str) else bytes(content)
