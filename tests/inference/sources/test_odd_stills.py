"""Stills as odd cameras send them: what a browser shows is a frame."""

from __future__ import annotations

import gzip
import socket
import threading

import cv2
import numpy as np
import pytest

from inference.errors import FrameError
from inference.sources.cameras.jpeg_bytes import first_jpeg
from inference.sources.cameras.snapshot import SnapshotCapture

from .pictures import GRADIENT, encoded
from .servers import tcp_server

JPEG = encoded(".jpg")
PART = b"--cam\r\nContent-Type: image/jpeg\r\n\r\n" + JPEG + b"\r\n"
MULTIPART = "Content-Type: multipart/x-mixed-replace; boundary=cam"
END = b"\xff\xd9"


def still(headers: str, body: bytes) -> SnapshotCapture:
    """Return a capture of a server that sends this and closes the connection."""
    head = f"HTTP/1.1 200 OK\r\n{headers}\r\n\r\n".encode()
    released = threading.Event()

    def serve(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(head + body)
        connection.shutdown(socket.SHUT_WR)
        released.wait(1)

    with tcp_server(serve) as port:
        capture = SnapshotCapture(f"http://127.0.0.1:{port}/")
        try:
            found = capture.retrieve()
        finally:
            released.set()
    assert found is not None
    assert np.abs(found.image.astype(int) - GRADIENT).max() < 8
    return capture


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        pytest.param(f"Content-Length: {len(JPEG) + 48}", JPEG, id="length too long"),
        pytest.param(f"Content-Length: {len(JPEG) - 2}", JPEG, id="length too short"),
        pytest.param(f"Content-Length: {len(JPEG) - 1}", JPEG, id="length short by one"),
        pytest.param("Content-Type: image/jpeg", JPEG[:-2], id="no end"),
        pytest.param("Content-Type: image/jpeg", b"\r\n" + JPEG, id="line break before it"),
        pytest.param("Content-Type: image/jpeg", JPEG + b"\r\n", id="line break after it"),
        pytest.param("Content-Encoding: gzip", gzip.compress(JPEG), id="gzip"),
        pytest.param(MULTIPART, JPEG, id="only typed multipart"),
        pytest.param(MULTIPART, JPEG[:-2], id="only typed multipart, no end"),
        pytest.param(MULTIPART, PART + b"--cam--\r\n", id="one part"),
        pytest.param("Content-Type: multipart/mixed; boundary=cam", PART, id="mixed"),
    ],
)
def test_what_a_browser_shows_is_a_frame(headers: str, body: bytes) -> None:
    still(headers, body)


def test_the_first_picture_of_a_stream_that_does_not_end_is_the_still() -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(f"HTTP/1.1 200 OK\r\n{MULTIPART}\r\n\r\n".encode())
        while True:
            connection.sendall(PART)

    with tcp_server(serve) as port:
        found = SnapshotCapture(f"http://127.0.0.1:{port}/").retrieve()
    assert found is not None
    assert found.data == JPEG


@pytest.mark.parametrize("size", [100, len(JPEG) // 2, len(JPEG) - 60])
def test_half_a_picture_is_no_frame(size: int) -> None:
    for headers in (f"Content-Length: {len(JPEG)}", "Content-Type: image/jpeg", MULTIPART):
        with pytest.raises(FrameError):
            still(headers, JPEG[:size])


def test_a_picture_that_unpacks_without_end_is_refused() -> None:
    with pytest.raises(FrameError, match="is truncated, or larger than 16777216 bytes"):
        still("Content-Encoding: gzip", gzip.compress(bytes(64 << 20)))
    with pytest.raises(FrameError, match="cannot be unpacked"):
        still("Content-Encoding: gzip", JPEG)


def test_the_end_of_a_thumbnail_is_not_the_end_of_the_picture() -> None:
    thumbnail = encoded(".jpg", GRADIENT[:8, :8])
    segment = b"\xff\xe1" + (len(thumbnail) + 8).to_bytes(2, "big") + b"Exif\0\0" + thumbnail
    picture = JPEG[:2] + segment + JPEG[2:]
    assert first_jpeg(b"--cam\r\n\r\n" + picture + b"\r\n--cam") == picture
    assert cv2.imdecode(np.frombuffer(first_jpeg(picture), np.uint8), 1).shape == (48, 64, 3)
