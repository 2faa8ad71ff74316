"""What the local core of generation 1 exchanges with Greengrass beside MQTT, private to both.

- ``GET /_core/1/things/<thing>`` returns null, or the deployment of its group:
  ``{"groupId", "groupVersionId", "deploymentId", "deploymentType", "status"}``.
- ``GET /_core/1/things/<thing>/credentials`` returns those of the role of that group:
  ``{"accessKeyId", "secretAccessKey", "sessionToken", "expiration"}``. On AWS, a core gets them for
  its certificate.
- ``POST /_core/1/things/<thing>`` takes that core's verdict: ``{"groupId", "deploymentId",
  "status": "InProgress" | "Success" | "Failure", "error": null | "…"}``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol
from urllib.parse import unquote

from ..api.errors import ApiError
from ..api.rest_api import HttpReply, RestApi
from ..api.timestamps import iso
from ..iam.role_sessions import RoleSession

_V1 = re.compile(r"/_core/1/things/([^/]+)(/credentials)?")
_SERVICE = "greengrass.amazonaws.com"


class CoreService(Protocol):
    """What generation 1 of AWS IoT Greengrass has for its cores."""

    @property
    def api(self) -> RestApi:
        """Its API."""

    def orders(self, thing_name: str) -> Any:
        """Return what the core of a thing is to run."""

    def role(self, thing_name: str) -> tuple[str, str]:
        """Return the ARNs of the group of a thing and of the group's role.

        Raises:
            ApiError: if there is none.
        """

    def report(self, thing_name: str, report: Mapping[str, Any]) -> None:
        """Take a core's report.

        Raises:
            ApiError: if it is not one.
        """


class CoreEndpoint:
    """Serves these paths; ``assume`` makes a session of a role for a service."""

    def __init__(self, v1: CoreService, assume: Callable[..., RoleSession | None]) -> None:
        self._v1 = v1
        self._assume = assume

    def serves(self, path: str) -> bool:
        """Return whether a path is one of these."""
        return _V1.fullmatch(path) is not None

    def serve(self, method: str, path: str, body: bytes) -> HttpReply:
        """Answer one request."""
        try:
            return HttpReply.of_json(self._serve_v1(method, path, body))
        except ApiError as error:
            return HttpReply.of_error(error)

    def _serve_v1(self, method: str, path: str, body: bytes) -> Any:
        match = _V1.fullmatch(path)
        if match is None or method not in ("GET", "POST"):
            raise ApiError("UnknownOperationException", f"no such path: {method} {path}", 404)
        thing = unquote(match[1])
        with self._v1.api.lock:
            if match[2]:
                return self._credentials(thing)
            if method == "GET":
                return self._v1.orders(thing)
            self._v1.report(thing, _content(body))
        return {}

    def _credentials(self, thing: str) -> Mapping[str, str]:
        group, role = self._v1.role(thing)
        session = self._assume(_SERVICE, role, thing, source_arn=group)
        if session is None:
            raise ApiError("AccessDeniedException", f"{role} does not trust {_SERVICE}", 403)
        return {
            "accessKeyId": session.key,
            "secretAccessKey": session.secret,
            "sessionToken": session.token,
            "expiration": iso(datetime.fromtimestamp(session.expires, UTC)),
        }


def _content(body: bytes) -> Mapping[str, Any]:
    try:
        content = json.loads(body)
    except ValueError:
        raise ApiError("SerializationException", "the body is not JSON") from None
    if not isinstance(content, dict):
        raise ApiError("SerializationException", "the body is not an object")
    return content
