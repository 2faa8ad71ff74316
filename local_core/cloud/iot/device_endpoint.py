"""The HTTPS endpoint of devices: mutual TLS, with the services behind it that take a certificate.

On AWS the credential provider and the data plane of Greengrass have a host name each.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import h11

from ...local_requests import refusal
from .. import location
from ..api.errors import ApiError
from ..api.rest_api import HttpReply
from ..emulator import verified_certificate
from .mutual_tls import MutualTls

_TIMEOUT_SECONDS = 30.0
_CHUNK = 65_536
_MAXIMUM_BODY = 1_000_000


@dataclass(frozen=True)
class DeviceRequest:
    """A request of a device; ``path`` is still percent-encoded, names of headers are lower case.

    ``certificate`` is the id of the certificate of which the device holds the key.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    certificate: str


class DeviceService(Protocol):
    """A service behind the endpoint."""

    def serve(self, request: DeviceRequest) -> HttpReply | None:
        """Answer a request, or return None if it is not for this service.

        Raises:
            ApiError: if it is refused.
        """


class DeviceEndpoint:
    """Serves devices' requests, one per connection, and can be stopped and started again."""

    def __init__(self, *, tls: MutualTls, services: Sequence[DeviceService], port: int) -> None:
        self._tls = tls
        self._services = services
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
                tls: ssl.SSLObject = writer.get_extra_info("ssl_object")
                request = await _read_request(reader, verified_certificate(tls))
                if request is not None:
                    reply = await asyncio.to_thread(self._reply, request)
                    writer.write(_encoded(reply))
                    await writer.drain()
        except (OSError, TimeoutError, h11.RemoteProtocolError):
            pass  # the client went away or does not speak HTTP: no reply can be sent
        finally:
            self._writers.discard(writer)
            writer.close()

    def _reply(self, request: DeviceRequest) -> HttpReply:
        headers = [(name.encode(), value.encode()) for name, value in request.headers.items()]
        try:
            if reason := refusal(headers):
                raise ApiError("AccessDeniedException", reason, 403)
            for service in self._services:
                reply = service.serve(request)
                if reply is not None:
                    return reply
            raise ApiError("ResourceNotFoundException", "Not Found", 404)
        except ApiError as error:
            return HttpReply.of_error(error)


async def _read_request(reader: asyncio.StreamReader, certificate: str) -> DeviceRequest | None:
    connection = h11.Connection(h11.SERVER)
    head: h11.Request | None = None
    body = bytearray()
    while len(body) <= _MAXIMUM_BODY:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(_CHUNK))
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage) and head is not None:
            path, _, query = head.target.decode().partition("?")
            headers = {name.decode(): value.decode("latin-1") for name, value in head.headers}
            method = head.method.decode()
            return DeviceRequest(method, path, query, headers, bytes(body), certificate)
        else:
            return None
    return None


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
