"""What a core exchanges with Greengrass by IoT jobs, shadows and status topics, as plain HTTP.

The paths are private to the local core; everything else about a core goes through AWS's own APIs.

- ``GET /_core/things/<thing>`` tells what the core is to run:
  ``{"v1": null | {"groupId", "groupVersionId", "deploymentId", "deploymentType"},
  "v2": [<GetDeployment's reply>, …]}``, those of the thing and of its thing groups.
- ``POST /_core/things/<thing>`` takes a V2 core's report: any of ``status``, ``coreVersion``,
  ``platform``, ``architecture``, ``runtime`` (GetCoreDevice), ``components``
  (ListInstalledComponents) and ``deployment`` (one entry of ListEffectiveDeployments, without
  the timestamps).
- ``POST /_core/groups/<group>/deployments/<deployment>`` takes a V1 core's verdict:
  ``{"status": "InProgress" | "Success" | "Failure", "error": null | "…"}``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from .. import location
from ..api.errors import ApiError
from ..api.rest_api import HttpReply
from ..v1.api import GreengrassV1
from ..v2.api import GreengrassV2

PREFIX = "/_core/"
_THING = re.compile(r"/_core/things/([^/]+)")
_DEPLOYMENT = re.compile(r"/_core/groups/([^/]+)/deployments/([^/]+)")


class CoreLink:
    """Serves the private paths of the local core."""

    def __init__(self, v1: GreengrassV1, v2: GreengrassV2) -> None:
        self._v1 = v1
        self._v2 = v2

    def serve(self, method: str, path: str, body: bytes) -> HttpReply:
        """Answer one request."""
        try:
            thing, deployment = _THING.fullmatch(path), _DEPLOYMENT.fullmatch(path)
            if thing and method == "GET":
                return HttpReply.of_json(self._orders(unquote(thing[1])))
            if thing and method == "POST":
                with self._v2.api.lock:
                    self._v2.report(unquote(thing[1]), _content(body))
                return HttpReply.of_json({})
            if deployment and method == "POST":
                content = _content(body)
                with self._v1.api.lock:
                    self._v1.deployments.report(
                        deployment[1],
                        deployment[2],
                        content.get("status", ""),
                        content.get("error"),
                    )
                return HttpReply.of_json({})
            raise ApiError("UnknownOperationException", f"no such path: {method} {path}", 404)
        except ApiError as error:
            return HttpReply.of_error(error)

    def _orders(self, thing_name: str) -> dict[str, Any]:
        arn = location.arn("iot", f"thing/{thing_name}")
        with self._v1.api.lock:
            group = self._v1.deployment_of_thing(arn)
        with self._v2.api.lock:
            deployments = self._v2.orders(thing_name)
        orders = group and {
            "groupId": group.group_id,
            "groupVersionId": group.group_version,
            "deploymentId": group.id,
            "deploymentType": group.kind,
            "status": group.status,
        }
        return {"v1": orders, "v2": deployments}


def _content(body: bytes) -> Mapping[str, Any]:
    try:
        content = json.loads(body)
    except ValueError:
        raise ApiError("SerializationException", "the body is not JSON") from None
    if not isinstance(content, dict):
        raise ApiError("SerializationException", "the body is not an object")
    return content
