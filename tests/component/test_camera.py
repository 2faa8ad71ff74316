"""A camera that goes dark and comes back, as a stream that a real server serves."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from inference.names import telemetry_topic
from tests.component.conftest import CORE, Rig
from tests.local_core.support import eventually


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


@pytest.fixture
def camera(photographs: Path) -> Iterator[Camera]:
    made = Camera((photographs / "coffee.jpg").read_bytes())
    made.plug_in()
    yield made
    made.unplug()


def test_a_camera_that_goes_is_named_and_comes_back_by_itself(rig: Rig, camera: Camera) -> None:
    rig.configure(imageSource=f"http://user:secret@127.0.0.1:{camera.port}/stream.mjpg")
    rig.start()
    rig.await_predictions(3)
    camera.unplug()
    eventually(lambda: rig.faults() == ["no camera"], seconds=10)
    camera.plug_in()
    eventually(lambda: rig.faults() == [], seconds=15)
    rig.await_predictions(2)
    assert rig.stop() == 0
    last = rig.broker.on(telemetry_topic(CORE))[-1]
    [source] = last["sources"]
    assert source["reopened"] >= 1
    assert last["frames"]["failed"] == 0
    told = rig.log.read_text() + str(rig.broker.arrived)
    assert "secret" not in told


def test_the_source_changes_while_running(rig: Rig, camera: Camera) -> None:
    rig.configure(messageFormat="envelope")
    rig.start()
    rig.await_predictions(2)
    rig.merge(imageSource=f"http://127.0.0.1:{camera.port}/stream.mjpg")
    eventually(lambda: "127.0.0.1" in rig.predictions()[-1]["frame"]["source"], seconds=15)
    rig.merge(imageSource='["test-pattern:64x48", "static"]')
    eventually(lambda: rig.predictions()[-1]["frame"]["width"] == 64, seconds=15)
    eventually(lambda: rig.predictions()[-1]["frame"]["width"] > 64, seconds=15)
    assert rig.stop() == 0
