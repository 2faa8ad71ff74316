"""The socket that components connect to, and the tokens that tell them apart."""

from __future__ import annotations

import secrets
import socket
import threading
from collections.abc import Mapping
from pathlib import Path

from .connection import Connection
from .dialect import CLASSIC, Dialect
from .operations import Operation

MAX_SOCKET_PATH_BYTES = 106
"""A longer path does not fit ``sockaddr_un`` (unix(7)) in the client."""


class IpcServer:
    """Serves ``operations`` on a Unix socket, one thread for each connection.

    A component identifies itself by its token, which the nucleus hands it as ``SVCUID``.
    """

    def __init__(
        self,
        socket_path: Path,
        operations: Mapping[str, Operation],
        *,
        dialect: Dialect = CLASSIC,
    ) -> None:
        if len(bytes(socket_path)) > MAX_SOCKET_PATH_BYTES:
            raise ValueError(
                f"socket path longer than {MAX_SOCKET_PATH_BYTES} bytes: {socket_path}"
            )
        self.socket_path = socket_path
        self._operations = operations
        self._dialect = dialect
        self._lock = threading.Lock()
        self._tokens: dict[str, str] = {}
        self._connections: dict[Connection, threading.Thread] = {}
        self._stopping = False
        self._listener: socket.socket | None = None
        self._acceptor: threading.Thread | None = None

    def register(self, component: str) -> str:
        """Return a new token for ``component``; an earlier one is refused from now on."""
        token = secrets.token_urlsafe(12)
        with self._lock:
            self._tokens = {t: name for t, name in self._tokens.items() if name != component}
            self._tokens[token] = component
        return token

    @property
    def connection_count(self) -> int:
        """How many clients are connected."""
        with self._lock:
            return len(self._connections)

    def disconnect_all(self) -> None:
        """Close every connection, as a nucleus that is restarted does; clients may come back."""
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            connection.close()

    def start(self) -> None:
        """Listen; only this user may connect."""
        self._stopping = False
        self.socket_path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(self.socket_path))
        self.socket_path.chmod(0o600)
        self._listener.listen()
        self._acceptor = threading.Thread(
            target=self._accept, args=(self._listener,), name="ipc-accept", daemon=True
        )
        self._acceptor.start()

    def stop(self) -> None:
        """Close every connection and the socket, and wait for the threads; may be called twice."""
        with self._lock:
            self._stopping = True
            connections = dict(self._connections)
        if self._listener is not None and self._acceptor is not None:
            self._listener.shutdown(socket.SHUT_RDWR)  # A close alone does not wake accept().
            self._acceptor.join()
            self._listener.close()
            self._listener = None
        for connection in connections:
            connection.close()
        for thread in connections.values():
            thread.join()
        self.socket_path.unlink(missing_ok=True)

    def restart(self) -> None:
        """Stop and start, as a nucleus's IPC daemon that is restarted.

        On nucleus lite every token is refused from then on, until its component gets a new one.
        """
        self.stop()
        if self._dialect.forgets_tokens:
            with self._lock:
                self._tokens = {}
        self.start()

    def __enter__(self) -> IpcServer:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return  # stop() shut the listener down.
            connection = Connection(
                client,
                component_of=self._component_of,
                operations=self._operations,
                dialect=self._dialect,
            )
            thread = threading.Thread(
                target=self._serve, args=(connection,), name="ipc-connection", daemon=True
            )
            with self._lock:
                if self._stopping:
                    client.close()
                    return
                self._connections[connection] = thread
            thread.start()

    def _serve(self, connection: Connection) -> None:
        connection.serve()
        with self._lock:
            self._connections.pop(connection, None)

    def _component_of(self, token: str) -> str | None:
        with self._lock:
            return self._tokens.get(token)
