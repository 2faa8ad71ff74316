"""The HTTP listener of the endpoint."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

import hypercorn.asyncio
import hypercorn.config

from .. import location

_KEEP_ALIVE_SECONDS = 75
_GRACE_SECONDS = 0.2
"""How long a stop waits for open requests; short, because tests inject it as a fault."""

_POLL_SECONDS = 0.01


class Gateway:
    """Serves one application on loopback, and can be stopped and started again."""

    def __init__(self, *, application: Any, port: int) -> None:
        self._application = application
        self._config = hypercorn.config.Config()
        self._port = port
        self._config.bind = [f"{location.HOST}:{port}"]
        self._config.keep_alive_timeout = _KEEP_ALIVE_SECONDS
        self._config.graceful_timeout = _GRACE_SECONDS
        self._config.accesslog = None
        self._config.errorlog = logging.getLogger("gateway")
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen."""
        if self._task is None:
            self._stop = asyncio.Event()
            serve = hypercorn.asyncio.serve(
                self._application, self._config, shutdown_trigger=self._stop.wait
            )
            self._task = asyncio.create_task(serve)
            await self._until_listening(self._task)

    async def stop(self) -> None:
        """Refuse connections, and cut those that are still open after a moment."""
        if self._task is not None:
            self._stop.set()
            await asyncio.wait({self._task}, timeout=_GRACE_SECONDS + 2)
            self._task = None

    async def _until_listening(self, task: asyncio.Task[None]) -> None:
        while not task.done():
            with contextlib.suppress(ConnectionRefusedError):
                _, writer = await asyncio.open_connection(location.HOST, self._port)
                writer.close()
                return
            await asyncio.sleep(_POLL_SECONDS)
        await task
