"""Messages and invocations between functions, connectors and the cloud, by the subscriptions.

https://docs.aws.amazon.com/greengrass/v1/developerguide/gg-sec.html#gg-msg-workflow
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..errors import LocalCoreError
from ..ipc.topics import filter_matches
from .arns import CLOUD, short
from .group import Subscription
from .invocations import Invocable, Invocation, QueueFullError
from .logs import CoreLog

CLOUD_QOS = 1
"""A core sends messages to AWS IoT Core at least once."""

CloudPublish = Callable[[str, bytes, int], None]
"""Sends topic, payload and quality of service to AWS IoT Core, or raises ``OSError``."""


class UnknownFunctionError(LocalCoreError):
    """Nothing of that ARN can be invoked on this core."""


@dataclass
class RouterCounters:
    """Counts of messages: delivered to a target, without a subscription, or lost at a target."""

    delivered: int = 0
    refused: int = 0
    lost: int = 0


class RouterService:
    """Delivers a message to the targets of the subscriptions from its source, and to no others.

    A message without a subscription is dropped and logged. Its publisher gets no error, since a
    core has then already accepted the message.
    """

    def __init__(
        self, subscriptions: Sequence[Subscription], *, to_cloud: CloudPublish, log: CoreLog
    ) -> None:
        self.counters = RouterCounters()
        self._subscriptions = tuple(subscriptions)
        self._to_cloud = to_cloud
        self._log = log
        self._lock = threading.Lock()
        self._receivers: dict[str, Invocable] = {}

    @property
    def cloud_filters(self) -> tuple[str, ...]:
        """The topic filters of what this core wants from AWS IoT Core."""
        subjects = [one.subject for one in self._subscriptions if one.source == CLOUD]
        return tuple(dict.fromkeys(subjects))

    def attach(self, arn: str, receiver: Invocable) -> None:
        """Make ``receiver`` reachable by ``arn``, for invocations and for messages."""
        with self._lock:
            self._receivers[arn] = receiver

    def publish(
        self, source: str, subject: str, payload: bytes, *, all_or_error: bool = False
    ) -> None:
        """Deliver a message that ``source`` published.

        Raises:
            QueueFullError: with ``all_or_error``, if one of the targets could take no more.
        """
        targets = self._targets(source, subject)
        if not targets:
            self._count(refused=1)
            self._log.warn(
                f"no subscription from {short(source)} on {subject}: the message is dropped"
            )
            return
        for target in sorted(targets, key=lambda name: name == CLOUD):
            try:
                self._deliver(target, source, subject, payload)
            except (OSError, QueueFullError, UnknownFunctionError) as error:
                self._count(lost=1)
                reason = str(error) or type(error).__name__
                self._log.warn(f"message on {subject} is lost at {short(target)}: {reason}")
                if all_or_error and isinstance(error, QueueFullError):
                    raise
            else:
                self._count(delivered=1)

    def from_cloud(self, topic: str, payload: bytes) -> None:
        """Deliver a message of AWS IoT Core."""
        self.publish(CLOUD, topic, payload)

    def invoke(self, arn: str, work: Invocation) -> None:
        """Hand ``work`` to the function or connector of that ARN.

        Raises:
            UnknownFunctionError: if there is none on this core.
            QueueFullError: if it can take no more.
        """
        with self._lock:
            receiver = self._receivers.get(arn)
        if receiver is None:
            raise UnknownFunctionError(f"there is no function {arn} on this core")
        receiver.accept(work)

    def _targets(self, source: str, subject: str) -> set[str]:
        return {
            one.target
            for one in self._subscriptions
            if one.source == source and filter_matches(one.subject, subject)
        }

    def _deliver(self, target: str, source: str, subject: str, payload: bytes) -> None:
        if target == CLOUD:
            self._to_cloud(subject, payload, CLOUD_QOS)
            return
        context = {"custom": {"source": source, "subject": subject}}
        self.invoke(
            target, Invocation(payload, base64.b64encode(json.dumps(context).encode()).decode())
        )

    def _count(self, delivered: int = 0, refused: int = 0, lost: int = 0) -> None:
        with self._lock:
            self.counters.delivered += delivered
            self.counters.refused += refused
            self.counters.lost += lost
