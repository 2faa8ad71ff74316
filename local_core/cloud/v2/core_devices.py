"""What Greengrass V2 knows about its cores, which is only what their health messages say.

https://docs.aws.amazon.com/greengrass/v2/developerguide/device-status.html
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..api import service_model
from ..api.errors import ApiError

HEALTH_TOPIC = "$aws/things/+/greengrassv2/health/json"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CoreDevice:
    """What one core has reported."""

    thing_name: str
    status: str = "HEALTHY"
    core_version: str = ""
    platform: str = ""
    architecture: str = ""
    runtime: str = ""
    updated: float = 0.0
    components: tuple[Mapping[str, Any], ...] = ()


_TEXTS = {
    "overallDeviceStatus": "status",
    "ggcVersion": "core_version",
    "platform": "platform",
    "architecture": "architecture",
    "runtime": "runtime",
}


class CoreDevices:
    """Every core that has reported. Health messages come on one thread only."""

    def __init__(self) -> None:
        self._devices: dict[str, CoreDevice] = {}

    def receive(self, topic: str, payload: bytes) -> None:
        """Take a core's health message; one that is malformed is logged and ignored."""
        thing_name = topic.split("/")[2]
        try:
            self._take(thing_name, json.loads(payload))
        except (ValueError, KeyError, TypeError, AttributeError, ApiError) as error:
            _log.warning("health message of %s ignored: %r", thing_name, error)

    def _take(self, thing_name: str, message: Mapping[str, Any]) -> None:
        now = time.time()
        device = self._devices.get(thing_name, CoreDevice(thing_name=thing_name))
        texts = {ours: message[theirs] for theirs, ours in _TEXTS.items() if theirs in message}
        reported = {
            one["componentName"]: {
                "componentName": one["componentName"],
                "componentVersion": one["version"],
                "lifecycleState": one["status"],
                "isRoot": bool(one.get("isRoot", True)),
                "lastStatusChangeTimestamp": now,
                "lastReportedTimestamp": now,
            }
            for one in message.get("components") or []
        }
        if message.get("messageType") != "COMPLETE":
            reported = {one["componentName"]: dict(one) for one in device.components} | reported
        components = tuple(reported.values())
        self._check("InstalledComponentList", list(components), "components")
        device = replace(device, updated=now, components=components, **texts)
        self._check("CoreDeviceStatus", device.status, "overallDeviceStatus")
        self._devices[thing_name] = device

    def _check(self, shape: str, value: object, path: str) -> None:
        model = service_model.load("greengrassv2")
        found = list(service_model.faults(model.shape_for(shape), value, path))
        if found:
            raise ApiError("ValidationException", "; ".join(found))

    def get(self, thing_name: str) -> CoreDevice:
        """Return a core.

        Raises:
            ApiError: if it has never reported.
        """
        try:
            return self._devices[thing_name]
        except KeyError:
            reason = f"Core device {thing_name} does not exist: it has never reported"
            raise ApiError("ResourceNotFoundException", reason, 404) from None

    def delete(self, thing_name: str) -> None:
        """Forget a core."""
        self.get(thing_name)
        del self._devices[thing_name]

    def all(self) -> list[CoreDevice]:
        """Return every core, in the order of first reports."""
        return list(self._devices.values())
