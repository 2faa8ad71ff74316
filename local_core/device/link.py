"""What AWS tells cores by IoT jobs and shadows, and hears from them by status topics.

A local cloud offers it by HTTP, beside AWS's own APIs.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from ..errors import LocalCoreError

_SECONDS = 10.0


class LinkError(LocalCoreError, OSError):
    """The cloud cannot be reached, or refuses a report."""


class CoreLink:
    """One core's orders and reports. ``endpoint`` is the cloud's."""

    def __init__(self, endpoint: str, thing_name: str) -> None:
        self._endpoint = endpoint
        self._thing = f"/_core/things/{quote(thing_name, safe='')}"
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def group_deployment(self) -> Mapping[str, Any] | None:
        """Return the deployment of its group that a V1 core is to carry out, if there is one.

        Raises:
            LinkError: if the cloud cannot be asked.
        """
        found: Mapping[str, Any] | None = self._call("GET", self._thing)["v1"]
        return found

    def deployments(self) -> Sequence[Mapping[str, Any]]:
        """Return what a V2 core is to carry out, the oldest first, as GetDeployment returns it.

        It is the latest deployment to its thing and to each of its thing groups.

        Raises:
            LinkError: if the cloud cannot be asked.
        """
        found: list[Mapping[str, Any]] = self._call("GET", self._thing)["v2"]
        return found

    def report(self, report: Mapping[str, Any]) -> None:
        """Tell of a V2 core, its components or a deployment, in the words of the V2 API.

        Raises:
            LinkError: if the cloud cannot be told.
        """
        self._call("POST", self._thing, report)

    def report_group(
        self, group_id: str, deployment_id: str, status: str, error: str | None = None
    ) -> None:
        """Tell how a V1 group's deployment went: InProgress, Success or Failure.

        Raises:
            LinkError: if the cloud cannot be told.
        """
        path = f"/_core/groups/{group_id}/deployments/{deployment_id}"
        self._call("POST", path, {"status": status, "error": error})

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._endpoint + path, data=data, method=method)
        try:
            with self._opener.open(request, timeout=_SECONDS) as reply:
                return json.load(reply)
        except urllib.error.HTTPError as error:
            told = error.read(1_000).decode(errors="replace")
            raise LinkError(f"{method} {path}: {told}") from None
        except (OSError, ValueError) as error:
            raise LinkError(f"{method} {path}: {error}") from None
