"""Why a stream cannot be opened, from what FFmpeg and the server say."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_functions import CODE_FOLDER
from inference.schema import ConfigurationError
from inference.sources import open_source
from inference.sources.cameras import pyav
from inference.sources.cameras.attempt import AccessRefusedError
from inference.sources.cameras.demand import Demand
from inference.sources.cameras.network import open_network
from inference.sources.specification import Stream, parse_sources

from .servers import (
    certificate,
    free_port,
    require_rtsp_server,
    rtsp_camera,
    tcp_server,
    tls_in_front_of,
)


def answering(*answers: str) -> Callable[[socket.socket], None]:
    left = list(answers)

    def serve(connection: socket.socket) -> None:
        while connection.recv(4096) and left:
            connection.sendall(left.pop(0).encode())
            if not left:
                connection.shutdown(socket.SHUT_WR)

    return serve


def reason(text: str) -> OSError:
    (stream,) = parse_sources(text)
    assert isinstance(stream, Stream)
    with pytest.raises(OSError) as caught:
        open_network(stream, Demand()).close()
    assert "hunter2" not in str(caught.value)
    return caught.value


@pytest.mark.skipif(pyav.reads_dash(), reason="this FFmpeg reads DASH")
def test_dash_is_named_where_ffmpeg_cannot_read_it() -> None:
    answer = "HTTP/1.1 200 OK\r\nContent-Type: application/dash+xml\r\n\r\n<?xml version='1.0'?>"
    with tcp_server(answering(answer + "<MPD/>")) as port:
        assert str(reason(f"http://127.0.0.1:{port}/live.mpd")) == pyav.NO_DASH


@pytest.mark.parametrize(
    ("scheme", "answer", "expected"),
    [
        ("rtsp", "RTSP/1.0 404 Stream Not Found\r\nCSeq: 1\r\n\r\n",
         "the server answers 404 Stream Not Found: check the path in imageSource"),
        ("http", "HTTP/1.1 403 Forbidden\r\n\r\n", "the server answers 403 Forbidden"),
        ("http", "HTTP/1.1 500 \x1b[31mOops\r\n\r\n", "the server answers 500 [31mOops"),
        ("http", "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>" + "a" * 100,
         "it answers, but with no video that can be decoded"),
    ],
)  # fmt: skip
def test_the_answer_is_the_reason(scheme: str, answer: str, expected: str) -> None:
    with tcp_server(answering(answer, answer)) as port:
        assert str(reason(f"{scheme}://127.0.0.1:{port}/s")) == expected


CHALLENGE = (
    'RTSP/1.0 401 Unauthorized\r\nCSeq: {}\r\nWWW-Authenticate: Digest realm="x", nonce="n"\r\n\r\n'
)


def test_a_refusal_is_distinguished_and_says_what_to_do() -> None:
    challenges = [CHALLENGE.format(number) for number in range(1, 5)]
    for user, expected in (
        ("", "401 Unauthorized: imageSource needs user and password before the host"),
        ("a:hunter2@", "401 Unauthorized: check user and password in imageSource"),
    ):
        with tcp_server(answering(*challenges)) as port:
            found = reason(f"rtsp://{user}127.0.0.1:{port}/s")
        assert isinstance(found, AccessRefusedError)
        assert str(found) == expected


HOSTILE = {
    "status line": "{protocol} 500 " + "key." * 16_000,
    "spaces": "{protocol} 500 " + "key =" * 12_000,
    "challenge": "{protocol} 401 No\r\nWWW-Authenticate: Digest " + "a" * 60_000,
}
ASK = """
import sys
from inference.sources.cameras.demand import Demand
from inference.sources.cameras.network import open_network
from inference.sources.cameras.snapshot import SnapshotCapture
from inference.sources.specification import Stream
url = sys.argv[1]
try:
    open_network(Stream("camera", url), Demand())
except OSError as error:
    print(len(str(error)))
"""


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_a_camera_cannot_freeze_the_component_with_a_long_answer(scheme: str, hostile: str) -> None:
    protocol = {"rtsp": "RTSP/1.0", "http": "HTTP/1.1"}[scheme]
    answer = HOSTILE[hostile].format(protocol=protocol) + "\r\n\r\n"
    with tcp_server(answering(answer, answer)) as port:
        # In a process of its own: a pattern that does not end cannot be interrupted.
        command = [sys.executable, "-c", ASK, f"{scheme}://a:b@127.0.0.1:{port}/"]
        done = subprocess.run(
            command, cwd=CODE_FOLDER, capture_output=True, text=True, timeout=20, check=True
        )
    assert 0 < int(done.stdout) <= 400


@pytest.mark.parametrize("scheme", ["rtsp", "http", "rtmp"])
def test_nobody_there_is_distinguished(scheme: str) -> None:
    told = str(reason(f"{scheme}://a:hunter2@127.0.0.1:{free_port()}/"))
    assert told.endswith("Connection refused")
    assert "its host name is not known" in str(reason(f"{scheme}://camera.invalid/"))


@pytest.mark.parametrize("scheme", ["rtsp", "http", "rtmp"])
def test_a_server_that_says_nothing_is_left_in_time(
    monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setattr(pyav, "OPEN_SECONDS", 0.3)
    with tcp_server(lambda connection: None) as port:
        started = time.monotonic()
        told = str(reason(f"{scheme}://127.0.0.1:{port}/"))
    assert "does not answer in time" in told
    assert time.monotonic() - started < 2


@pytest.mark.streams
def test_the_certificate_of_an_rtsp_camera_is_verified_when_asked(tmp_path: Path) -> None:
    require_rtsp_server()
    inner = free_port()
    own = tmp_path / "certificate"
    with rtsp_camera(inner), tls_in_front_of(inner, tmp_path) as port:
        address = f"127.0.0.1:{port}/test"
        if not pyav.can_verify("rtsps://camera/"):
            with pytest.raises(ConfigurationError, match=r"needs Python 3\.10 or newer"):
                open_source(f"rtsps://{address}#tls_verify", repeat=True)
            return
        for url in (
            f"rtsps://{address}#tls_verify",
            f"rtsps://localhost:{port}/test#ca_file={own}",
        ):
            assert "the server's certificate is not trusted" in str(reason(url))
        (stream,) = parse_sources(f"rtsps://{address}#ca_file={own}")
        assert isinstance(stream, Stream)
        open_network(stream, Demand()).close()


def test_the_certificate_of_a_web_server_is_verified_when_asked(tmp_path: Path) -> None:
    context = certificate(tmp_path)
    asked = []

    def serve(connection: socket.socket) -> None:
        secure = context.wrap_socket(connection, server_side=True)
        asked.append(secure.recv(4096))
        secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n\r\n")

    with tcp_server(serve) as port:
        for host in ("127.0.0.1", "localhost"):
            verified = f"https://{host}:{port}/#tls_verify"
            assert "the server's certificate is not trusted" in str(reason(verified))
        assert asked == []  # nothing was said to a server that may be another
        for fragment in ("", f"#ca_file={tmp_path / 'certificate'}"):
            (stream,) = parse_sources(f"https://127.0.0.1:{port}/{fragment}")
            assert isinstance(stream, Stream)
            open_network(stream, Demand()).close()
    assert len(asked) == 2
    missing = tmp_path / "missing"
    with pytest.raises(ConfigurationError, match="there is no readable file"):
        open_source(f"https://127.0.0.1:{port}/#ca_file={missing}", repeat=True)


def test_a_playlist_whose_files_cannot_be_verified_is_refused_when_asked_to(tmp_path: Path) -> None:
    own, other = certificate(tmp_path), certificate(tmp_path / "other")
    asked = []

    def stranger(connection: socket.socket) -> None:
        asked.append(other.wrap_socket(connection, server_side=True).recv(4096))

    with tcp_server(stranger) as elsewhere:
        segment = f"#EXTINF:2,\nhttps://127.0.0.1:{elsewhere}/0.ts\n"
        playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n{segment}"
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(playlist)}\r\n\r\n"

        def camera(connection: socket.socket) -> None:
            secure = own.wrap_socket(connection, server_side=True)
            secure.recv(4096)
            secure.sendall(f"{head}{playlist}".encode())

        with tcp_server(camera) as port:
            address = f"https://a:hunter2@127.0.0.1:{port}/live.m3u8"
            verified = reason(f"{address}#ca_file={tmp_path / 'certificate'}")
            assert "FFmpeg cannot verify the servers of the files in it" in str(verified)
            assert asked == []
            reason(address)
            assert asked
