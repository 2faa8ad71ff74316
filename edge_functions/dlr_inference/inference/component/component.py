"""The component of the second generation: its parts, how they change, and how they stop."""

from __future__ import annotations

import logging
import random
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, Callable, Mapping

from ..errors import TokenRefusedError
from ..feedback.attempts import BROKER
from ..feedback.limiter import RequestLimiter
from ..feedback.messages import failure_status
from ..feedback.metadata import SampleOrigin
from ..feedback.moving import moved
from ..feedback.rate_limit import RateLimiter
from ..feedback.s3 import S3
from ..feedback.samples import SampleRequest
from ..feedback.sampling import FeedbackSink, SamplingCounters
from ..feedback.spool import Spool
from ..feedback.uploader import Uploader
from ..model.loaded import LoadedModel
from ..names import FEEDBACK_STATUS_TOPIC
from ..outgoing.backlog import Backlog
from ..outgoing.local_topic import LocalPublisher
from ..outgoing.previews import Previews
from ..outgoing.telemetry import HealthFault
from ..pipeline.pipeline import Pipeline, Sink
from ..schema import ConfigurationError, Fault
from ..serving.assembly import build_stages
from ..serving.loading import load_model
from ..serving.publisher import Publisher
from ..settings import InferenceSettings
from ..vision.thumbnail import Thumbnails
from .live_configuration import LiveConfiguration
from .nucleus import Nucleus, component_name, component_version

SPOOL_BYTES = 256 << 20
"""Most disk space that samples use while they cannot be uploaded."""

_log = logging.getLogger(__name__)


class Component:
    """A core's pipeline with its publisher and feedback, controlled by the configuration."""

    def __init__(
        self,
        settings: InferenceSettings,
        loaded: LoadedModel,
        nucleus: Nucleus,
        *,
        model: Path,
        work: Path,
        seed: str | None,
    ) -> None:
        """Connect the parts; ``seed`` makes the random sampling strategy repeatable.

        Raises:
            ConfigurationError: if there is no such source, or a class is not among the labels.
            ModelError: if the model is not what its profile says.
        """
        self._settings = settings
        self._loaded = loaded
        self._nucleus = nucleus
        self._model = model
        self._work = work
        self._is_refused = False
        self._random = random.Random(seed).random
        self._sampling_counters = SamplingCounters()
        self._spool = Spool(work / "samples", SPOOL_BYTES)
        self._limiter = RequestLimiter(settings.feedback_request_limit)
        self._rate = RateLimiter(settings.feedback_rate_limit, _config_ids(settings))
        self._uploader = Uploader(
            self._spool,
            S3().put_object,
            nucleus.publish_to_iot_core,
            on_finished=self._limiter.leave,
            moved=self._moved,
        )
        self._publisher = Publisher(
            settings,
            loaded,
            nucleus.publish_to_iot_core,
            component_version=component_version(model),
            component=component_name(model),
            sources=lambda: self._pipeline.stages.source.statuses(),
            faults=self._faults,
            feedback=self._feedback_numbers,
            backlog=Backlog(work / "unsent.jsonl"),
            local=LocalPublisher(nucleus.publish_to_topic),
            previews=self._preview_numbers,
        )
        self._previews = Previews(
            nucleus.publish_to_iot_core, Thumbnails(), self._publisher.outbox.is_free
        )
        self._pipeline = Pipeline(build_stages(settings, loaded, self._sinks(settings, loaded)))
        self._live = LiveConfiguration(nucleus.configuration, self._apply)

    def run(self, deadline: Callable[[], float]) -> None:
        """Predict until :meth:`stop` is called, then send what can still be sent.

        ``deadline`` then returns the ``time.monotonic`` at which sending must end.

        Raises:
            ModelError: if the model fails.
            TokenRefusedError: if the nucleus no longer accepts this process.
        """
        self._nucleus.watch_refusals(self._refused)
        self._nucleus.watch_configuration(self._live.changed)
        self._nucleus.report_state("RUNNING")
        try:
            self._publisher.start(self._pipeline.counters)
            self._pipeline.run()
        finally:
            self._close(time.monotonic() if self._is_refused else deadline())
        if self._is_refused:
            raise TokenRefusedError(
                "the nucleus refuses the token of this process: ending, so that the nucleus "
                "starts the component with a new one"
            )

    def stop(self) -> None:
        """Make :meth:`run` end; callable from any thread."""
        self._pipeline.stop()

    def _refused(self) -> None:
        self._is_refused = True
        self.stop()

    def keep(self) -> None:
        """Save to disk what would be lost with the process: samples in memory, unsent messages."""
        self._keep_samples()
        self._keep_messages()

    def _keep_samples(self) -> None:
        lost = self._spool.close()
        for request in (request for sample in lost for request in sample.requests):
            self._sampling_counters.failed += 1
            reason = "neither the disk nor the bucket accepted it before the end"
            status = failure_status(request.id, "Spool.Full", reason)
            self._publisher.outbox.put(FEEDBACK_STATUS_TOPIC, status)
        if lost:
            _log.error("%d samples in memory are lost: %s", len(lost), self._spool.fault)

    def _keep_messages(self) -> None:
        kept = self._publisher.outbox.keep()
        if kept:
            _log.info("%d messages are kept for the next start", kept)

    def _apply(self, values: Mapping[str, Any]) -> None:
        """Apply a new configuration: prepare everything that can fail, then switch at once."""
        old, new = self._settings, InferenceSettings.from_configuration(values)
        if new == old:
            return
        if new.core_name != old.core_name:
            rule = "cannot change while the component runs: its topics and permissions contain it"
            raise ConfigurationError([Fault("coreName", new.core_name, rule, old.core_name)])
        loaded = self._loaded
        if (new.accelerator, new.model_override) != (old.accelerator, old.model_override):
            model = Path(new.model_override) if new.model_override else self._model
            loaded = load_model(model, self._work, loaded.profile, new.accelerator, try_once=True)
        replaced = self._pipeline.stages.source
        kept = replaced if new.image_source == old.image_source else None
        stages = build_stages(new, loaded, self._sinks(new, loaded), source=kept)
        self._limiter.limit = new.feedback_request_limit
        self._rate.change(new.feedback_rate_limit, _config_ids(new))
        self._publisher.use(new, loaded)
        self._pipeline.change(stages)
        self._settings, self._loaded = new, loaded
        if stages.source is not replaced:
            replaced.close()
        _log.info("the new configuration is in use: %s", new)

    def _sinks(self, settings: InferenceSettings, loaded: LoadedModel) -> list[Sink]:
        sinks: list[Sink] = [
            self._publisher.prediction_sink(settings, loaded),
            self._publisher.telemetry,
        ]
        if settings.preview_interval is not None:
            sinks.append(self._previews.sink(settings.core_name, settings.preview_interval))
        if settings.feedback is not None:
            settings.feedback.require_buckets()
            sinks.append(
                FeedbackSink(
                    SampleOrigin(
                        settings.core_name,
                        loaded.profile.name,
                        loaded.artifact.sha256,
                        settings.digest(),
                    ),
                    settings.feedback,
                    self._spool,
                    put=self._publisher.outbox.put,
                    wake=self._uploader.wake,
                    limiter=self._limiter,
                    rate=self._rate,
                    random=self._random,
                    counters=self._sampling_counters,
                    folder=self._nucleus.sample_folder,
                )
            )
        return sinks

    def _moved(self, request: SampleRequest) -> SampleRequest | None:
        """Return a sample's request for where the settings in use send it; None if nothing did."""
        return moved(request, self._settings.feedback, self._nucleus.sample_folder)

    def _feedback_numbers(self) -> Mapping[str, int]:
        return {
            **asdict(self._sampling_counters),
            **asdict(self._uploader.counters),
            "waiting": len(self._spool),
            "waitingBytes": self._spool.size,
            "inMemory": self._spool.in_memory,
            "damaged": self._spool.counters.damaged,
        }

    def _preview_numbers(self) -> Mapping[str, float]:
        is_used = self._settings.preview_interval is not None
        return asdict(self._previews.counters) if is_used else {}

    def _faults(self) -> list[HealthFault]:
        faults = [
            HealthFault("no bucket", f"{bucket}: {reason}", about=bucket)
            for bucket, reason in sorted(self._uploader.faults.items())
            if bucket != BROKER
        ]
        if BROKER in self._uploader.faults and self._publisher.outbox.fault is None:
            faults.append(HealthFault("no broker", f"samples: {self._uploader.faults[BROKER]}"))
        disk_fault = self._spool.fault or self._publisher.outbox.waiting.disk_fault
        if disk_fault is not None:
            faults.append(HealthFault("no disk", disk_fault))
        if self._pipeline.fault is not None:
            faults.append(HealthFault("no output", self._pipeline.fault))
        refusal = self._live.refusal
        if refusal is not None:
            faults.append(HealthFault("bad configuration", refusal, about=refusal))
        return faults

    def _close(self, deadline: float) -> None:
        """Send what can still be sent: samples first, because each is followed by messages."""
        _log.info("stopping: %s", self._pipeline.counters)
        self._pipeline.stages.source.close()
        self._live.close()
        self._previews.close()
        self._uploader.close(max(0.5, (deadline - time.monotonic()) / 2))
        self._keep_samples()
        _log.info(
            "%d samples are left for the next start: %s", len(self._spool), self._uploader.counters
        )
        unsent = self._publisher.close(deadline)
        _log.info("%d messages were not sent: %s", unsent, self._publisher.outbox.counters)
        self._keep_messages()


def _config_ids(settings: InferenceSettings) -> list[str]:
    return [one.id for one in settings.feedback.all] if settings.feedback is not None else []
