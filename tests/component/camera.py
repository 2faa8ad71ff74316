"""An MJPEG camera on loopback."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Camera:
    """An MJPEG camera on loopback, which can be unplugged and plugged in again."""

    def __init__(self, picture: bytes) -> None:
        self._picture = picture
        self._server: ThreadingHTTPServer | None = None
        self._plugged = threading.Event()
        self.port = 0

    def plug_in(self) -> None:
        """Serve, on the same port as before."""
        camera = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                head = "--frame\r\nContent-Type: image/jpeg\r\nContent-Length: "
                part = f"{head}{len(camera._picture)}\r\n\r\n".encode() + camera._picture + b"\r\n"
                while camera._plugged.is_set():
                    self.wfile.write(part)
                    time.sleep(0.04)

            def log_message(self, format: str, *args: object) -> None:
                return

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: object, client_address: object) -> None:
                return  # a client that went away

        self._plugged.set()
        self._server = Server(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def unplug(self) -> None:
        """End every stream and refuse new ones."""
        self._plugged.clear()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
