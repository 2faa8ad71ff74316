"""The second generation's component: its parts, their changes while it runs, and their end."""

from __future__ import annotations

import logging
import random
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, Mapping

from .assembly import check_classes, encoder_for, postprocessor_for
from .errors import ModelError
from .feedback.limiter import RequestLimiter
from .feedback.s3 import S3
from .feedback.sampling import FeedbackSink, SamplingCounters
from .feedback.spool import Spool
from .feedback.uploader import Uploader
from .greengrass_ipc import Nucleus
from .live_configuration import LiveConfiguration
from .loading import LoadedModel, load_model
from .names import prediction_topic, telemetry_topic
from .outbox import Outbox
from .pipeline import Pipeline, Sink, Stages
from .preprocess import Preprocessor
from .schema import ConfigurationError, Fault
from .settings import InferenceSettings
from .sinks import PredictionSink, PublishCounters, publish_policy
from .sources import open_source
from .telemetry import Fault as HealthFault
from .telemetry import Heart, Report, Telemetry, component_version, embedded_metrics

DRAIN_SECONDS = 8.0
"""From the signal to the end: the nucleus kills a component 10 s or more after SIGTERM."""

SPOOL_BYTES = 256 << 20
"""Most disk that samples take while they cannot be uploaded."""

_log = logging.getLogger(__name__)


class Component:
    """A core's pipeline with its outbox, feedback and telemetry, changed by the configuration."""

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
        """Put the parts together; ``seed`` makes the random sampling strategy repeatable.

        Raises:
            ConfigurationError: if the source is nothing, or a class is not among the labels.
            ModelError: if the model is not what its profile says.
        """
        self._settings = settings
        self._loaded = loaded
        self._nucleus = nucleus
        self._model = model
        self._work = work
        self._random = random.Random(seed).random
        self._prediction_counters = PublishCounters()
        self._sampling_counters = SamplingCounters()
        self._topic = prediction_topic(settings.core_name)
        self._outbox = Outbox(
            nucleus.publish_to_iot_core, messages_a_second=settings.publish_rate_limit
        )
        self._spool = Spool(work / "samples", SPOOL_BYTES)
        self._limiter = RequestLimiter(settings.feedback_request_limit)
        self._uploader = Uploader(
            self._spool,
            S3().put_object,
            nucleus.publish_to_iot_core,
            on_finished=lambda request: self._limiter.leave(),
        )
        self._telemetry = Telemetry(
            core_name=settings.core_name,
            model={"name": loaded.profile.name, "sha256": loaded.artifact.sha256},
            versions={**loaded.model.versions, "component": component_version(model)},
            report=self._report,
        )
        self._pipeline = Pipeline(self._stages(settings, loaded, None))
        self._live = LiveConfiguration(nucleus.configuration, self._apply)

    def run(self) -> None:
        """Predict until :meth:`stop` is called, then send what can still be sent.

        Raises:
            ModelError: if the model fails.
        """
        self._nucleus.watch_configuration(self._live.changed)
        self._nucleus.report_state("RUNNING")
        heart = Heart(self._telemetry, self._publish_telemetry)
        try:
            self._pipeline.run()
        finally:
            _log.info("stopping: %s, %s", self._pipeline.counters, self._outbox.counters)
            self._live.close()
            heart.close()
            self._drain()
            self._pipeline.stages.source.close()

    def stop(self) -> None:
        """Let :meth:`run` end; callable from a signal handler."""
        self._pipeline.stop()

    def _apply(self, values: Mapping[str, Any]) -> None:
        """Take a new configuration: prepare everything that can fail, then change at once."""
        old, new = self._settings, InferenceSettings.from_configuration(values)
        if new == old:
            return
        if new.core_name != old.core_name:
            rule = "cannot change while the component runs: its topics and rights are made of it"
            raise ConfigurationError([Fault("coreName", new.core_name, rule, old.core_name)])
        if new.feedback is not None:
            new.feedback.require_buckets()
        loaded = self._loaded
        if new.accelerator != old.accelerator:
            loaded = load_model(
                self._model, self._work, loaded.profile, new.accelerator, try_once=True
            )
        replaced = self._pipeline.stages.source
        stages = self._stages(
            new, loaded, replaced if new.image_source == old.image_source else None
        )
        self._limiter.limit = new.feedback_request_limit
        self._outbox.limit_rate(new.publish_rate_limit)
        self._pipeline.change(**vars(stages))
        self._settings, self._loaded = new, loaded
        if stages.source is not replaced:
            replaced.close()
        _log.info("the new configuration is in use: %s", new)

    def _stages(self, settings: InferenceSettings, loaded: LoadedModel, source: Any) -> Stages:
        check_classes(settings, loaded.profile)
        postprocess = postprocessor_for(settings, loaded)
        opened = open_source(settings.image_source, repeat=True) if source is None else source
        return Stages(
            source=opened,
            preprocess=Preprocessor(loaded.profile.input),
            model=loaded.model,
            postprocess=postprocess,
            sinks=self._sinks(settings, loaded),
            interval=settings.inference_interval,
        )

    def _sinks(self, settings: InferenceSettings, loaded: LoadedModel) -> list[Sink]:
        predictions = PredictionSink(
            encoder_for(settings, loaded),
            lambda payload: self._outbox.put(self._topic, payload),
            policy=publish_policy(settings.publish_when),
            counters=self._prediction_counters,
        )
        sinks: list[Sink] = [predictions, self._telemetry]
        if settings.feedback is not None:
            settings.feedback.require_buckets()
            sinks.append(
                FeedbackSink(
                    settings.core_name,
                    settings.feedback,
                    self._spool,
                    put=self._outbox.put,
                    wake=self._uploader.wake,
                    limiter=self._limiter,
                    random=self._random,
                    counters=self._sampling_counters,
                )
            )
        return sinks

    def _publish_telemetry(self, payload: bytes) -> None:
        self._outbox.put(telemetry_topic(self._settings.core_name), payload)
        if self._settings.embedded_metrics:
            print(embedded_metrics(payload), flush=True)

    def _report(self) -> Report:
        outbox = asdict(self._outbox.counters)
        sampling = asdict(self._sampling_counters)
        return Report(
            faults=self._faults(),
            frames=asdict(self._pipeline.counters),
            publish={
                "queued": len(self._outbox),
                **outbox,
                "heldBack": self._prediction_counters.held_back,
                "predictionsLeftOut": self._prediction_counters.predictions_left_out,
            },
            feedback={
                **sampling,
                **asdict(self._uploader.counters),
                "waiting": len(self._spool),
                "waitingBytes": self._spool.size,
            },
        )

    def _faults(self) -> list[HealthFault]:
        faults = []
        if self._outbox.fault is not None:
            faults.append(HealthFault("no broker", self._outbox.fault))
        for bucket, reason in sorted(self._uploader.faults.items()):
            if bucket != "messages":
                faults.append(HealthFault("no bucket", f"{bucket}: {reason}"))
        if self._live.refusal is not None:
            faults.append(HealthFault("bad configuration", self._live.refusal))
        return faults

    def _drain(self) -> None:
        """Send what can still be sent: samples first, since their messages go with them."""
        deadline = time.monotonic() + DRAIN_SECONDS
        left = self._uploader.close(DRAIN_SECONDS / 2)
        _log.info("%d samples are left for the next start: %s", left, self._uploader.counters)
        unsent = self._outbox.close(max(0.0, deadline - time.monotonic()))
        _log.info("%d messages were not sent: %s", unsent, self._outbox.counters)


def report_no_model(nucleus: Nucleus, settings: InferenceSettings, error: ModelError) -> None:
    """Say in telemetry why there is no model, before the process ends because of it."""
    report = Report([HealthFault("no model", str(error))], {}, {}, {})
    telemetry = Telemetry(
        core_name=settings.core_name, model={}, versions={}, report=lambda: report
    )
    try:
        nucleus.publish_to_iot_core(telemetry_topic(settings.core_name), telemetry.payload())
    except OSError as failure:
        _log.warning("telemetry was not published: %s", failure)
