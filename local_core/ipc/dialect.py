"""What the classic nucleus and nucleus lite do differently on the socket."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .errors import IpcError


@dataclass(frozen=True)
class InFlight:
    """How many publishes to the cloud may wait for their acknowledgement at the same time."""

    messages: int
    payload_bytes: int


@dataclass(frozen=True)
class Dialect:
    """The behaviour of one nucleus; that of lite was observed with its release 2.6.0."""

    packet_limit: int | None
    """Most bytes after a packet's prelude; a longer packet ends the connection."""
    answers_refused_connect: bool
    """Whether a wrong SVCUID is answered before the connection closes."""
    terminates_unary_replies: bool
    """Whether the reply of an operation without events ends its stream."""
    message_key: str
    """Where an error's body has its text; the Python client reads ``message`` only."""
    forgets_tokens: bool
    """Whether every SVCUID is lost when the IPC daemon is restarted."""
    in_flight: InFlight | None
    """None if a publish is answered once the cloud has acknowledged it."""

    def error_body(self, error: IpcError) -> Mapping[str, str]:
        """Return the payload that reports ``error`` to a client."""
        return {"_errorCode": error.name, "_message": str(error), self.message_key: str(error)}


CLASSIC = Dialect(
    packet_limit=None,
    answers_refused_connect=True,
    terminates_unary_replies=True,
    message_key="message",
    forgets_tokens=False,
    in_flight=None,
)
LITE = Dialect(
    packet_limit=10_000,
    answers_refused_connect=False,
    terminates_unary_replies=False,
    message_key="_message",
    forgets_tokens=True,
    in_flight=InFlight(messages=10, payload_bytes=15_000),
)
