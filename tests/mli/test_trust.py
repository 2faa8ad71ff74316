"""Whom the commands trust besides boto3: behind a proxy that inspects TLS, its own authority."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mli.fleet.canary import Verdict, signal
from mli.watch.connections import CredentialsConnection
from tests.inference.sources.servers import certificate


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_PUT(self) -> None:
        self.server.got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()


class Server(http.server.ThreadingHTTPServer):
    """A server whose certificate only ``folder``/certificate vouches for."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.socket = certificate(folder).wrap_socket(self.socket, server_side=True)
        self.got: list[Any] = []

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.server_address[1]}/handle"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "certificate"))
    with Server(tmp_path) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield made
        made.shutdown()


def test_verdict_goes_to_whom_boto3_trusts(server: Server) -> None:
    signal(server.url, Verdict(True, "all is well"))
    assert server.got[0]["Status"] == "SUCCESS"


def test_websocket_goes_to_whom_boto3_trusts(server: Server) -> None:
    key = SimpleNamespace(access_key="A", secret_key="B", token=None)
    connection = CredentialsConnection(
        lambda: key, region="us-east-1", endpoint="e.iot.us-east-1.amazonaws.com", client_id="x"
    )
    context = connection.client()._ssl_context
    assert context is not None
    assert [one["subject"] for one in context.get_ca_certs()] == [((("commonName", "camera"),),)]
