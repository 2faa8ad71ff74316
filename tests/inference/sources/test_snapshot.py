"""Stills over HTTP, from a real server that can be slow, wrong, large or strict."""

from __future__ import annotations

import base64
import hashlib
import re
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from inference.errors import FrameError
from inference.sources import open_source
from inference.sources.cameras.attempt import AccessRefusedError
from inference.sources.cameras.snapshot import SnapshotCapture
from tests.waiting import eventually

from .servers import certificate, free_port, jpeg, needs_ipv6, require_frame, tcp_server

PASSWORD = 'p@ss/w"ö'
USER = "admin:p%40ss%2Fw%22%C3%B6@"


class Camera(ThreadingHTTPServer):
    """Hands out ``still``; what it was asked is in ``requests``, and by whom in ``authorized``."""

    daemon_threads = True

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, 0), Handler)
        self.still = jpeg(50)
        self.etag = ""
        self.scheme = ""
        self.nonce = "first"
        self.code = 200
        self.trickle = 0.0
        self.short = 0
        self.chunked = False
        self.moved_to = ""
        self.content_type = "image/jpeg"
        self.requests: list[str] = []
        self.authorized: list[str] = []

    def url(self, user: str = "", path: str = "/still.jpg?token=abc") -> str:
        return f"http://{user}127.0.0.1:{self.server_address[1]}{path}"


class Handler(BaseHTTPRequestHandler):
    server: Camera
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        camera = self.server
        camera.requests.append(self.path)
        camera.authorized.append(self.headers.get("Authorization", ""))
        if camera.scheme and not self.is_authorized():
            self.send_response(401)
            for challenge in self.challenges():
                self.send_header("WWW-Authenticate", challenge)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if camera.moved_to and self.path.startswith("/still.jpg"):
            self.send_response(302)
            self.send_header("Location", camera.moved_to)
            self.end_headers()
            return
        if camera.etag and self.headers.get("If-None-Match") == camera.etag:
            self.send_response(304)
            self.end_headers()
            return
        self.send_response(camera.code)
        self.send_header("Content-Type", camera.content_type)
        if camera.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(len(camera.still) + camera.short))
        if camera.etag:
            self.send_header("ETag", camera.etag)
        self.end_headers()
        size = 100 if camera.trickle or camera.chunked else len(camera.still)
        for start in range(0, len(camera.still), size):
            part = camera.still[start : start + size]
            if camera.chunked:
                part = f"{len(part):x}\r\n".encode() + part + b"\r\n"
            self.wfile.write(part)
            time.sleep(camera.trickle)
        if camera.chunked and not camera.short:
            self.wfile.write(b"0\r\n\r\n")
        self.close_connection = True

    def challenges(self) -> list[str]:
        digest = f'Digest realm="camera", nonce="{self.server.nonce}", qop="auth", algorithm='
        return {
            "basic": ['Basic realm="camera"'],
            "digest": [digest + "SHA-256", digest + "MD5", 'Basic realm="camera"'],
            "ntlm": ["NTLM"],
        }[self.server.scheme]

    def is_authorized(self) -> bool:
        header = self.headers.get("Authorization", "").encode("latin-1").decode()
        if self.server.scheme == "basic":
            return header == "Basic " + base64.b64encode(f"admin:{PASSWORD}".encode()).decode()
        given = {name: quoted or plain for name, quoted, plain in
                 re.findall(r'(\w+)=(?:"((?:[^"\\]|\\.)*)"|([^", ]+))', header)}  # fmt: skip

        def hashed(*parts: str) -> str:
            return hashlib.sha256(":".join(parts).encode()).hexdigest()

        wanted = hashed(
            hashed("admin", "camera", PASSWORD),
            self.server.nonce,
            given.get("nc", ""),
            given.get("cnonce", ""),
            "auth",
            hashed("GET", self.path),
        )
        return given.get("response") == wanted and given.get("uri") == self.path

    def log_message(self, *_: object) -> None:
        return


def served() -> Iterator[Camera]:
    with Camera() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


camera = pytest.fixture(served, name="camera")
other = pytest.fixture(served, name="other")


def test_a_still_carries_its_own_bytes(camera: Camera) -> None:
    still = SnapshotCapture(camera.url()).retrieve()
    assert still is not None
    assert (still.image.shape, still.data) == ((48, 64, 3), camera.still)


def test_an_unchanged_still_is_no_new_frame(camera: Camera) -> None:
    camera.etag = '"1"'
    capture = SnapshotCapture(camera.url(), min_interval=0)
    assert capture.retrieve() is not None
    assert capture.retrieve() is None
    camera.etag = '"2"'
    assert capture.retrieve() is not None


@pytest.mark.parametrize("scheme", ["basic", "digest"])
def test_user_and_password_are_unescaped_and_sent(camera: Camera, scheme: str) -> None:
    camera.scheme = scheme
    assert SnapshotCapture(camera.url(USER)).retrieve() is not None
    with pytest.raises(AccessRefusedError) as error:
        SnapshotCapture(camera.url("admin:hunter2@")).retrieve()
    assert str(error.value) == "401 Unauthorized: check user and password in imageSource"
    with pytest.raises(AccessRefusedError, match="needs user and password before the host"):
        SnapshotCapture(camera.url()).retrieve()


def test_a_camera_that_knows_digest_never_sees_the_password(camera: Camera) -> None:
    camera.scheme = "digest"
    SnapshotCapture(camera.url(USER)).retrieve()
    assert [header.partition(" ")[0] for header in camera.authorized] == ["", "Digest"]
    assert "SHA-256" in camera.authorized[1]


def test_a_challenge_is_answered_once_and_again_when_it_is_stale(camera: Camera) -> None:
    camera.scheme = "digest"
    capture = SnapshotCapture(camera.url(USER))
    for _ in range(3):
        assert capture.retrieve() is not None
    assert len(camera.requests) == 4
    camera.nonce = "second"
    assert capture.retrieve() is not None
    assert len(camera.requests) == 6


def test_a_scheme_that_nobody_knows_is_said(camera: Camera) -> None:
    camera.scheme = "ntlm"
    with pytest.raises(AccessRefusedError, match="neither Basic nor Digest"):
        SnapshotCapture(camera.url(USER)).retrieve()


@pytest.mark.parametrize("scheme", ["", "digest"])
def test_a_redirect_on_the_same_server_is_followed(camera: Camera, scheme: str) -> None:
    camera.scheme, camera.moved_to = scheme, "/image a.jpg?x=1"
    assert SnapshotCapture(camera.url(USER)).retrieve() is not None
    assert camera.requests[-1] == "/image%20a.jpg?x=1"


def test_credentials_do_not_follow_a_redirect_to_another_server(
    camera: Camera, other: Camera
) -> None:
    camera.scheme, camera.moved_to = "basic", other.url(path="/image.jpg?key=abc")
    assert SnapshotCapture(camera.url(USER)).retrieve() is not None
    other.scheme = "basic"
    with pytest.raises(AccessRefusedError, match=r"another server.*name that address") as error:
        SnapshotCapture(camera.url(USER)).retrieve()
    assert "abc" not in str(error.value)
    assert set(other.authorized) == {""}


@pytest.mark.parametrize(
    "target",
    [
        "file:///etc/passwd",
        "ftp://127.0.0.1/a",
        "http://:1/",
        "data:,a",
        "http://[::1",
        "//a:99999/",
    ],
)
def test_a_redirect_to_what_is_not_http_is_refused(camera: Camera, target: str) -> None:
    camera.moved_to = target
    with pytest.raises(OSError, match=r"it redirects to .* not an HTTP address"):
        SnapshotCapture(camera.url()).retrieve()


def test_characters_that_are_no_ascii_are_escaped_as_browsers_do(camera: Camera) -> None:
    assert SnapshotCapture(camera.url(path="/tür.jpg?gruß=%20|")).retrieve() is not None
    assert camera.requests[-1] == "/t%C3%BCr.jpg?gru%C3%9F=%20|"
    camera.moved_to = "/höf.jpg".encode().decode("latin-1")
    assert SnapshotCapture(camera.url()).retrieve() is not None
    assert camera.requests[-1] == "/h%C3%B6f.jpg"


def test_a_circle_of_redirects_ends(camera: Camera) -> None:
    camera.moved_to = "/still.jpg?again"
    with pytest.raises(OSError, match="redirects too often"):
        SnapshotCapture(camera.url()).retrieve()
    assert len(camera.requests) < 10


def test_a_still_in_chunks_is_put_together_and_half_of_one_refused(camera: Camera) -> None:
    camera.chunked = True
    still = SnapshotCapture(camera.url()).retrieve()
    assert still is not None
    assert still.data == camera.still
    camera.short = 1
    with pytest.raises(OSError, match="it closed the connection before the end"):
        SnapshotCapture(camera.url()).retrieve()


def test_headers_that_trickle_in_are_given_up_in_time() -> None:
    def trickle(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while True:
            connection.sendall(b"x")
            time.sleep(0.05)

    with tcp_server(trickle) as port:
        started = time.monotonic()
        with pytest.raises(OSError, match=r"did not arrive completely within 0\.3 s"):
            SnapshotCapture(f"http://127.0.0.1:{port}/", timeout=0.3).retrieve()
        assert time.monotonic() - started < 1


def test_a_length_beyond_all_bounds_is_refused_before_the_body(camera: Camera) -> None:
    camera.short, camera.trickle = 1 << 60, 9
    with pytest.raises(FrameError, match="is larger than 16777216 bytes"):
        SnapshotCapture(camera.url()).retrieve()


def test_a_login_page_and_a_stream_in_the_place_of_a_still_are_named(camera: Camera) -> None:
    camera.still = b"\n<!DOCTYPE html><title>Log in</title>"
    with pytest.raises(FrameError, match="is a web page or other text"):
        SnapshotCapture(camera.url()).retrieve()
    camera.content_type = "multipart/x-mixed-replace; boundary=x"
    with pytest.raises(OSError, match=r"leave out snapshot\+"):
        SnapshotCapture(camera.url()).retrieve()


def test_a_certificate_of_its_own_making_is_refused_until_it_is_trusted(
    camera: Camera, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    camera.socket = certificate(tmp_path).wrap_socket(camera.socket, server_side=True)
    url = camera.url().replace("http:", "https:")
    with pytest.raises(OSError, match=r"certificate is not trusted .* as #ca_file=/path"):
        SnapshotCapture(url).retrieve()
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate"))
    assert SnapshotCapture(url).retrieve() is not None


@needs_ipv6
def test_an_address_of_ipv6_works() -> None:
    with Camera("::1") as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        server.scheme = "digest"
        url = f"http://{USER}[::1]:{server.server_address[1]}/still.jpg"
        assert SnapshotCapture(url).retrieve() is not None
        server.shutdown()


def test_stills_are_a_bounded_time_apart(camera: Camera) -> None:
    waits: list[float] = []
    capture = SnapshotCapture(camera.url(), min_interval=5, wait=waits.append)
    capture.grab()
    capture.grab()
    assert waits[0] == 0
    assert 4 < waits[1] <= 5


def test_a_still_that_trickles_in_is_given_up_in_time(camera: Camera) -> None:
    camera.still, camera.trickle = bytes(10_000), 0.05
    started = time.monotonic()
    with pytest.raises(OSError, match=r"did not arrive completely within 0\.3 s"):
        SnapshotCapture(camera.url(), timeout=0.3).retrieve()
    assert time.monotonic() - started < 1


def test_a_still_without_end_or_too_early_an_end_is_refused(camera: Camera) -> None:
    with pytest.raises(FrameError, match="is larger than 100 bytes"):
        SnapshotCapture(camera.url(), max_bytes=100).retrieve()
    camera.still, camera.short = camera.still[:-100], 100
    with pytest.raises(FrameError, match=r"token=\*\*\*: ended after"):
        SnapshotCapture(camera.url()).retrieve()


@pytest.mark.parametrize("code", [404, 500])
def test_a_refusal_names_its_code(camera: Camera, code: int) -> None:
    camera.code = code
    with pytest.raises(OSError, match=f"the server answers {code}"):
        SnapshotCapture(camera.url()).retrieve()


def test_no_server_is_said_without_the_address() -> None:
    with pytest.raises(OSError, match="Connection refused") as error:
        SnapshotCapture(f"http://a:hunter2@127.0.0.1:{free_port()}/").retrieve()
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
    eventually(lambda: source.statuses()[0].state == "lost", 2)
    camera.code = 200
    require_frame(source)
    source.close()
