"""One request and its reply on the core's socket; both ends of it use this module.

A frame is two big-endian lengths of 32 bits, a JSON object, and a payload of any bytes. An AWS core
speaks HTTP here, whose headers would have to take a whole probability vector.
"""

from __future__ import annotations

import json
import socket
import struct
from typing import Any, Dict  # noqa: UP035 (a core of the first generation has Python 3.8)

SOCKET_VARIABLE = "LOCAL_CORE_V1_SOCKET"
"""The environment variable with the path of the core's socket."""

OK = 200
NO_CONTENT = 204
"""Statuses of replies, with HTTP's numbers; from 400 on they are refusals."""

MAX_FRAME_BYTES = 32 << 20

_LENGTHS = struct.Struct(">II")

Fields = Dict[str, Any]  # noqa: UP006


class WireError(Exception):
    """The other end sent no whole frame; on a clean end of the connection, no frame at all."""


def send(connection: socket.socket, fields: Fields, payload: bytes = b"") -> None:
    """Send one frame."""
    head = json.dumps(fields).encode()
    if len(head) + len(payload) > MAX_FRAME_BYTES:
        raise WireError(f"a message of {len(payload)} bytes is larger than this core takes")
    connection.sendall(_LENGTHS.pack(len(head), len(payload)) + head + payload)


def receive(connection: socket.socket) -> tuple[Fields, bytes]:
    """Receive one frame.

    Raises:
        WireError: if the connection ends early, or what comes is not a frame.
    """
    head_length, payload_length = _LENGTHS.unpack(_exactly(connection, _LENGTHS.size))
    if head_length + payload_length > MAX_FRAME_BYTES:
        raise WireError("a frame that is larger than any message")
    try:
        fields = json.loads(_exactly(connection, head_length))
    except ValueError as error:
        raise WireError(f"a frame whose head is not JSON: {error}") from None
    if not isinstance(fields, dict):
        raise WireError("a frame whose head is not a JSON object")
    return fields, _exactly(connection, payload_length)


def _exactly(connection: socket.socket, size: int) -> bytes:
    parts = []
    while size:
        part = connection.recv(min(size, 1 << 20))
        if not part:
            raise WireError("the connection ended")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
