"""A loopback port that stays reserved while nothing listens on it."""

from __future__ import annotations

import socket

from .location import HOST


class ReservedPort:
    """A free loopback port, held until ``release``.

    The socket is bound and never listens. Linux lets a listener with SO_REUSEADDR bind the port
    beside it (socket(7)), refuses connections while there is none, and gives the port to no
    process that asks for a free one. So a stopped part returns at its old address.
    """

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((HOST, 0))
        self.number: int = self._socket.getsockname()[1]

    def release(self) -> None:
        """Release the port."""
        self._socket.close()
