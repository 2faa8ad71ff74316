"""Mutual TLS, as AWS IoT's endpoints require it: the device presents a certificate too."""

from __future__ import annotations

import ssl
import tempfile

from ..emulator import Emulator


class MutualTls:
    """The server's side of mutual TLS; certificates that are registered later are trusted too.

    This verifies only that the peer holds the key of a certificate that the registry knows or
    its authority signed; the endpoint checks whether the certificate is active.
    """

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self._loaded: set[str] = set()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.verify_mode = ssl.CERT_REQUIRED
        self.context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        certificate, key = emulator.server_certificate()
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as chain:  # created with mode 0600
            chain.write(certificate + key)
            chain.flush()
            self.context.load_cert_chain(chain.name)
        self._trust_registered()
        # Python calls this in each handshake before it verifies the peer, even without SNI.
        self.context.sni_callback = self._on_client_hello

    def _on_client_hello(
        self, tls: ssl.SSLSocket | ssl.SSLObject, name: str | None, context: ssl.SSLContext
    ) -> None:
        self._trust_registered()

    def _trust_registered(self) -> None:
        for identity, pem in self._emulator.trust_anchors():
            if identity not in self._loaded:
                self._loaded.add(identity)
                self.context.load_verify_locations(cadata=pem)
