"""``watch`` behind a proxy: a real one, which opens connections with the method CONNECT."""

from __future__ import annotations

import base64
import contextlib
import json
import selectors
import socket
import socketserver
import threading
from collections.abc import Iterator

import pytest

from local_core.cloud import LocalCloud
from tests.mli.support import Commands


class ConnectProxy(socketserver.ThreadingTCPServer):
    """Opens a connection to any host, or answers with ``refusal``; ``wanted`` are credentials."""

    daemon_threads = True
    refusal = ""
    wanted = ""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Tunnel)
        self.targets: list[str] = []

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


class _Tunnel(socketserver.StreamRequestHandler):
    server: ConnectProxy

    def handle(self) -> None:
        method, target, _ = self.rfile.readline().decode().split()
        headers = {}
        while line := self.rfile.readline().decode().strip():
            name, _, value = line.partition(": ")
            headers[name.lower()] = value
        refusal = self.server.refusal
        basic = base64.b64encode(self.server.wanted.encode()).decode()
        if self.server.wanted and headers.get("proxy-authorization") != f"Basic {basic}":
            refusal = "407 Proxy Authentication Required"
        if refusal or method != "CONNECT":
            self.wfile.write(f"HTTP/1.1 {refusal or '405 Not Allowed'}\r\n\r\n".encode())
            return
        self.server.targets.append(target)
        host, _, port = target.rpartition(":")
        with socket.create_connection((host, int(port))) as far:
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\nVia: proxy\r\n\r\n")
            with contextlib.suppress(OSError):
                _relay(self.connection, far)


def _relay(near: socket.socket, far: socket.socket) -> None:
    with selectors.DefaultSelector() as both:
        both.register(near, selectors.EVENT_READ, far)
        both.register(far, selectors.EVENT_READ, near)
        while True:
            for key, _ in both.select():
                assert isinstance(key.fileobj, socket.socket)
                if not (content := key.fileobj.recv(65_536)):
                    return
                key.data.sendall(content)


@pytest.fixture
def proxy(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> Iterator[ConnectProxy]:
    """The proxy of the environment."""
    with ConnectProxy() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for name in ("NO_PROXY", "no_proxy", "https_proxy"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HTTPS_PROXY", f"http://{server.place}")
        yield server
        server.shutdown()


@pytest.fixture
def speaking(cloud: LocalCloud) -> Iterator[None]:
    """A core that predicts, until the test ends."""
    data, ended = cloud.client("iot-data"), threading.Event()

    def speak() -> None:
        while not ended.wait(0.05):
            data.publish(topic="mli/predictions/Behind", qos=1, payload=json.dumps([]))

    thread = threading.Thread(target=speak)
    thread.start()
    yield
    ended.set()
    thread.join()


@pytest.fixture
def with_certificate(commands: Commands, cloud: LocalCloud) -> list[str]:
    """The options of a connection with a certificate."""
    commands.run("certificate", "behind", "--watch")
    return ["--certificate", "certs/behind", "--endpoint", f"127.0.0.1:{cloud.mqtt_port}"]


_FEW = ("--count", "2", "--seconds", "20")


@pytest.mark.usefixtures("speaking")
def test_aws_credentials_connect_through_the_proxy(
    commands: Commands, cloud: LocalCloud, proxy: ConnectProxy
) -> None:
    said = commands.result("watch", "Behind", *_FEW).stderr
    assert f"through the proxy {proxy.place}" in said
    assert proxy.targets == [cloud.endpoint.removeprefix("http://")]


@pytest.mark.usefixtures("speaking")
def test_certificate_connects_through_the_proxy(
    commands: Commands, cloud: LocalCloud, proxy: ConnectProxy, with_certificate: list[str]
) -> None:
    commands.run("watch", "--all", *with_certificate, *_FEW)
    assert proxy.targets == [f"127.0.0.1:{cloud.mqtt_port}"]


@pytest.mark.usefixtures("speaking")
def test_host_of_no_proxy_is_connected_to_directly(
    commands: Commands,
    proxy: ConnectProxy,
    with_certificate: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NO_PROXY", "example.com, 127.0.0.1")
    commands.run("watch", "--all", *with_certificate, *_FEW)
    assert proxy.targets == []


@pytest.mark.usefixtures("speaking")
def test_user_and_password_of_the_proxy_are_sent_and_never_shown(
    commands: Commands,
    proxy: ConnectProxy,
    with_certificate: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proxy.wanted = "me:s@cret"
    refused = commands.run("watch", "--all", *with_certificate, *_FEW, code=1)
    assert f"the proxy {proxy.place} refuses a connection" in refused
    assert "407 Proxy Authentication Required" in refused
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:s%40cret@{proxy.place}")
    assert "cret" not in commands.run("watch", "--all", *with_certificate, *_FEW)
    assert len(proxy.targets) == 1


def test_proxy_that_refuses_ends_the_command_with_what_would_help(
    commands: Commands, cloud: LocalCloud, proxy: ConnectProxy, with_certificate: list[str]
) -> None:
    proxy.refusal = "403 Forbidden"
    said = commands.run("watch", "--all", *with_certificate, *_FEW, code=1)
    target = f"127.0.0.1:{cloud.mqtt_port}"
    assert f"refuses a connection to {target} (HTTP/1.1 403 Forbidden)" in said
    assert "add 127.0.0.1 to NO_PROXY" in said


@pytest.mark.parametrize("url", ["socks5://me:secret@h:1", "https://me:secret@h:1", "http://h:x"])
def test_proxy_of_another_kind_is_reported(
    url: str,
    commands: Commands,
    proxy: ConnectProxy,
    with_certificate: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", url)
    said = commands.run("watch", "--all", *with_certificate, *_FEW, code=1)
    assert "can use http://HOST:PORT only" in said
    assert "secret" not in said


def test_proxy_that_cannot_be_reached_is_named(
    commands: Commands,
    proxy: ConnectProxy,
    with_certificate: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mli.watch.listener.FIRST_SECONDS", 0.3)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    said = commands.run("watch", "--all", *with_certificate, *_FEW, code=1)
    assert "cannot be reached: the proxy 127.0.0.1:9: " in said
