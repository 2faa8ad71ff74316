"""Why a stream cannot be opened, by the first line that the server answers."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from edge_functions import CODE_FOLDER
from inference.sources.attempt import AccessRefusedError
from inference.sources.diagnosis import why_not_open

from .servers import free_port, require_rtsp_server, rtsp_camera, tcp_server


def answering(*answers: str) -> Callable[[socket.socket], None]:
    left = list(answers)

    def serve(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(left.pop(0).encode())
        connection.shutdown(socket.SHUT_WR)

    return serve


@pytest.mark.parametrize(
    ("scheme", "answer", "reason"),
    [
        ("rtsp", "RTSP/1.0 404 Stream Not Found\r\nCSeq: 1\r\n\r\n",
         "it answers 404 Stream Not Found: check the path in imageSource"),
        ("http", "HTTP/1.1 403 Forbidden\r\n\r\n",
         "it answers 403 Forbidden: the user may not see this stream"),
        ("http", "HTTP/1.1 500 \x1b[31mOops\r\n\r\n", "it answers 500 [31mOops"),
        ("rtsp", "HTTP/1.1 200 OK\r\n\r\n<html>",
         "it answers, but with no video that can be decoded"),
        ("rtsp", "SSH-2.0-dropbear\r\n", "the server there does not speak RTSP"),
        ("http", "", "the server there does not speak HTTP"),
    ],
)  # fmt: skip
def test_the_answer_is_the_reason(scheme: str, answer: str, reason: str) -> None:
    with tcp_server(answering(answer)) as port:
        assert str(why_not_open(f"{scheme}://127.0.0.1:{port}/s", 2)) == reason


CHALLENGE = 'RTSP/1.0 401 Unauthorized\r\nWWW-Authenticate: Digest realm="x", nonce="n"\r\n\r\n'


@pytest.mark.parametrize(
    ("user", "answers", "reason"),
    [
        ("", [CHALLENGE], "write user:password@ before the host in imageSource"),
        ("a:hunter2@", [CHALLENGE, CHALLENGE], "check user and password in imageSource"),
        ("a:hunter2@", ["RTSP/1.0 401 No\r\nWWW-Authenticate: NTLM\r\n\r\n"], "neither Basic nor"),
    ],
)
def test_a_refusal_is_distinguished_and_says_what_to_do(
    user: str, answers: list[str], reason: str
) -> None:
    with tcp_server(answering(*answers)) as port:
        found = why_not_open(f"rtsp://{user}127.0.0.1:{port}/s", 2)
    assert isinstance(found, AccessRefusedError)
    assert str(found).startswith("401 Unauthorized: ")
    assert reason in str(found)
    assert "hunter2" not in str(found)


@pytest.mark.streams
@pytest.mark.parametrize("scheme", ["basic", "digest"])
def test_a_real_camera_takes_the_right_password_only(scheme: str) -> None:
    require_rtsp_server()
    port = free_port()
    with rtsp_camera(port, scheme, "viewer", "p@ss"):
        address = f"127.0.0.1:{port}/test"
        wrong = why_not_open(f"rtsp://viewer:hunter2@{address}", 2)
        right = why_not_open(f"rtsp://viewer:p%40ss@{address}", 2)
    assert str(wrong) == "401 Unauthorized: check user and password in imageSource"
    # That it could have been opened shows that the password was taken.
    assert str(right) == "it answers, but with no video that can be decoded"


HOSTILE = {
    "status line": "{protocol} 500 " + "key." * 16_000,
    "spaces": "{protocol} 500 " + "key =" * 12_000,
    "challenge": "{protocol} 401 No\r\nWWW-Authenticate: Digest " + "a" * 60_000,
}
ASK = """
import sys
from inference.sources.diagnosis import why_not_open
from inference.sources.snapshot import SnapshotCapture
url = sys.argv[1]
try:
    raise why_not_open(url, 5) if url.startswith("rtsp") else SnapshotCapture(url).retrieve()
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


def test_nobody_there_is_distinguished() -> None:
    told = str(why_not_open(f"rtsp://a:hunter2@127.0.0.1:{free_port()}/", 2))
    assert told == "it cannot be reached: Connection refused"
    assert "its host name is not known" in str(why_not_open("rtsp://camera.invalid/", 2))


def test_a_server_that_says_nothing_or_never_stops_is_left_in_time() -> None:
    def trickle(connection: socket.socket) -> None:
        while True:
            connection.sendall(b"x")
            time.sleep(0.05)

    for serve in (lambda connection: None, trickle):
        with tcp_server(serve) as port:
            started = time.monotonic()
            told = str(why_not_open(f"http://127.0.0.1:{port}/", 0.3))
        assert told == "it does not answer in time"
        assert time.monotonic() - started < 1


def test_an_address_of_ipv6_is_asked_too() -> None:
    told = str(why_not_open(f"rtsp://[::1]:{free_port()}/", 2))
    assert told.startswith("it cannot be reached: ")
