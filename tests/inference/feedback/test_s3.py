"""The bucket's client where nobody answers."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from inference.errors import RefusedError
from inference.feedback import s3 as s3_module
from inference.feedback.s3 import S3
from inference.hanging import HANGS_SECONDS
from tests.inference.sources.servers import free_port, tcp_server

NAMED_WITHIN = 10


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("NO_PROXY", "*")


def put(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    S3().put_object("bucket", "key", b"body", "image/jpeg")


def test_a_bucket_that_gives_no_answer_is_an_error_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    # A fault is named while the put goes on, with the moment that telemetry takes for it.
    assert HANGS_SECONDS <= NAMED_WITHIN - 2
    monkeypatch.setattr(s3_module, "_FIRST_SECONDS", 0.5)
    began = time.monotonic()
    silent = tcp_server(lambda connection: time.sleep(30))
    with silent as port, pytest.raises(OSError, match="ReadTimeoutError"):
        put(port, monkeypatch)
    assert time.monotonic() - began < 4


def test_nobody_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OSError, match="EndpointConnectionError"):
        put(free_port(), monkeypatch)


@pytest.mark.parametrize(
    ("code", "status", "is_refused"),
    [
        ("AccessDenied", 403, True),
        ("KeyTooLongError", 400, True),
        ("NoSuchBucket", 404, True),  # a sample may go to another one
        ("ExpiredToken", 400, False),
        ("SlowDown", 503, False),
    ],
)
def test_only_an_answer_about_the_object_is_a_refusal(
    monkeypatch: pytest.MonkeyPatch, code: str, status: int, is_refused: bool
) -> None:
    body = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()

    def answer(connection: socket.socket) -> None:
        connection.recv(65536)
        head = f"HTTP/1.1 {status} x\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode() + body)

    with tcp_server(answer) as port, pytest.raises(OSError, match=f"^{code}: ") as caught:
        put(port, monkeypatch)
    assert isinstance(caught.value, RefusedError) == is_refused


def test_a_key_that_no_bucket_takes_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(RefusedError, match=r"^ParamValidationError: "):
        S3().put_object("bucket", "", b"body", "image/jpeg")


def test_an_object_that_takes_longer_than_the_time_out_is_stored_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(s3_module, "_FIRST_SECONDS", 0.4)  # then 0.8 and 1.6
    stored: list[float] = []
    over = threading.Event()

    def answer(connection: socket.socket) -> None:
        if b"100-continue" in connection.recv(65536):
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        stored.append(time.monotonic())
        if over.wait(20 if len(stored) <= 2 else 0.9):
            return
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    with tcp_server(answer) as port:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        s3 = S3()
        for _ in range(2):
            with pytest.raises(OSError, match="ReadTimeoutError"):
                s3.put_object("bucket", "key", b"body", "image/jpeg")
        s3.put_object("bucket", "key", b"body", "image/jpeg")
        s3.put_object("bucket", "next", b"body", "image/jpeg")  # what was learnt is kept
        over.set()
    assert len(stored) == 4


def test_a_time_out_grows_with_the_size_up_to_a_limit() -> None:
    seconds = [
        s3_module._seconds(s3_module._doublings(size, 0))
        for size in (0, 1_000, 100_000, 1 << 20, 100 << 20)
    ]
    assert seconds == [7, 7, 14, 56, 448]
    assert s3_module._seconds(s3_module._doublings(1 << 20, 50)) == 448
