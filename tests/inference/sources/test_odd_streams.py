"""MJPEG as odd cameras send it: what a browser shows is a frame."""

from __future__ import annotations

import socket
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.errors import FrameError
from inference.sources.cameras.demand import Demand
from inference.sources.cameras.http_client import HttpClient
from inference.sources.cameras.jpeg_bytes import JpegSplitter
from inference.sources.cameras.mjpeg import MjpegCapture
from inference.sources.cameras.network import open_network
from inference.sources.specification import Stream

from .pictures import GRADIENT, encoded
from .servers import tcp_server

JPEG = encoded(".jpg")
OTHER = encoded(".jpg", GRADIENT[::-1, ::-1].copy())
MULTIPART = "Content-Type: multipart/x-mixed-replace; boundary=cam"


def part(picture: bytes, *headers: str, before: str = "--cam", after: str = "\r\n") -> bytes:
    head = "".join(f"{header}\r\n" for header in headers)
    line = f"{before}\r\n" if before else ""
    return f"{line}{head}\r\n".encode() + picture + after.encode()


def sends(head: str, *pieces: bytes) -> Callable[[socket.socket], None]:
    def serve(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(f"{head}\r\n\r\n".encode())
        for piece in pieces:
            connection.sendall(piece)
        connection.shutdown(socket.SHUT_WR)

    return serve


def images(serve: Callable[[socket.socket], None], count: int) -> list[bytes]:
    """Return the first pictures of a camera, each of which must be one that it sent."""
    found = []
    with tcp_server(serve) as port:
        capture = open_network(Stream("camera", f"http://127.0.0.1:{port}/"), Demand())
        try:
            for _ in range(count):
                capture.grab()
                still = capture.retrieve()
                assert still is not None
                assert still.data is not None
                expected = GRADIENT if still.data.startswith(JPEG[:-2]) else GRADIENT[::-1, ::-1]
                assert np.abs(still.image.astype(int) - expected).max() < 8
                found.append(still.data)
        finally:
            capture.close()
    return found


TYPE = "Content-Type: image/jpeg"
LENGTH = f"Content-Length: {len(JPEG)}"
CAMERAS = {
    "as it should be": (MULTIPART, part(JPEG, TYPE, LENGTH)),
    "no first boundary": (MULTIPART, part(JPEG, TYPE, LENGTH, before="")),
    "image/jpg": (MULTIPART, part(JPEG, "Content-Type: image/jpg", LENGTH)),
    "no type": (MULTIPART, part(JPEG, LENGTH)),
    "no headers at all": (MULTIPART, part(JPEG)),
    "another boundary": (MULTIPART, part(JPEG, TYPE, before="--other")),
    "a boundary without dashes": (MULTIPART, part(JPEG, TYPE, before="cam")),
    "a length too long": (MULTIPART, part(JPEG, TYPE, f"Content-Length: {len(JPEG) + 20}")),
    "a length too short": (MULTIPART, part(JPEG, TYPE, "Content-Length: 20")),
    "no line break at the end": (MULTIPART, part(JPEG, TYPE, after="")),
    "no boundary named": ("Content-Type: multipart/x-mixed-replace", part(JPEG, TYPE)),
    "only pictures": ("Content-Type: video/x-motion-jpeg", JPEG),
    "typed as one picture": ("Content-Type: image/jpeg", JPEG),
    "typed as bytes": ("Content-Type: application/octet-stream", part(JPEG, TYPE)),
    "typed as bytes, only pictures": ("Content-Type: application/octet-stream", JPEG),
    "no type of the answer": ("Server: camera", JPEG),
}


@pytest.mark.parametrize("name", CAMERAS)
@pytest.mark.parametrize("status", ["HTTP/1.1 200 OK", "ICY 200 OK"])
def test_what_a_browser_shows_is_a_frame(name: str, status: str) -> None:
    headers, piece = CAMERAS[name]
    other = piece.replace(JPEG, OTHER)
    assert images(sends(f"{status}\r\n{headers}", piece, other), 2) == [JPEG, OTHER]


@pytest.mark.parametrize("headers", [(TYPE,), (TYPE, LENGTH)])
def test_a_picture_without_its_end_lasts_until_the_next(headers: tuple[str, ...]) -> None:
    piece = part(JPEG[:-2], *headers)
    serve = sends(f"HTTP/1.1 200 OK\r\n{MULTIPART}", piece, piece, piece)
    assert images(serve, 2) == [JPEG[:-2]] * 2


def test_a_torn_picture_costs_only_itself() -> None:
    pieces = [part(one, TYPE) for one in (JPEG, JPEG[: len(JPEG) // 2], OTHER)]
    with tcp_server(sends(f"HTTP/1.1 200 OK\r\n{MULTIPART}", *pieces)) as port:
        capture = open_network(Stream("camera", f"http://127.0.0.1:{port}/"), Demand())
        seen = []
        for _ in pieces:
            capture.grab()
            try:
                still = capture.retrieve()
                seen.append(still and still.data)
            except FrameError:
                seen.append(None)
        with pytest.raises(OSError, match="it ended"):
            capture.grab()
        capture.close()
    assert seen == [JPEG, None, OTHER]


def test_one_picture_that_is_no_stream_says_what_to_write() -> None:
    with tcp_server(sends(f"HTTP/1.1 200 OK\r\n{TYPE}", JPEG)) as port:
        capture = open_network(Stream("camera", f"http://127.0.0.1:{port}/"), Demand())
        capture.grab()
        with pytest.raises(OSError, match=r"for a still write snapshot\+ before the address"):
            capture.grab()
        capture.close()


class SlowResponse:
    """Delivers a picture after each of these pauses, as a clock of its own says."""

    def __init__(self, *pauses: float) -> None:
        self.pauses = list(pauses)
        self.now = 0.0
        self.patience = 0.0

    def monotonic(self) -> float:
        return self.now

    def set_patience(self, seconds: float) -> None:
        self.patience = seconds

    def read1(self, count: int) -> bytes:
        pause = self.pauses.pop(0) if self.pauses else float("inf")
        self.now += min(pause, self.patience)
        if pause > self.patience:
            raise socket.timeout("timed out")
        return part(JPEG, TYPE)


def slow_camera(monkeypatch: pytest.MonkeyPatch, *pauses: float) -> MjpegCapture:
    response = SlowResponse(*pauses)
    client = HttpClient("http://camera/")
    monkeypatch.setattr(client, "set_patience", response.set_patience)
    return MjpegCapture("camera", client, response, clock=response.monotonic)


def test_a_camera_that_sends_a_picture_every_eight_seconds_is_not_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    capture = slow_camera(monkeypatch, *[8.0] * 10)
    for _ in range(10):
        capture.grab()
    with pytest.raises(OSError, match="no frame that can be decoded came for 20 s"):
        capture.grab()


def test_a_fast_camera_that_falls_silent_is_lost_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    capture = slow_camera(monkeypatch, 0.04, 0.04, 0.04)
    for _ in range(3):
        capture.grab()
    with pytest.raises(OSError, match="no frame that can be decoded came for 5 s"):
        capture.grab()


@given(st.lists(st.sampled_from([JPEG, OTHER]), min_size=1, max_size=5), st.data())
def test_pictures_are_found_however_they_arrive_in_pieces(
    pictures: list[bytes], data: st.DataObject
) -> None:
    stream = b"".join(part(picture, TYPE) for picture in pictures)
    splitter, found = JpegSplitter(), []
    at = 0
    while at < len(stream):
        size = data.draw(st.integers(1, len(stream)))
        splitter.feed(stream[at : at + size])
        at += size
        while picture := splitter.take():
            found.append(picture)
    assert found == pictures


@given(st.binary(max_size=2000))
def test_garbage_is_no_traceback_and_fills_no_memory(garbage: bytes) -> None:
    splitter = JpegSplitter()
    splitter.feed(garbage)
    while splitter.take():
        continue
    assert len(splitter) <= len(garbage)
    assert splitter.rest() in garbage
