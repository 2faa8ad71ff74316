"""The token exchange service: AWS credentials for components, from an address on loopback.

AWS's SDKs find it by two variables in the component's environment:
https://docs.aws.amazon.com/greengrass/v2/developerguide/token-exchange-service-component.html
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from ..local_requests import refusal
from .credentials import CoreCredentials, CredentialsError

COMPONENT = "aws.greengrass.TokenExchangeService"
"""The component on which others must depend to be given credentials."""
VERSION = "2.0.3"

_PATH = "/2016-11-01/credentialprovider/"


class TokenExchange:
    """A context in which components get the core's credentials for a token of their own."""

    def __init__(self, provider: CoreCredentials) -> None:
        self._provider = provider
        self._tokens: dict[str, str] = {}
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen at a free port, which is another one each time."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="token-exchange", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Close the port."""
        server, self._server = self._server, None
        if server is not None and self._thread is not None:
            server.shutdown()
            self._thread.join()
            server.server_close()

    def __enter__(self) -> TokenExchange:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def environment(self, component: str) -> Mapping[str, str]:
        """Return the variables for ``component``, whose earlier token becomes invalid.

        There are none while it is stopped.
        """
        if self._server is None:
            return {}
        self._tokens[component] = secrets.token_urlsafe(24)
        port = self._server.server_address[1]
        return {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://localhost:{port}{_PATH}",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": self._tokens[component],
        }

    def answer(self, path: str, token: str | None) -> tuple[HTTPStatus, Mapping[str, str]]:
        """Return the status and the body of a reply."""
        if path != _PATH:
            return HTTPStatus.NOT_FOUND, {"message": "Only GET is supported, on one path"}
        given = (token or "").encode()
        tokens = list(self._tokens.values())
        if not any(secrets.compare_digest(given, ours.encode()) for ours in tokens):
            return HTTPStatus.FORBIDDEN, {"message": "Failed to authenticate"}
        try:
            credentials = self._provider.get()
        except CredentialsError as error:
            return HTTPStatus.INTERNAL_SERVER_ERROR, {"message": str(error)}
        return HTTPStatus.OK, {
            "AccessKeyId": credentials.access_key_id,
            "SecretAccessKey": credentials.secret_access_key,
            "Token": credentials.session_token,
            "Expiration": credentials.expiration.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        exchange = self

        class Handler(BaseHTTPRequestHandler):
            """One request."""

            def do_GET(self) -> None:
                """Answer it."""
                body: Mapping[str, str]
                if reason := refusal(self.headers.items()):
                    status, body = HTTPStatus.FORBIDDEN, {"message": reason}
                else:
                    status, body = exchange.answer(self.path, self.headers.get("Authorization"))
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:
                """Log nothing, so that no token gets into a log."""

        return Handler
