"""A camera whose HTTP answers can become hostile."""

from __future__ import annotations

import contextlib
import itertools
import socketserver
import threading
import time

_ANSWERS = (
    b"HTTP/1.1 500 " + b"key." * 16_384 + b"\r\n\r\n",
    b'HTTP/1.1 401 No\r\nWWW-Authenticate: Digest realm="' + b"pw=" * 21_845 + b'"\r\n\r\n',
    b"HTTP/1.1 200 OK\r\n" + b"X-Key: secret\r\n" * 10_000,
    b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: 99999999999999\r\n\r\n\xff",
    b"HTTP/1.1 302 Found\r\nLocation: http://user:password@127.0.0.1:9/" + b"a" * 60_000 + b"\r\n",
    bytes(range(256)) * 256,
)
_ENDLESS = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n\r\n\xff\xd8"


class HostileCamera:
    """Answers with a still, or while ``is_hostile`` with one of several hostile answers."""

    def __init__(self, still: bytes) -> None:
        """Serve ``still``, a JPEG."""
        self.is_hostile = False
        self.answered: set[int] = set()
        """Which hostile answers were sent."""
        head = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n"
        good = head % len(still) + still
        numbers = itertools.cycle(range(len(_ANSWERS) + 1))
        camera = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                while self.rfile.readline().strip():
                    pass
                with contextlib.suppress(OSError):
                    if not camera.is_hostile:
                        self.wfile.write(good)
                        return
                    number = next(numbers)
                    camera.answered.add(number)
                    if number < len(_ANSWERS):
                        self.wfile.write(_ANSWERS[number])
                        return
                    self.wfile.write(_ENDLESS)
                    while camera.is_hostile:
                        self.wfile.write(b"\0" * 1_000)
                        time.sleep(0.05)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def turn(self, *, hostile: bool) -> None:
        """Become hostile, or good again."""
        self.is_hostile = hostile

    def close(self) -> None:
        """End."""
        self._server.shutdown()
        self._server.server_close()
