"""What a V2 core publishes about itself, as the nuclei do.

https://docs.aws.amazon.com/greengrass/v2/developerguide/device-status.html
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from typing import Any

from ...nucleus.identity import CoreIdentity
from ...nucleus.lifecycle import State
from ..mqtt import MqttConnection
from .deployment import V2Deployment
from .deployment_sources import Order, ReportedStatus

_STATES = {
    State.NEW: "NEW",
    State.RUNNING: "RUNNING",
    State.ERRORED: "ERRORED",
    State.BROKEN: "BROKEN",
    State.FINISHED: "FINISHED",
    State.STOPPED: "INSTALLED",
}


class HealthReports:
    """The health messages of one core; ``is_due`` is set when there is news to report."""

    def __init__(self, broker: MqttConnection, identity: CoreIdentity) -> None:
        self.is_due = threading.Event()
        self._broker = broker
        self._identity = identity
        self._number = 0

    def publish(
        self,
        deployed: V2Deployment | None,
        states: Mapping[str, State],
        order: Order | None = None,
        verdict: ReportedStatus | None = None,
    ) -> None:
        """Publish the state of the core.

        Raises:
            ConnectionError: if that cannot be sent; then it is due still.
        """
        self.is_due.clear()
        self._number += 1
        message = health_message(
            self._identity, deployed, states, number=self._number, order=order, verdict=verdict
        )
        topic = f"$aws/things/{self._identity.thing_name}/greengrassv2/health/json"
        try:
            self._broker.publish_to_cloud("", topic, 1, json.dumps(message).encode())
        except ConnectionError:
            self.is_due.set()
            raise


def health_message(
    identity: CoreIdentity,
    deployed: V2Deployment | None,
    states: Mapping[str, State],
    *,
    number: int,
    order: Order | None = None,
    verdict: ReportedStatus | None = None,
) -> dict[str, Any]:
    """Return the message of a core on which ``deployed`` is; ``states`` are its components'.

    ``number`` counts the core's messages. ``order`` and ``verdict`` are the deployment that it
    reports on, if it is one that makes it report.
    """
    versions = deployed.versions if deployed else {}
    built_in = deployed.built_in if deployed else {}
    unhealthy = State.BROKEN in [states.get(name) for name in versions]
    message: dict[str, Any] = {
        "ggcVersion": identity.nucleus.version,
        "platform": "linux",
        "architecture": identity.platform["architecture"],
        "runtime": identity.platform.get("runtime", "aws_nucleus_classic"),
        "thing": identity.thing_name,
        "overallDeviceStatus": "UNHEALTHY" if unhealthy else "HEALTHY",
        "sequenceNumber": number,
        "timestamp": int(time.time() * 1_000),
        "messageType": "COMPLETE",
        "trigger": "COMPONENT_STATUS_CHANGE",
        "components": [
            *(_component(n, v, _STATES[states.get(n, State.NEW)]) for n, v in versions.items()),
            *(_component(n, v, "RUNNING", root=False) for n, v in built_in.items()),
        ],
    }
    if order is not None and verdict is not None:
        to_thing = order.target.startswith("thing/")
        message["trigger"] = "THING_DEPLOYMENT" if to_thing else "THING_GROUP_DEPLOYMENT"
        message["deploymentInformation"] = {
            "status": verdict.status,
            "statusDetails": {"detailedStatus": verdict.detail},
            "fleetConfigurationArnForStatus": order.arn,
            "deploymentId": order.document.get("deploymentId", ""),
            "unchangedRootComponents": [],
        }
    return message


def _component(name: str, version: str, state: str, *, root: bool = True) -> dict[str, Any]:
    return {
        "componentName": name,
        "version": version,
        "fleetConfigArns": [],
        "isRoot": root,
        "status": state,
    }
