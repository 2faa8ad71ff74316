"""Stills over HTTP, from a real server that can be slow, wrong, large or strict."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from inference.errors import FrameError
from inference.sources import open_source
from inference.sources.snapshot import SnapshotCapture

from .servers import free_port, jpeg, require_frame, until


class Camera(ThreadingHTTPServer):
    """Hands out ``still``; what it was asked is in ``requests``."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.still = jpeg(50)
        self.etag = ""
        self.credentials = ""
        self.code = 200
        self.trickle = 0.0
        self.short = 0
        self.requests: list[str] = []

    def url(self, user: str = "") -> str:
        return f"http://{user}127.0.0.1:{self.server_address[1]}/still.jpg?token=abc"


class Handler(BaseHTTPRequestHandler):
    server: Camera

    def do_GET(self) -> None:
        camera = self.server
        camera.requests.append(self.path)
        wanted = "Basic " + base64.b64encode(camera.credentials.encode()).decode()
        if camera.credentials and self.headers.get("Authorization") != wanted:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="camera"')
            self.end_headers()
            return
        if camera.etag and self.headers.get("If-None-Match") == camera.etag:
            self.send_response(304)
            self.end_headers()
            return
        self.send_response(camera.code)
        self.send_header("Content-Length", str(len(camera.still) + camera.short))
        if camera.etag:
            self.send_header("ETag", camera.etag)
        self.end_headers()
        for start in range(0, len(camera.still), 100 if camera.trickle else len(camera.still)):
            end = start + 100 if camera.trickle else len(camera.still)
            self.wfile.write(camera.still[start:end])
            time.sleep(camera.trickle)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def camera() -> Iterator[Camera]:
    with Camera() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def test_a_still_carries_its_own_bytes(camera: Camera) -> None:
    still = SnapshotCapture(camera.url()).read()
    assert still is not None
    assert (still.image.shape, still.data) == ((48, 64, 3), camera.still)


def test_an_unchanged_still_is_no_new_frame(camera: Camera) -> None:
    camera.etag = '"1"'
    capture = SnapshotCapture(camera.url(), min_interval=0)
    assert capture.read() is not None
    assert capture.read() is None
    camera.etag = '"2"'
    assert capture.read() is not None


def test_user_and_password_are_unescaped_and_sent(camera: Camera) -> None:
    camera.credentials = "admin:p@ss/w"
    assert SnapshotCapture(camera.url("admin:p%40ss%2Fw@")).read() is not None
    with pytest.raises(OSError, match="401 Unauthorized; check user and password"):
        SnapshotCapture(camera.url("admin:wrong@")).read()


def test_stills_are_a_bounded_time_apart(camera: Camera) -> None:
    waits: list[float] = []
    capture = SnapshotCapture(camera.url(), min_interval=5, wait=waits.append)
    capture.read()
    capture.read()
    assert waits[0] == 0
    assert 4 < waits[1] <= 5


def test_a_still_that_trickles_in_is_given_up_in_time(camera: Camera) -> None:
    camera.still, camera.trickle = bytes(10_000), 0.05
    started = time.monotonic()
    with pytest.raises(OSError, match=r"did not come whole within 0\.3 s"):
        SnapshotCapture(camera.url(), timeout=0.3).read()
    assert time.monotonic() - started < 1


def test_a_still_without_end_or_too_early_an_end_is_refused(camera: Camera) -> None:
    with pytest.raises(FrameError, match="is larger than 100 bytes"):
        SnapshotCapture(camera.url(), max_bytes=100).read()
    camera.short = 10
    with pytest.raises(FrameError, match=r"token=\*\*\*: ended after"):
        SnapshotCapture(camera.url()).read()


@pytest.mark.parametrize("code", [404, 500])
def test_a_refusal_names_its_code(camera: Camera, code: int) -> None:
    camera.code = code
    with pytest.raises(OSError, match=f"the server answers {code}"):
        SnapshotCapture(camera.url()).read()


def test_no_server_is_said_without_the_address() -> None:
    with pytest.raises(OSError, match="Connection refused") as error:
        SnapshotCapture(f"http://a:hunter2@127.0.0.1:{free_port()}/").read()
    assert "hunter2" not in str(error.value)


def test_a_still_is_fetched_only_when_it_is_asked_for(camera: Camera) -> None:
    source = open_source("snapshot+" + camera.url("admin:hunter2@"), repeat=True)
    time.sleep(0.1)
    assert camera.requests == []
    frame = require_frame(source)
    assert frame.encoded() == camera.still
    assert frame.source.startswith("snapshot+http://***@127.0.0.1:")
    camera.code = 500
    with pytest.raises(FrameError):
        source.read()
    until(lambda: source.statuses()[0].state == "lost", 2)
    camera.code = 200
    require_frame(source)
    source.close()
