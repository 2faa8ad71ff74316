"""A gateway in front of the local cloud's S3, which can be slow, or refuse an object."""

from __future__ import annotations

import threading
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_REFUSAL = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
_OF_ONE_CONNECTION = ("connection", "transfer-encoding", "content-length", "date", "server")


class Gateway:
    """Passes requests on. ``delay`` is how long each upload waits before that, in seconds."""

    def __init__(self, endpoint: str) -> None:
        """Serve, in front of ``endpoint``."""
        self.delay = 0.0
        self._host = urlsplit(endpoint).netloc
        self._refuses_next = False
        self._refused = ""
        self.accepted_since = 0
        """How many other objects were accepted after the one that is refused."""
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._pass_on()

            def do_PUT(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if gateway._is_refused(self.path):
                    self._answer(403, {"Content-Type": "application/xml"}, _REFUSAL)
                    return
                gateway._wait()
                self._pass_on(body)

            def _pass_on(self, body: bytes = b"") -> None:
                upstream = HTTPConnection(gateway._host, timeout=30)
                upstream.request(self.command, self.path, body, dict(self.headers))
                answer = upstream.getresponse()
                headers = {
                    name: value
                    for name, value in answer.getheaders()
                    if name.lower() not in _OF_ONE_CONNECTION
                }
                self._answer(answer.status, headers, answer.read())
                upstream.close()

            def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                return

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: object, client_address: object) -> None:
                return  # a client that gave up

        self._awake = threading.Event()
        self._server = Server(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def slow_down(self, seconds: float) -> None:
        """Let each upload wait."""
        self._awake.clear()
        self.delay = seconds

    def speed_up(self) -> None:
        """Let no upload wait any more."""
        self.delay = 0.0
        self._awake.set()

    def refuse_one(self) -> None:
        """Refuse the next object from now on, and accept all others."""
        self._refused, self._refuses_next, self.accepted_since = "", True, 0

    def refuse_none(self) -> None:
        """Accept all objects."""
        self._refused, self._refuses_next = "", False

    def close(self) -> None:
        """End."""
        self._server.shutdown()
        self._server.server_close()

    def _wait(self) -> None:
        if self.delay:
            self._awake.wait(self.delay)

    def _is_refused(self, path: str) -> bool:
        if self._refuses_next:
            self._refused, self._refuses_next = path, False
        self.accepted_since += path != self._refused
        return path == self._refused
