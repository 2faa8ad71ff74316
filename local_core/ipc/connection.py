"""One component's connection: it is authenticated once, then its requests are answered."""

from __future__ import annotations

import json
import logging
import socket
import struct
import threading
from collections.abc import Callable, Mapping

from .authorization import NAMESPACE
from .codec import Message, MessageFlag, MessageType, PacketError, encode, read_packet
from .dialect import Dialect
from .errors import IpcError, ServiceError
from .operations import Call, Operation
from .request import Request
from .stream import Body, EventStream

_PROTOCOL_VERSION = "0.1.0"
_REFUSAL_SECONDS = 2
_SEND_SECONDS = 10
"""How long a client that does not read may block a sender."""

_log = logging.getLogger(__name__)


class Connection:
    """Reads one client's packets until either side closes."""

    def __init__(
        self,
        client: socket.socket,
        *,
        component_of: Callable[[str], str | None],
        operations: Mapping[str, Operation],
        dialect: Dialect,
    ) -> None:
        client.setsockopt(
            socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", _SEND_SECONDS, 0)
        )
        self._socket = client
        self._component_of = component_of
        self._operations = operations
        self._dialect = dialect
        self._send_lock = threading.Lock()
        self._streams: dict[int, EventStream] = {}

    def serve(self) -> None:
        """Answer until the client leaves, breaks the protocol, or :meth:`close` is called."""
        try:
            component = self._authenticate()
            while component is not None:
                self._handle(component, self._read())
        except EOFError:
            pass
        except (PacketError, OSError, IpcError) as error:
            _log.warning("connection closed: %s", error)
        finally:
            for stream in list(self._streams.values()):
                stream.close()
            self.close()
            with self._send_lock:
                self._socket.close()

    def close(self) -> None:
        """End the connection from any thread; :meth:`serve` returns soon after."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # The client was faster.

    def _authenticate(self) -> str | None:
        message = self._read()
        component = None
        version = message.headers.get(":version")
        if message.type == MessageType.CONNECT and version == _PROTOCOL_VERSION:
            component = self._component_of(_auth_token(message.payload))
        if component is not None:
            self._send(Message(MessageType.CONNECT_ACK, 0, MessageFlag.CONNECTION_ACCEPTED))
            return component
        _log.warning("connection refused: invalid svcuid")
        if self._dialect.answers_refused_connect:
            self._send(Message(MessageType.CONNECT_ACK, 0))
            self._await_close()
        return component

    def _await_close(self) -> None:
        """Let the client close first: a close right after the refusal can overtake it."""
        self._socket.settimeout(_REFUSAL_SECONDS)
        while self._socket.recv(4096):
            pass

    def _handle(self, component: str, message: Message) -> None:
        if message.type == MessageType.PING:
            self._send(Message(MessageType.PING_RESPONSE, 0, payload=message.payload))
        elif message.type != MessageType.APPLICATION_MESSAGE or message.stream_id <= 0:
            return
        elif message.flags & MessageFlag.TERMINATE_STREAM:
            stream = self._streams.pop(message.stream_id, None)
            if stream is not None:
                stream.close()
        elif message.stream_id not in self._streams:
            self._answer(component, message)

    def _answer(self, component: str, message: Message) -> None:
        stream_id = message.stream_id
        name = str(message.headers.get("operation", "")).removeprefix(NAMESPACE)
        events = EventStream(lambda shape, body: self._send_event(stream_id, shape, body))
        try:
            operation = self._operations.get(name)
            if operation is None:
                raise ServiceError(f"Operation {name} is not supported")
            call = Call(component, Request.parse(message.payload), events)
            body = _guarded(operation, call)
            if operation.subscribes:
                self._streams[stream_id] = events
            last = self._dialect.terminates_unary_replies and not operation.subscribes
            flag = MessageFlag.TERMINATE_STREAM if last else MessageFlag.NONE
            self._send_shape(stream_id, f"{name}Response", body, flag)
        except IpcError as error:
            self._streams.pop(stream_id, None)
            events.close()
            self._send_error(stream_id, error)
            return
        events.open()

    def _send_event(self, stream_id: int, shape: str, body: Body) -> None:
        """Send an event; a failure must not affect the caller that caused the event."""
        try:
            self._send_shape(stream_id, shape, body, MessageFlag.NONE)
        except ServiceError as error:
            _log.error("%s not sent: %s", shape, error)
        except OSError as error:
            _log.warning("client gone: %s", error)
            self.close()

    def _send_error(self, stream_id: int, error: IpcError) -> None:
        body = self._dialect.error_body(error)
        self._send_shape(
            stream_id,
            error.name,
            body,
            MessageFlag.TERMINATE_STREAM,
            kind=MessageType.APPLICATION_ERROR,
        )

    def _send_shape(
        self,
        stream_id: int,
        shape: str,
        body: Body,
        flags: MessageFlag,
        *,
        kind: MessageType = MessageType.APPLICATION_MESSAGE,
    ) -> None:
        headers = {":content-type": "application/json", "service-model-type": NAMESPACE + shape}
        self._send(Message(kind, stream_id, flags, headers, json.dumps(body).encode()))

    def _send(self, message: Message) -> None:
        packet = encode(message)
        limit = self._dialect.packet_limit
        if limit is not None and len(packet) > limit:
            raise ServiceError(f"packet of {len(packet)} bytes exceeds the limit of {limit}")
        with self._send_lock:
            self._socket.sendall(packet)

    def _read(self) -> Message:
        return read_packet(self._read_exactly, self._dialect.packet_limit)

    def _read_exactly(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            part = self._socket.recv(min(size - len(data), 1 << 16))
            if not part:
                raise EOFError
            data += part
        return bytes(data)


def _auth_token(payload: bytes) -> str:
    try:
        fields = json.loads(payload)
    except ValueError:
        return ""
    token = fields.get("authToken") if isinstance(fields, dict) else None
    return token if isinstance(token, str) else ""


def _guarded(operation: Operation, call: Call) -> Body:
    """Answer ``call``; an internal error is a ServiceError to the client and a line in the log."""
    try:
        return operation.answer(call)
    except IpcError:
        raise
    except Exception as error:
        _log.exception("operation failed")
        raise ServiceError(f"Internal error: {error}") from error
