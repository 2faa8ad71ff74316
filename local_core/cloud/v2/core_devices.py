"""What Greengrass V2 knows about its cores, which is only what they have reported.

https://docs.aws.amazon.com/greengrass/v2/developerguide/device-status.html
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..api import service_model
from ..api.errors import ApiError


@dataclass(frozen=True)
class CoreDevice:
    """The last report of one core; ``effective`` holds its deployments by their ids."""

    thing_name: str
    status: str = "HEALTHY"
    core_version: str = ""
    platform: str = ""
    architecture: str = ""
    runtime: str = ""
    updated: float = 0.0
    components: tuple[Mapping[str, Any], ...] = ()
    effective: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


_TEXTS = {
    "status": "status",
    "coreVersion": "core_version",
    "platform": "platform",
    "architecture": "architecture",
    "runtime": "runtime",
}


class CoreDevices:
    """Every core that has reported."""

    def __init__(self) -> None:
        self._devices: dict[str, CoreDevice] = {}
        self._model = service_model.load("greengrassv2")

    def report(self, thing_name: str, report: Mapping[str, Any]) -> CoreDevice:
        """Take a core's report on itself, its components and one deployment.

        Members are named and checked as GetCoreDevice, ListInstalledComponents
        (``components``) and ListEffectiveDeployments (``deployment``) name them.

        Raises:
            ApiError: if the report is malformed.
        """
        now = time.time()
        device = self._devices.get(thing_name, CoreDevice(thing_name=thing_name))
        texts = {ours: report[theirs] for theirs, ours in _TEXTS.items() if theirs in report}
        device = replace(device, updated=now, **texts)
        if "components" in report:
            components = tuple(
                {"lastStatusChangeTimestamp": now, "lastReportedTimestamp": now, **component}
                for component in report["components"]
            )
            self._check("InstalledComponentList", list(components), "components")
            device = replace(device, components=components)
        if "deployment" in report:
            deployment = dict(report["deployment"])
            old = device.effective.get(str(deployment.get("deploymentId")), {})
            deployment = {"creationTimestamp": now, **old, **deployment, "modifiedTimestamp": now}
            self._check("EffectiveDeployment", deployment, "deployment")
            effective = {**device.effective, deployment["deploymentId"]: deployment}
            device = replace(device, effective=effective)
        self._check("CoreDeviceStatus", device.status, "status")
        self._devices[thing_name] = device
        return device

    def _check(self, shape: str, value: object, path: str) -> None:
        found = list(service_model.faults(self._model.shape_for(shape), value, path))
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
