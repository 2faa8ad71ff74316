"""The two kinds of connection to the broker: with a certificate, or with AWS credentials."""

from __future__ import annotations

import math
import socket
import ssl
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from local_core.device.setup import Address

from ..aws import tls_context
from ..device.certificates.keyfiles import KeyFolder, check_pair
from ..errors import MliError
from .proxy import proxy_for
from .signing import signed_path

CONNECT_SECONDS = 10.0
"""How long connecting may take, and each handshake after it."""

_MQTT_PORT, _HTTPS_PORT = 8883, 443
_ALPN = "x-amzn-mqtt-ca"
"""Distinguishes MQTT with a certificate from HTTPS, where a firewall opens only port 443."""


class Connection(ABC):
    """Creates an MQTT client for each attempt to connect."""

    address: Address
    client_id: str

    @abstractmethod
    def client(self) -> paho.Client:
        """Return a client that is not connected yet."""

    @property
    @abstractmethod
    def advice(self) -> str:
        """What a refusal by the broker means, and what fixes it."""


class CertificateConnection(Connection):
    """Mutual TLS with the certificate in a folder."""

    def __init__(self, keys: KeyFolder, endpoint: str, client_id: str) -> None:
        """Read the folder.

        Raises:
            MliError: if a file is missing, or key and certificate do not belong together.
        """
        for file in (keys.certificate, keys.private_key):
            if not file.exists():
                raise MliError(f"there is no {file}: `mli certificate NAME --watch` creates one")
        check_pair(keys.certificate.read_bytes(), keys.private_key.read_bytes(), str(keys.path))
        self.address = Address.parse(endpoint, _MQTT_PORT)
        self.client_id = client_id
        root = str(keys.root_ca) if keys.root_ca.exists() else None
        try:
            self._tls = ssl.create_default_context(cafile=root)
        except ssl.SSLError as error:
            raise MliError(f"{root} has no certificate that can be read: {error}") from None
        self._tls.load_cert_chain(keys.certificate, keys.private_key)
        if self.address.port == _HTTPS_PORT:
            self._tls.set_alpn_protocols([_ALPN])

    def client(self) -> paho.Client:
        """Return a client that presents the certificate."""
        created = _new_client(self.client_id, "tcp")
        created.tls_set_context(self._tls)
        return created

    @property
    def advice(self) -> str:
        """What a certificate needs to be allowed."""
        return (
            f"is the certificate active, and does one of its policies allow iot:Connect as "
            f"{self.client_id}, and iot:Subscribe and iot:Receive on mli/*, and also on "
            "feedback/message/prediction, which `mli watch --no-samples` does not need? "
            "`mli certificate NAME --watch` creates one that does"
        )


class CredentialsConnection(Connection):
    """WebSocket; each connection is signed with the AWS credentials that are valid then.

    ``plain`` is the address of a local cloud, which has no TLS there.
    """

    def __init__(
        self,
        credentials: Callable[[], Any],
        *,
        region: str,
        endpoint: str,
        client_id: str,
        plain: Address | None = None,
    ) -> None:
        self._credentials = credentials
        self._region = region
        self._is_local = plain is not None
        self.address = plain or Address.parse(endpoint, _HTTPS_PORT)
        self.client_id = client_id

    def client(self) -> paho.Client:
        """Return a client whose WebSocket is signed."""
        host = self.address.host
        if self._is_local:
            host = f"data-ats.iot.{self._region}.localhost"
        path = signed_path(self._credentials(), host=host, region=self._region)
        created = _new_client(self.client_id, "websockets")
        created.ws_set_options(path=path, headers=lambda usual: _handshake(usual, host))
        if not self._is_local:
            created.tls_set_context(tls_context())
        return created

    @property
    def advice(self) -> str:
        """What credentials need to be allowed."""
        return (
            "the credentials must allow iot:Connect, and iot:Subscribe and iot:Receive on mli/* "
            "and feedback/message/prediction, which `mli watch --no-samples` does not need "
            "(docs/permissions.md); have they expired? Sign in again"
        )


def _handshake(usual: Mapping[str, str], host: str) -> dict[str, str]:
    """Return paho's headers without its Origin, by which the local cloud knows a web page."""
    return {**{name: value for name, value in usual.items() if name != "Origin"}, "Host": host}


class _Client(paho.Client):
    """Connects through the proxy of the environment; paho itself would need PySocks for that.

    The handshakes of TLS and WebSocket may take as long as connecting: paho lets them take as long
    as ``keepalive``.
    """

    def _create_socket(self) -> Any:
        keep_alive, self._keepalive = self._keepalive, math.ceil(self._connect_timeout)
        try:
            return super()._create_socket()
        finally:
            self._keepalive = keep_alive

    def _create_socket_connection(self) -> socket.socket:
        proxy = proxy_for(self._host)
        if proxy is None:
            return super()._create_socket_connection()
        return proxy.connect(self._host, self._port, self._connect_timeout)


def _new_client(client_id: str, transport: Any) -> paho.Client:
    created = _Client(
        CallbackAPIVersion.VERSION2,
        client_id=client_id,
        transport=transport,
        reconnect_on_failure=False,
    )
    created.connect_timeout = CONNECT_SECONDS
    return created
