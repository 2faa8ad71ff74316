"""What a V1 core gets from its cloud, and reports to it, by HTTP beside AWS's own APIs."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from ..agent import CloudUnreachableError

_SECONDS = 10.0


class OrdersRefusedError(CloudUnreachableError):
    """The cloud refuses a request, with its reason."""


class OrdersClient:
    """Fetches one core's orders and sends its reports; ``endpoint`` is the cloud's."""

    def __init__(self, endpoint: str, thing_name: str) -> None:
        self._endpoint = endpoint
        self._path = f"/_core/1/things/{quote(thing_name, safe='')}"
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def orders(self) -> Any:
        """Return the deployment of the core's group, or None.

        Raises:
            CloudUnreachableError: if the cloud cannot be asked.
        """
        return self._call("GET")

    def report(self, report: Mapping[str, Any]) -> None:
        """Report on a deployment.

        Raises:
            CloudUnreachableError: if the cloud does not take the report.
        """
        self._call("POST", report)

    def credentials(self) -> Mapping[str, str]:
        """Return the credentials of the role of the core's group.

        Raises:
            OrdersRefusedError: if there is no such role, or it does not trust Greengrass.
            CloudUnreachableError: if the cloud cannot be asked.
        """
        found: Mapping[str, str] = self._call("GET", path=f"{self._path}/credentials")
        return found

    def _call(self, method: str, body: Mapping[str, Any] | None = None, *, path: str = "") -> Any:
        path = path or self._path
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._endpoint + path, data=data, method=method)
        try:
            with self._opener.open(request, timeout=_SECONDS) as reply:
                return json.load(reply)
        except urllib.error.HTTPError as error:
            reason = error.read(1_000).decode(errors="replace")
            raise OrdersRefusedError(f"{method} {path}: {reason}") from None
        except (OSError, ValueError) as error:
            raise CloudUnreachableError(f"{method} {path}: {error}") from None
