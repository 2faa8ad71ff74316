"""Web pages in the developer's browser can do nothing with the local cloud."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import pytest

from local_core.cloud import LocalCloud
from local_core.local_requests import refusal
from tests.cloud.support import Device

PAGES = {
    "a page of another site": {"Origin": "https://evil.example"},
    "a sandboxed frame": {"Origin": "null"},
    "a page that the endpoint itself serves": {"Origin": "http://127.0.0.1:4566"},
    "an image of another site": {"Sec-Fetch-Site": "cross-site"},
    "a name that was rebound to loopback": {"Host": "evil.example:4566"},
    "a name that begins as loopback does": {"Host": "127.0.0.1.evil.example"},
    "a name that ends as loopback does": {"Host": "evil-localhost"},
    "a bucket as a host": {"Host": "bucket.localhost:4566"},
    "a host that is not the whole header": {"Host": "localhost@evil.example"},
    "a user that looks like the host": {"Host": "evil.example\t127.0.0.1"},
}
CREATE_TOPIC = "Action=CreateTopic&Version=2010-03-31&Name=made-by-a-page"


@pytest.fixture
def connection(cloud: LocalCloud) -> Iterator[http.client.HTTPConnection]:
    with closing(http.client.HTTPConnection(urlsplit(cloud.endpoint).netloc, timeout=10)) as opened:
        yield opened


def _host(connection: http.client.HTTPConnection) -> dict[str, str]:
    return {"Host": f"{connection.host}:{connection.port}"}


def _answer(reply: http.client.HTTPResponse) -> tuple[int, str, list[str]]:
    open_to_pages = [k for k, _ in reply.getheaders() if k.lower().startswith("access-control-")]
    return reply.status, reply.read().decode(), open_to_pages


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("headers", PAGES.values(), ids=PAGES)
def test_endpoint_refuses(
    connection: http.client.HTTPConnection, method: str, headers: dict[str, str]
) -> None:
    sent = {**_host(connection), "Content-Type": "text/plain", **headers}
    connection.request(method, f"/?{CREATE_TOPIC}", CREATE_TOPIC, sent)
    status, body, open_to_pages = _answer(connection.getresponse())
    assert (status, open_to_pages) == (403, [])
    assert body.count("\n") == 1 and ("refused" in body or "host must be" in body)


def test_page_creates_nothing(cloud: LocalCloud, connection: http.client.HTTPConnection) -> None:
    headers = {**_host(connection), "Content-Type": "text/plain", "Origin": "https://evil.example"}
    connection.request("PUT", "/bucket-of-a-page", b"", headers)
    assert connection.getresponse().status == 403
    names = [bucket["Name"] for bucket in cloud.client("s3").list_buckets()["Buckets"]]
    assert "bucket-of-a-page" not in names


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]"])
@pytest.mark.parametrize("has_port", [True, False])
def test_local_program_is_answered_and_no_page_may_read_it(
    connection: http.client.HTTPConnection, name: str, has_port: bool
) -> None:
    host = f"{name}:{connection.port}" if has_port else name
    connection.request("GET", "/", headers={"Host": host})
    status, _, open_to_pages = _answer(connection.getresponse())
    assert (status, open_to_pages) == (200, [])


def test_endpoint_of_cores_refuses(connection: http.client.HTTPConnection) -> None:
    path = "/_core/1/things/Any_Core"
    connection.request("GET", path, headers={**_host(connection), "Origin": "null"})
    assert connection.getresponse().status == 403


def test_web_socket_of_a_page_is_refused(cloud: LocalCloud) -> None:
    address = urlsplit(cloud.endpoint)
    lines = [
        "GET /mqtt HTTP/1.1",
        f"Host: data-ats.iot.us-east-1.localhost:{address.port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: mqtt",
    ]

    def status(*more: str) -> bytes:
        with socket.create_connection((address.hostname or "", address.port or 0), 10) as opened:
            opened.sendall("\r\n".join([*lines, *more, "", ""]).encode())
            return opened.makefile("rb").readline().split()[1]

    assert status() == b"101"
    assert status("Origin: https://evil.example") == b"403"


def test_credential_provider_refuses(cloud: LocalCloud, device: Device) -> None:
    status, said = device.get_credentials("Any", {"Origin": "https://evil.example"})
    assert (status, said["message"]) == (
        403,
        "requests of web pages are refused (Origin 'https://evil.example')",
    )
    assert "host must be" in _credentials(device, {"Host": "evil.example"})["message"]
    assert device.get_credentials("Any", {})[1]["message"] == "Access Denied"


def _credentials(device: Device, headers: dict[str, str]) -> Any:
    host, _, port = device.cloud.credential_endpoint.partition(":")
    context: ssl.SSLContext = device.tls()
    with closing(http.client.HTTPSConnection(host, int(port), context=context)) as opened:
        opened.request("GET", "/role-aliases/Any/credentials", headers=headers)
        return json.load(opened.getresponse())


def test_request_without_a_host_or_with_two_is_refused() -> None:
    assert refusal([]) == "a request needs one Host header, not 0"
    twice = [("Host", "localhost"), ("host", "evil.example")]
    assert refusal(twice) == "a request needs one Host header, not 2"


def test_what_a_header_says_is_shown_without_control_characters() -> None:
    said = refusal([(b"Origin", b"\x1b]0;title\x07" + b"x" * 5_000)])
    assert said is not None and said.isprintable() and len(said) < 300
