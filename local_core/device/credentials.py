"""The AWS credentials that a core gets for its certificate through a role alias.

https://docs.aws.amazon.com/iot/latest/developerguide/authorizing-direct-aws.html
"""

from __future__ import annotations

import json
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ..errors import LocalCoreError
from .setup import Address

RENEWED_BEFORE = timedelta(minutes=5)
"""How long before the expiry of credentials new ones are fetched, as the nucleus does."""
_SECONDS = 10.0


class CredentialsError(LocalCoreError, OSError):
    """The credential provider refuses, or cannot be reached."""


@dataclass(frozen=True)
class Credentials:
    """Temporary credentials of the token exchange role."""

    access_key_id: str
    secret_access_key: str
    session_token: str
    expiration: datetime

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Credentials:
        """Read the provider's answer."""
        given = document["credentials"]
        return cls(
            access_key_id=given["accessKeyId"],
            secret_access_key=given["secretAccessKey"],
            session_token=given["sessionToken"],
            expiration=datetime.fromisoformat(given["expiration"]),
        )


class CoreCredentials:
    """Fetches credentials by mutual TLS, and keeps them until shortly before they end."""

    def __init__(
        self,
        address: Address,
        role_alias: str,
        thing_name: str,
        tls: ssl.SSLContext,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._url = f"https://{address.host}:{address.port}/role-aliases/{role_alias}/credentials"
        self._thing_name = thing_name
        # No proxy: the provider requires the device's own certificate.
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=tls)
        )
        self._now = now
        self._lock = threading.Lock()
        self._kept: Credentials | None = None

    def get(self) -> Credentials:
        """Return credentials that do not expire soon.

        Raises:
            CredentialsError: if there are none.
        """
        with self._lock:
            if self._kept is None or self._now() >= self._kept.expiration - RENEWED_BEFORE:
                self._kept = self._fetch()
            return self._kept

    def _fetch(self) -> Credentials:
        headers = {"x-amzn-iot-thingname": self._thing_name}
        request = urllib.request.Request(self._url, headers=headers)
        try:
            with self._opener.open(request, timeout=_SECONDS) as reply:
                return Credentials.parse(json.load(reply))
        except urllib.error.HTTPError as error:
            reason = error.read(1_000).decode(errors="replace")
            raise CredentialsError(f"the credential provider refuses: {reason}") from None
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise CredentialsError(f"no credentials for the certificate: {error}") from None
