"""What a core sends of itself, in both generations: predictions by their policy, and telemetry."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Callable, Mapping, Sequence

from .assembly import encoder_for
from .loading import LoadedModel
from .names import prediction_topic, telemetry_topic
from .outbox import Outbox, Send
from .pipeline import Counters
from .settings import InferenceSettings
from .sinks import PredictionSink, PublishCounters, publish_policy
from .sources.status import CONNECTING, LOST, SourceStatus
from .telemetry import Fault, Heart, Report, Telemetry, embedded_metrics

Faults = Callable[[], Sequence[Fault]]
Sources = Callable[[], Sequence[SourceStatus]]
Numbers = Callable[[], Mapping[str, int]]


OPENING_SECONDS = 5.0
"""How long a source may take to open before that is a fault."""


class Outlet:
    """The outbox with what goes through it, and the telemetry that counts it."""

    def __init__(
        self,
        settings: InferenceSettings,
        loaded: LoadedModel,
        send: Send,
        *,
        component_version: str,
        sources: Sources,
        faults: Faults = tuple,
        feedback: Numbers = dict,
    ) -> None:
        """``faults`` and ``feedback`` tell what the generation's own parts lack and count.

        ``sources`` tells the state of each source.
        """
        self.outbox = Outbox(send, messages_a_second=settings.publish_rate_limit)
        self.telemetry = Telemetry(
            core_name=settings.core_name,
            model=_identity(loaded),
            versions={**loaded.model.versions, "component": component_version},
            report=self._report,
        )
        self._settings = settings
        self._sources = sources
        self._faults = faults
        self._feedback = feedback
        self._frames = Counters()
        self._messages = PublishCounters()
        self._heart: Heart | None = None

    def prediction_sink(self, settings: InferenceSettings, loaded: LoadedModel) -> PredictionSink:
        """Return the sink that publishes predictions as ``settings`` say."""
        topic = prediction_topic(settings.core_name)
        return PredictionSink(
            encoder_for(settings, loaded),
            lambda payload: self.outbox.put(topic, payload),
            policy=publish_policy(settings.publish_when),
            counters=self._messages,
        )

    def use(self, settings: InferenceSettings, loaded: LoadedModel) -> None:
        """Go on by changed settings, and perhaps with another model."""
        self._settings = settings
        self.telemetry.model = _identity(loaded)
        self.outbox.limit_rate(settings.publish_rate_limit)

    def start(self, frames: Counters) -> None:
        """Begin to publish telemetry about ``frames`` and everything else."""
        self._frames = frames
        self._heart = Heart(self.telemetry, self._publish)

    def close(self, seconds: float) -> int:
        """Publish telemetry a last time, and send what waits within ``seconds``.

        Return how many messages did not get out.
        """
        if self._heart is not None:
            self._heart.close()
        return self.outbox.close(seconds)

    def _publish(self, payload: bytes) -> None:
        self.outbox.put(telemetry_topic(self._settings.core_name), payload)
        if self._settings.embedded_metrics:
            print(embedded_metrics(payload), flush=True)

    def _report(self) -> Report:
        statuses = self._sources()
        faults = [fault for status in statuses for fault in _source_faults(status)]
        if self.outbox.fault is not None:
            faults.append(Fault("no broker", self.outbox.fault))
        return Report(
            faults=[*faults, *self._faults()],
            frames=asdict(self._frames),
            publish={
                "queued": len(self.outbox),
                **asdict(self.outbox.counters),
                "heldBack": self._messages.held_back,
                "predictionsLeftOut": self._messages.predictions_left_out,
            },
            feedback=self._feedback(),
            sources=[status.to_json() for status in statuses],
        )


def _identity(loaded: LoadedModel) -> dict[str, str]:
    return {"name": loaded.profile.name, "sha256": loaded.artifact.sha256}


def _source_faults(status: SourceStatus) -> list[Fault]:
    """Return the fault of a source without frames; one that is being opened has a moment for it."""
    opening = status.state == CONNECTING and not status.reason
    if status.state not in (CONNECTING, LOST) or (
        opening and time.time() - status.since < OPENING_SECONDS
    ):
        return []
    return [Fault("no camera", f"{status.name}: {status.reason or 'it does not open'}")]
