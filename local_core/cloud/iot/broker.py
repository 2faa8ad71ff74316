"""The MQTT broker's listener: mutual TLS on loopback, with ministack's sessions behind it."""

from __future__ import annotations

import asyncio

from .. import location
from ..emulator import Emulator
from .mutual_tls import MutualTls


class Broker:
    """AWS IoT Core's message broker, which can be stopped and started again.

    Subscriptions, retained messages and sessions stay while it is stopped. A session is held to
    the policies of its certificate, topic by topic.
    """

    def __init__(self, *, emulator: Emulator, tls: MutualTls, port: int) -> None:
        self._emulator = emulator
        self._tls = tls
        self._port = port
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen."""
        if self._server is None:
            self._server = await asyncio.start_server(
                self._emulator.serve_mqtt, location.HOST, self._port, ssl=self._tls.context
            )

    async def stop(self) -> None:
        """Refuse connections and cut those that there are."""
        if self._server is not None:
            self._server.close()
            self._server = None
            self._emulator.abort_mqtt_sessions()
