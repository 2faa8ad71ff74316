"""Serves the page on loopback, in a thread of its own."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from typing import Any, Self

import hypercorn.asyncio
import hypercorn.config

from ..errors import MliError
from .application import Application
from .board import Board
from .controls import Controls
from .gate import Gate
from .pictures import Pictures

HOST = "127.0.0.1"
_GRACE_SECONDS = 1.0
"""Tabs that are open keep their connection; stopping does not wait for them."""


class Server:
    """A context in which the page is served."""

    def __init__(
        self,
        board: Board,
        pictures: Pictures | None,
        controls: Controls | None = None,
        *,
        port: int = 0,
    ) -> None:
        """Take a port, a free one by default. Without ``controls`` nothing can be changed.

        Raises:
            MliError: if the port is taken.
        """
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((HOST, port))
        except OSError as error:
            self._socket.close()
            raise MliError(f"--port {port}: {error.strerror}; choose another port") from None
        self.port: int = self._socket.getsockname()[1]
        self._gate = Gate(self.port)
        self._controls = controls or Controls(None)
        self._application = Application(board, self._gate, pictures, self._controls)
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="view", daemon=True)

    @property
    def address(self) -> str:
        """What to open in a browser."""
        return self._gate.address

    def __enter__(self) -> Self:
        self._socket.listen()  # connections wait until Hypercorn accepts them
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._controls.close()
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(_GRACE_SECONDS + 4)

    def _run(self) -> None:
        config = hypercorn.config.Config()
        config.bind = [f"fd://{self._socket.detach()}"]
        config.graceful_timeout = _GRACE_SECONDS
        config.accesslog = None
        config.errorlog = logging.getLogger("view")
        config.websocket_max_message_size = 4096
        serving: Any = hypercorn.asyncio.serve(
            self._application, config, shutdown_trigger=self._stop.wait
        )
        self._loop.set_exception_handler(_ignore_cut_tabs)
        self._loop.run_until_complete(serving)


def _ignore_cut_tabs(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Leave out what asyncio reports of a connection that was cut because the server stops."""
    if not isinstance(context.get("exception"), asyncio.CancelledError):
        loop.default_exception_handler(context)
