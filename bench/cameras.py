"""A server of 720p cameras with 25 frames per second: ``python -m bench.cameras KIND IMAGE``.

``KIND`` is ``h264`` (MPEG-TS over HTTP, a key frame every two seconds) or ``mjpeg``. It prints its
port; each connection is a camera of its own.
"""

from __future__ import annotations

import itertools
import socket
import socketserver
import sys
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, cast

import av
import cv2
import numpy as np

RATE = 25
KEY_FRAMES_APART = 2 * RATE
SECONDS = 4
"""Length of the scene, which repeats."""

_HEAD = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: "

Send = Callable[[socket.socket, Iterator[int]], None]
"""Sends one camera's stream: one frame for each number, which is that of the frame."""


def main() -> None:
    """Serve until the process is killed."""
    kind, image = sys.argv[1:]
    send = h264(moving(Path(image))) if kind == "h264" else mjpeg(moving(Path(image)))

    class Camera(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(4096)
            send(self.request, paced())

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        request_queue_size = 64

        def handle_error(self, request: object, client_address: object) -> None:
            """A reader that is gone is not an error."""

    with Server(("127.0.0.1", 0), Camera) as server:
        sys.stdout.write(f"{server.server_address[1]}\n")
        sys.stdout.flush()
        server.serve_forever()


def paced() -> Iterator[int]:
    """Count frames for ever, each at its time."""
    due = time.monotonic()
    for number in itertools.count():
        time.sleep(max(0.0, due - time.monotonic()))
        yield number
        due += 1 / RATE


def moving(image: Path) -> list[Any]:
    """Return a scene of 1280×720 pixels that moves a little from frame to frame."""
    still = cv2.imread(str(image))
    assert still is not None
    scene = cv2.resize(still, (1280, 720))
    return [np.roll(scene, 4 * index, axis=1) for index in range(SECONDS * RATE)]


def mjpeg(pictures: list[Any]) -> Send:
    """Return what sends the scene as parts of ``multipart/x-mixed-replace``."""
    encoded = [cv2.imencode(".jpg", one)[1].tobytes() for one in pictures]

    def send(connection: socket.socket, numbers: Iterator[int]) -> None:
        head = f"{_HEAD}multipart/x-mixed-replace; boundary=part\r\n\r\n"
        connection.sendall(head.encode())
        for number in numbers:
            picture = encoded[number % len(encoded)]
            part = f"--part\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
            connection.sendall(part.encode() + picture + b"\r\n")

    return send


def h264(pictures: list[Any]) -> Send:
    """Return what sends the scene as H.264 in an MPEG transport stream."""
    with av.open("/dev/null", "w", format="mpegts") as container:
        encoder = _stream(container)
        frames = [av.VideoFrame.from_ndarray(one, "bgr24") for one in pictures]
        packets = [
            (bytes(packet), packet.is_keyframe)
            for frame in [*frames, None]
            for packet in encoder.encode(frame)
        ]

    def send(connection: socket.socket, numbers: Iterator[int]) -> None:
        connection.sendall(f"{_HEAD}video/mp2t\r\n\r\n".encode())
        options = {"flush_packets": "1"}
        with av.open(_Writer(connection), "w", format="mpegts", options=options) as container:
            stream = _stream(container)
            for number in numbers:
                data, is_key = packets[number % len(packets)]
                packet = av.Packet(data)
                packet.pts = packet.dts = number
                packet.time_base = Fraction(1, RATE)
                packet.is_keyframe = is_key
                packet.stream = stream
                container.mux(packet)

    return send


def _stream(container: Any) -> av.VideoStream:
    stream = cast(av.VideoStream, container.add_stream("libx264", rate=RATE))
    stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
    stream.options = {
        "preset": "veryfast",
        "tune": "zerolatency",
        "x264-params": f"keyint={KEY_FRAMES_APART}:min-keyint={KEY_FRAMES_APART}:scenecut=0",
    }
    return stream


class _Writer:
    """A connection as a file that is only written."""

    def __init__(self, connection: socket.socket) -> None:
        self.write = partial(_all, connection)


def _all(connection: socket.socket, data: bytes) -> int:
    connection.sendall(data)
    return len(data)


if __name__ == "__main__":
    main()
