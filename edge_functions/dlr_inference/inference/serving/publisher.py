"""What a core publishes in both generations: predictions by their policy, and telemetry."""

from __future__ import annotations

import contextlib
import time
from dataclasses import asdict
from typing import Callable, Mapping, Sequence

from ..model.artifacts.watch import ModelWatch
from ..model.loaded import LoadedModel
from ..names import prediction_topic, telemetry_topic
from ..outgoing.backlog import Backlog
from ..outgoing.local_topic import LocalPublisher
from ..outgoing.outbox import Outbox, Send
from ..outgoing.telemetry import HealthFault, Report, Telemetry, TelemetryThread, embedded_metrics
from ..pipeline.pipeline import Counters
from ..pipeline.sinks import PredictionSink, PublishCounters, publish_policy
from ..settings import InferenceSettings
from ..sources.status import CONNECTING, LOST, SourceStatus
from .assembly import encoder_for

Faults = Callable[[], Sequence[HealthFault]]
Sources = Callable[[], Sequence[SourceStatus]]
Numbers = Callable[[], Mapping[str, int]]
Previewed = Callable[[], Mapping[str, float]]


OPENING_SECONDS = 5.0
"""How long a source may take to open before telemetry calls it a fault."""


class Publisher:
    """The outbox, the messages that go through it, and the telemetry about them."""

    def __init__(
        self,
        settings: InferenceSettings,
        loaded: LoadedModel,
        send: Send,
        *,
        component_version: str,
        component: str | None = None,
        sources: Sources,
        faults: Faults = tuple,
        feedback: Numbers = dict,
        backlog: Backlog | None = None,
        local: LocalPublisher | None = None,
        previews: Previewed = dict,
    ) -> None:
        """``faults`` and ``feedback`` return the faults and counters of the generation's own parts.

        ``previews`` returns the counters of live pictures, if there are any, and ``sources`` the
        state of each source; ``backlog`` is for the outbox. ``component`` is the component's name,
        and ``local`` publishes on the device; the first generation has neither.
        """
        rate = settings.publish_rate_limit
        self._component, self._component_version = component, component_version
        self._local = local
        self.outbox = Outbox(send, messages_a_second=rate, backlog=backlog)
        self.telemetry = Telemetry(
            core_name=settings.core_name,
            model=_identity(loaded),
            versions=self._versions(loaded),
            report=self._report,
            configuration=settings.digest(),
            component=component,
        )
        self._settings = settings
        self._sources = sources
        self._faults = faults
        self._feedback = feedback
        self._previews = previews
        self._frames = Counters()
        self._messages = PublishCounters()
        self._thread: TelemetryThread | None = None
        self._model_watch = ModelWatch(loaded.artifact)
        self._opening: dict[str, tuple[float, float]] = {}

    def prediction_sink(self, settings: InferenceSettings, loaded: LoadedModel) -> PredictionSink:
        """Return the sink that publishes predictions as ``settings`` say."""
        topic = prediction_topic(settings.core_name)

        def publish(payload: bytes) -> None:
            self.outbox.put(topic, payload)
            if self._local is not None and settings.local_topic is not None:
                self._local.put(settings.local_topic, payload)

        return PredictionSink(
            encoder_for(settings, loaded, component=self._component),
            publish,
            policy=publish_policy(settings.publish_when),
            counters=self._messages,
        )

    def use(self, settings: InferenceSettings, loaded: LoadedModel) -> None:
        """Continue with changed settings, and possibly another model."""
        self._settings = settings
        self._model_watch = ModelWatch(loaded.artifact)
        self.telemetry.model = _identity(loaded)
        self.telemetry.versions = self._versions(loaded)
        self.telemetry.configuration = settings.digest()  # last: its change is sent at once
        self.outbox.limit_rate(settings.publish_rate_limit)

    def start(self, frames: Counters) -> None:
        """Start to publish telemetry about ``frames`` and everything else."""
        self._frames = frames
        self._thread = TelemetryThread(self.telemetry, self._publish)

    def close(self, deadline: float) -> int:
        """Publish telemetry once more, and send waiting messages until ``deadline``.

        ``deadline`` is a ``time.monotonic``. Return how many messages were not sent.
        """
        if self._thread is not None:
            self._thread.close()
        if self._local is not None:
            self._local.close()
        return self.outbox.close(max(0.0, deadline - time.monotonic() - 1.0))

    def _versions(self, loaded: LoadedModel) -> Mapping[str, str]:
        return {**loaded.model.versions, "component": self._component_version}

    def _publish(self, payload: bytes) -> None:
        self.outbox.put(telemetry_topic(self._settings.core_name), payload)
        if self._settings.embedded_metrics:
            with contextlib.suppress(OSError):  # the disk that holds the log is full
                print(embedded_metrics(payload), flush=True)

    def _report(self) -> Report:
        statuses = self._sources()
        faults = [fault for status in statuses for fault in self._source_faults(status)]
        model_fault = self._model_watch.fault()
        if model_fault is not None:
            faults.append(HealthFault("no model", model_fault))
        broker_fault = self.outbox.fault
        if broker_fault is not None:
            faults.append(HealthFault("no broker", broker_fault))
        waiting, previews = self.outbox.waiting, self._previews()
        return Report(
            faults=[*faults, *self._faults()],
            frames=asdict(self._frames),
            publish={
                "queued": len(self.outbox),
                **asdict(self.outbox.counters),
                "queuedByKind": waiting.by_kind,
                "droppedByKind": waiting.dropped_by_kind,
                "inMemory": waiting.in_memory,
                "diskBytes": waiting.disk_bytes,
                "heldBack": self._messages.held_back,
                "predictionsLeftOut": self._messages.predictions_left_out,
                **self._local_numbers(),
                **({"previews": previews} if previews else {}),
            },
            feedback=self._feedback(),
            sources=[status.to_json() for status in statuses],
        )

    def _local_numbers(self) -> dict[str, Mapping[str, int]]:
        if self._local is None or self._settings.local_topic is None:
            return {}
        return {"local": asdict(self._local.counters)}

    def _source_faults(self, status: SourceStatus) -> list[HealthFault]:
        """Return the fault of a source without frames, unless it has just begun to open."""
        if status.state not in (CONNECTING, LOST):
            return []
        if status.state == CONNECTING and not status.reason:
            # Measured with the monotonic clock: ``since`` is a date, which may jump.
            date, began = self._opening.get(status.name, (None, 0.0))
            if date != status.since:
                began = time.monotonic()
                self._opening[status.name] = (status.since, began)
            if time.monotonic() - began < OPENING_SECONDS:
                return []
        reason = f"{status.name}: {status.reason or 'it does not open'}"
        return [HealthFault("no camera", reason, about=status.name)]


def _identity(loaded: LoadedModel) -> dict[str, str]:
    return {"name": loaded.profile.name, "sha256": loaded.artifact.sha256}
