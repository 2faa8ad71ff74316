"""An MJPEG camera on loopback."""

from __future__ import annotations

import threading
import time
from base64 import b64encode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Camera:
    """An MJPEG camera on loopback that can be unplugged, or hang with its connections open."""

    def __init__(self, picture: bytes) -> None:
        self._picture = picture
        self._sends = threading.Event()
        self._sends.set()
        self._server: ThreadingHTTPServer | None = None
        self._plugged = threading.Event()
        self.port = 0
        self.password = ""

    def plug_in(self) -> None:
        """Serve, on the same port as before."""
        camera = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                camera._sends.wait()
                wanted = "Basic " + b64encode(f"user:{camera.password}".encode()).decode()
                if camera.password and self.headers.get("Authorization") != wanted:
                    self.send_response(401)
                    self.send_header("WWW-Authenticate", 'Basic realm="camera"')
                    self.end_headers()
                    return
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                head = "--frame\r\nContent-Type: image/jpeg\r\nContent-Length: "
                part = f"{head}{len(camera._picture)}\r\n\r\n".encode() + camera._picture + b"\r\n"
                while camera._plugged.is_set():
                    if not camera._sends.wait(0.5):
                        continue
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

    def freeze(self) -> None:
        """Accept connections, keep those that are open, and send nothing."""
        self._sends.clear()

    def thaw(self) -> None:
        """Send again."""
        self._sends.set()

    def unplug(self) -> None:
        """End every stream and refuse new ones."""
        self._plugged.clear()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
