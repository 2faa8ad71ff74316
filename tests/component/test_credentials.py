"""Without credentials nothing can be uploaded; everything else goes on."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from inference.names import telemetry_topic
from tests.component.conftest import CORE, FEEDBACK, Rig
from tests.waiting import eventually

pytestmark = pytest.mark.slow


class TokenExchange:
    """A real HTTP server in the place of the token exchange service, at one address."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.status = 200
        self._credentials = {
            "AccessKeyId": environment["AWS_ACCESS_KEY_ID"],
            "SecretAccessKey": environment["AWS_SECRET_ACCESS_KEY"],
            "Token": "token",
            # Less than what botocore refreshes before the end: it asks for each upload.
            "Expiration": (datetime.now(UTC) + timedelta(minutes=5)).isoformat(),
        }
        self._server: ThreadingHTTPServer | None = None
        self.port = 0
        self.start()

    def start(self) -> None:
        """Serve, at the same port as before."""
        exchange = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(exchange.status)
                self.end_headers()
                if exchange.status == 200:
                    self.wfile.write(json.dumps(exchange._credentials).encode())

            def log_message(self, format: str, *args: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Close the port."""
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()


def test_without_credentials_samples_wait_and_predictions_go_on(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = dict(rig.cloud.environment())
    exchange = TokenExchange(environment)
    for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        environment.pop(key, None)
    monkeypatch.setattr(rig.cloud, "environment", lambda: environment)
    rig.environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = f"http://localhost:{exchange.port}/"
    rig.configure(feedbackConfiguration=FEEDBACK, inferenceInterval=0.5)
    exchange.stop()  # before the first upload
    rig.start()
    eventually(lambda: rig.faults() == ["no bucket"])
    rig.await_predictions(2)
    exchange.start()
    eventually(lambda: rig.faults() == [])
    assert rig.samples()
    exchange.status = 500
    eventually(lambda: rig.faults() == ["no bucket"])
    rig.await_predictions(2)
    exchange.status = 200
    eventually(lambda: rig.faults() == [])
    assert rig.process is not None
    assert rig.process.poll() is None
    feedback = rig.broker.on(telemetry_topic(CORE))[-1]["feedback"]
    assert feedback["failed_tries"] > 0
    assert feedback["failed"] == 0
    exchange.stop()
