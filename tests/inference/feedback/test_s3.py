"""The bucket's client where nobody answers."""

from __future__ import annotations

import socket
import time

import pytest

from inference.errors import RefusedError
from inference.feedback import s3 as s3_module
from inference.feedback.s3 import S3
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
    # Either wait ends before a fault must be named, with the moment that telemetry takes for it.
    assert max(s3_module._CONNECT_SECONDS, s3_module._READ_SECONDS) <= NAMED_WITHIN - 2
    monkeypatch.setattr(s3_module, "_READ_SECONDS", 0.5)
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
        ("NoSuchBucket", 404, False),
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
