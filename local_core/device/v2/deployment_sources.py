"""Where a V2 core gets its deployments: IoT jobs of its thing groups, and a shadow of its thing.

Topics and documents are those of the nuclei:
https://docs.aws.amazon.com/iot/latest/developerguide/jobs-mqtt-api.html and
https://docs.aws.amazon.com/iot/latest/developerguide/device-shadow-mqtt.html. AWS puts Greengrass's
jobs into a namespace, which ends each topic; the local cloud has no namespaces.
"""

from __future__ import annotations

import json
import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...nucleus.dialect import Nucleus
from ..mqtt import MqttConnection

SHADOW = "AWSManagedGreengrassV2Deployment"
_MOST_CHARACTERS = 1_024
"""https://docs.aws.amazon.com/iot/latest/apireference/API_iot-jobs-data_UpdateJobExecution.html"""
_ENDED = ("SUCCEEDED", "FAILED")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReportedStatus:
    """How far a deployment is: ``status`` is the job's, ``detail`` says more for a nucleus."""

    status: str
    detail: str = ""
    cause: str = ""

    @property
    def reason(self) -> str:
        """Detail and cause in one line."""
        return ": ".join(text for text in (self.detail, self.cause) if text)


@dataclass(frozen=True)
class Order:
    """A deployment that is to be carried out; ``key`` tells two of one source apart."""

    key: str
    document: Mapping[str, Any]
    source: DeploymentSource

    @property
    def arn(self) -> str:
        """The ARN by which the cloud knows this revision of its target's deployment."""
        return str(self.document["configurationArn"])

    @property
    def target(self) -> str:
        """The target, such as ``thinggroup/NAME``."""
        path = self.arn.split(":", 5)[5].removeprefix("configuration:")
        return path.rpartition(":")[0]

    @property
    def created(self) -> int:
        """When it was created, in milliseconds since the epoch."""
        return int(self.document.get("creationTimestamp", 0))


class DeploymentSource(ABC):
    """One way by which deployments arrive; the broker's thread calls :meth:`_receive`."""

    def __init__(self, connection: MqttConnection, thing_name: str) -> None:
        self._connection = connection
        self._prefix = f"$aws/things/{thing_name}/"
        self._lock = threading.Lock()
        self._latest: Order | None = None
        self._begun = ""
        """The key of the last order that was begun."""
        self._subscribed: set[str] = set()

    @abstractmethod
    def _topics(self) -> tuple[str, ...]:
        """Return the topic filters to subscribe to."""

    @abstractmethod
    def ask(self) -> None:
        """Ask for what was missed, as after each connection.

        Raises:
            ConnectionError: if that cannot be sent.
        """

    @abstractmethod
    def report(self, order: Order, verdict: ReportedStatus) -> None:
        """Report on an order.

        Raises:
            ConnectionError: if that cannot be sent.
        """

    @abstractmethod
    def _receive(self, topic: str, payload: bytes) -> None:
        """Take a message."""

    def subscribe(self) -> None:
        """Subscribe to the topics, once.

        Raises:
            ConnectionError: if the broker is not connected, or refuses.
        """
        for topic in self._topics():
            if topic not in self._subscribed:
                self._connection.subscribe_to_cloud(topic, 1, self._receive)
                self._subscribed.add(topic)

    def next(self) -> Order | None:
        """Return the order to carry out next, if it was not begun yet."""
        with self._lock:
            latest = self._latest
        return latest if latest is not None and latest.key != self._begun else None

    def begin(self, order: Order) -> None:
        """Note that an order was begun."""
        self._begun = order.key

    def give_back(self) -> None:
        """Note that the order begun last was not carried out, and is to be tried again."""
        self._begun = ""

    def has_dropped(self, order: Order) -> bool:
        """Return whether the cloud has cancelled an order meanwhile, or replaced it by another."""
        with self._lock:
            return self._latest is None or self._latest.key != order.key

    def _publish(self, topic: str, document: Mapping[str, Any]) -> None:
        content = json.dumps(document, separators=(",", ":")).encode()
        self._connection.publish_to_cloud("", self._prefix + topic, 1, content)

    def _set(self, order: Order | None) -> None:
        with self._lock:
            self._latest = order


class JobSource(DeploymentSource):
    """The jobs of the thing, one after the other."""

    def __init__(self, connection: MqttConnection, thing_name: str, nucleus: Nucleus) -> None:
        super().__init__(connection, thing_name)
        self._nucleus = nucleus

    def _topics(self) -> tuple[str, ...]:
        names = ("jobs/notify-next", "jobs/$next/get/accepted", "jobs/+/update/rejected")
        return tuple(self._prefix + name for name in names)

    def ask(self) -> None:
        """Ask for the next job."""
        self._publish("jobs/$next/get", {"jobId": "$next", "includeJobDocument": True})

    def report(self, order: Order, verdict: ReportedStatus) -> None:
        """Update the job's execution."""
        details = {
            "detailed-deployment-status": verdict.detail,
            "deployment-failure-cause": verdict.cause[:_MOST_CHARACTERS],
        }
        update: dict[str, Any] = {"status": verdict.status}
        if self._nucleus.reports_details:
            update["statusDetails"] = {name: text for name, text in details.items() if text}
        self._publish(f"jobs/{order.key.partition(':')[0]}/update", update)

    def _receive(self, topic: str, payload: bytes) -> None:
        message = json.loads(payload)
        if topic.endswith("/rejected"):
            _log.warning("%s: %s", topic, message.get("message"))
            return
        execution = message.get("execution")
        if not execution:
            self._set(None)
            return
        limit = self._nucleus.most_packet_bytes
        size = document_size(execution["jobDocument"])
        if limit is not None and size > limit:
            self._connection.drop(f"a job document of {size} bytes is longer than {limit}")
            return
        key = f"{execution['jobId']}:{execution.get('executionNumber', 1)}"
        self._set(Order(key, execution["jobDocument"], self))


class ShadowSource(DeploymentSource):
    """The named shadow of the thing."""

    def __init__(self, connection: MqttConnection, thing_name: str, version: str) -> None:
        super().__init__(connection, thing_name)
        self._version = version

    def _topics(self) -> tuple[str, ...]:
        return tuple(
            f"{self._prefix}shadow/name/{SHADOW}/{name}/accepted" for name in ("get", "update")
        )

    def ask(self) -> None:
        """Ask for the shadow."""
        self._publish(f"shadow/name/{SHADOW}/get", {})

    def report(self, order: Order, verdict: ReportedStatus) -> None:
        """Update the shadow's reported state."""
        details = {"detailedStatus": verdict.detail, "failureCause": verdict.cause}
        reported = {
            "fleetConfigurationArnForStatus": order.arn,
            "status": verdict.status,
            # None removes what an earlier deployment has left there.
            "statusDetails": {
                name: text[:_MOST_CHARACTERS] or None for name, text in details.items()
            },
            "ggcVersion": self._version,
        }
        self._publish(f"shadow/name/{SHADOW}/update", {"state": {"reported": reported}})

    def _receive(self, topic: str, payload: bytes) -> None:
        state = json.loads(payload).get("state") or {}
        desired = state.get("desired")
        if desired is None:  # a report, such as our own
            return
        text = desired.get("fleetConfig")
        if not text or desired.get("desiredStatus") == "CANCELED":
            self._set(None)
            return
        document = json.loads(text)
        reported = state.get("reported") or {}
        arn = document["configurationArn"]
        concluded = reported.get("status") in _ENDED
        if concluded and reported.get("fleetConfigurationArnForStatus") == arn:
            return
        self._set(Order(arn, document, self))


def document_size(document: Mapping[str, Any]) -> int:
    """Return how many bytes a job document has, without white space."""
    return len(json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode())
