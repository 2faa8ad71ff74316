"""What a core exchanges with Greengrass by IoT jobs, shadows and status topics, as plain HTTP.

The paths are private to the local core; everything else about a core goes through AWS's own APIs.
The first part of a path is the generation of the core.

- ``GET /_core/2/things/<thing>`` returns what a V2 core is to run, each as GetDeployment returns
  it: those of the thing and of its thing groups.
- ``POST /_core/2/things/<thing>`` takes its report: any of ``status``, ``coreVersion``,
  ``platform``, ``architecture``, ``runtime`` (GetCoreDevice), ``components``
  (ListInstalledComponents) and ``deployment`` (one entry of ListEffectiveDeployments, without
  the timestamps).
- ``GET /_core/1/things/<thing>`` returns null, or the deployment of a V1 core's group:
  ``{"groupId", "groupVersionId", "deploymentId", "deploymentType", "status"}``.
- ``POST /_core/1/things/<thing>`` takes its verdict: ``{"groupId", "deploymentId",
  "status": "InProgress" | "Success" | "Failure", "error": null | "…"}``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import unquote

from ..api.errors import ApiError
from ..api.rest_api import HttpReply, RestApi
from ..emulator import Handlers

PREFIX = "/_core/"
_PATH = re.compile(r"/_core/(\d)/things/([^/]+)")


class GreengrassService(Protocol):
    """One generation of AWS IoT Greengrass in the local cloud."""

    @property
    def api(self) -> RestApi:
        """Its API."""

    def resource_types(self) -> Mapping[str, Handlers]:
        """Return its resource types of CloudFormation."""

    def orders(self, thing_name: str) -> Any:
        """Return what the core of a thing is to run."""

    def report(self, thing_name: str, report: Mapping[str, Any]) -> None:
        """Take a core's report.

        Raises:
            ApiError: if it is not one.
        """


class CoreEndpoint:
    """Serves the private paths of the local core."""

    def __init__(self, services: Mapping[int, GreengrassService]) -> None:
        self._services = services

    def serve(self, method: str, path: str, body: bytes) -> HttpReply:
        """Answer one request."""
        try:
            match = _PATH.fullmatch(path)
            service = self._services.get(int(match[1])) if match else None
            if match is None or service is None or method not in ("GET", "POST"):
                raise ApiError("UnknownOperationException", f"no such path: {method} {path}", 404)
            thing = unquote(match[2])
            with service.api.lock:
                if method == "GET":
                    return HttpReply.of_json(service.orders(thing))
                service.report(thing, _content(body))
            return HttpReply.of_json({})
        except ApiError as error:
            return HttpReply.of_error(error)


def _content(body: bytes) -> Mapping[str, Any]:
    try:
        content = json.loads(body)
    except ValueError:
        raise ApiError("SerializationException", "the body is not JSON") from None
    if not isinstance(content, dict):
        raise ApiError("SerializationException", "the body is not an object")
    return content
