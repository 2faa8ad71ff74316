"""Real cameras on this machine, to be stopped and started: RTSP by GStreamer, HTTP by FFmpeg."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import cv2
import numpy as np
import pytest

from inference.sources.cameras.gstreamer import is_installed
from inference.sources.frame import Frame, FrameSource, NoFrameError
from tests.waiting import eventually

# GStreamer's bindings are Debian's, and belong to its own Python.
SYSTEM_PYTHON = "/usr/bin/python3"
RTSP_SERVER = str(Path(__file__).with_name("rtsp_server.py"))

PACKAGES = (Path(__file__).parents[2] / "debian-packages.txt").read_text().splitlines()
INSTALL = "make debian-packages, or apt-get install " + " ".join(
    package for package in PACKAGES if not package.startswith("#")
)

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason=f"needs ffmpeg: {INSTALL}")
needs_gstreamer = pytest.mark.skipif(
    not is_installed() or shutil.which("gst-launch-1.0") is None,
    reason=f"needs GStreamer: {INSTALL}",
)


def has_ipv6() -> bool:
    with suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6):
        return True
    return False


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="needs a loopback address of IPv6")


def require_rtsp_server() -> None:
    """Skip the test where GStreamer's RTSP server is not installed."""
    code = f"import runpy; runpy.run_path({RTSP_SERVER!r})['require']()"
    if (
        not Path(SYSTEM_PYTHON).exists()
        or subprocess.run([SYSTEM_PYTHON, "-c", code], capture_output=True, check=False).returncode
    ):
        pytest.skip(f"needs GStreamer's RTSP server: {INSTALL}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def process(command: list[str], ready: Callable[[], bool]) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``command`` until the block is left; the block begins when it is ``ready``."""
    running = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        eventually(lambda: running.poll() is not None or ready(), 10)
        assert running.poll() is None, f"{command[0]} ended with {running.returncode}"
        yield running
    finally:
        running.kill()
        running.wait()


@contextmanager
def rtsp_camera(port: int, *credentials: str) -> Iterator[subprocess.Popen[bytes]]:
    """Serve rtsp://127.0.0.1:port/test, H.264, 15 frames a second, 320 by 240."""
    command = [SYSTEM_PYTHON, RTSP_SERVER, str(port), *credentials]
    with process(command, lambda: accepts(port)) as running:
        yield running


@contextmanager
def mjpeg_camera(port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Serve one client an MJPEG stream at http://127.0.0.1:port/, 20 frames a second."""
    command = ["ffmpeg", "-loglevel", "error", "-re", "-f", "lavfi", "-i"]
    command += ["testsrc=size=320x240:rate=20", "-f", "mpjpeg", "-listen", "1"]
    command.append(f"http://127.0.0.1:{port}/")
    with process(command, lambda: serves(port)) as running:
        yield running


@contextmanager
def tcp_server(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """Accept connections on the port that is yielded, and ``serve`` each on a thread."""
    listener = socket.create_server(("127.0.0.1", 0))
    connections: list[socket.socket] = []

    def answer(connection: socket.socket) -> None:
        with suppress(OSError):
            serve(connection)

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connections.append(connection)
                threading.Thread(target=answer, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        for one in (listener, *connections):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


def certificate(folder: Path) -> ssl.SSLContext:
    """Return a server's side with a certificate of its own making; it is ``folder``/certificate."""
    folder.mkdir(exist_ok=True)
    key, made = str(folder / "key"), str(folder / "certificate")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key]
    command += ["-out", made, "-subj", "/CN=camera", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made, key)
    return context


@contextmanager
def tls_in_front_of(port: int, folder: Path) -> Iterator[int]:
    """Take TLS on the port that is yielded, and pass what comes on to ``port`` and back."""
    context = certificate(folder)

    def pump(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def serve(connection: socket.socket) -> None:
        outer = context.wrap_socket(connection, server_side=True)
        inner = socket.create_connection(("127.0.0.1", port))
        threading.Thread(target=pump, args=(outer, inner), daemon=True).start()
        pump(inner, outer)

    with tcp_server(serve) as outside:
        yield outside


def jpeg(value: int = 0) -> bytes:
    """Return a photograph-like JPEG file whose mean brightness is near ``value``."""
    image = np.full((48, 64, 3), value, np.uint8)
    return bytes(cv2.imencode(".jpg", image)[1])


def multipart(connection: socket.socket, parts: list[bytes], seconds: float = 0.02) -> None:
    """Answer a request with ``parts`` as an MJPEG stream, without closing it."""
    connection.recv(4096)
    connection.sendall(
        b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=part\r\n\r\n"
    )
    for part in parts:
        head = f"--part\r\nContent-Type: image/jpeg\r\nContent-Length: {len(part)}\r\n\r\n"
        connection.sendall(head.encode() + part + b"\r\n")
        time.sleep(seconds)


def accepts(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def serves(port: int) -> bool:
    """Return whether somebody listens or has been called, without calling.

    FFmpeg serves the first client only, and that is to be the source.
    """
    here = f" 0100007F:{port:04X} "
    lines = [line for line in Path("/proc/net/tcp").read_text().splitlines() if here in line]
    return any(line.partition(here)[2].split()[1] in ("01", "0A") for line in lines)


def next_frame(source: FrameSource, seconds: float = 5) -> Frame | None:
    """Read as the pipeline does: ask again while there is no frame at present."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return source.read()
        except NoFrameError:
            assert time.monotonic() < deadline, source.statuses()


def require_frame(source: FrameSource, seconds: float = 5) -> Frame:
    frame = next_frame(source, seconds)
    assert frame is not None
    return frame
