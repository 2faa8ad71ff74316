"""The long-lived function of the first generation."""

from __future__ import annotations

import logging
import os
import threading
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Mapping, Sequence

from ..clock import watch_clock
from ..errors import InferenceError
from ..memory import share_one_heap
from ..model.profiles.profile import builtin_profiles, load_profile
from ..preflight import explained_errors
from ..stopping import StopSignal
from .environment import FunctionEnvironment, served_by_service

if TYPE_CHECKING:
    from ..model.loaded import LoadedModel
    from ..model.profiles.profile import ModelProfile
    from ..outgoing.telemetry import HealthFault
    from ..pipeline.pipeline import Sink, Stages
    from ..settings import InferenceSettings
    from .service import Predict

CODE_FOLDER = Path(__file__).resolve().parents[2]

_PAUSE_BEFORE_RESTART_SECONDS = 10
"""The core restarts a function at once: pause first, so that its log does not fill up."""

_log = logging.getLogger(__name__)


def start(variables: Mapping[str, str]) -> threading.Thread:
    """Start to predict on a thread of its own, with the ``variables`` of this process.

    The caller is a module that the core imports, and the core waits for the import to end. SIGTERM
    causes an ordered stop: what can be sent is sent, and the status is 0.
    """
    logging.getLogger().setLevel(logging.INFO)
    share_one_heap()
    arguments = (dict(variables), StopSignal())
    watch_clock()
    thread = threading.Thread(target=_serve, args=arguments, name="inference", daemon=True)
    thread.start()
    return thread


def run(environment: FunctionEnvironment, stop: StopSignal) -> None:
    """Predict until the source ends or the core stops the function, then send what is waiting.

    Raises:
        ConfigurationError: if a setting or the profile is wrong.
        ModelError: if the model cannot be used.
        OSError: if this process is not a function of a V1 core.
    """
    from .core import Core

    settings = environment.settings
    profile = load_profile(_profile_path(environment.model_profile))
    core = Core()
    if environment.service is None:
        estimator = _own_model(environment, profile)
    else:
        estimator = _connector(partial(core.request_inference, environment.service), profile)
    loaded = estimator.loaded
    from ..pipeline.pipeline import Pipeline
    from ..serving.publisher import Publisher  # needs NumPy, imported with the model

    publisher = Publisher(
        settings,
        loaded,
        core.publish,
        component_version="1",
        sources=lambda: pipeline.stages.source.statuses(),
        faults=lambda: [*estimator.faults(), *_without_output(pipeline.fault)],
    )
    sinks: list[Sink] = [publisher.prediction_sink(settings, loaded), publisher.telemetry]
    if settings.feedback is not None and environment.connector is not None:
        from .feedback import ConnectorFeedback

        request = partial(core.request_feedback, environment.connector)
        offered = settings.feedback.all
        if environment.service is not None:
            served = served_by_service(settings.feedback)
            offered = tuple(one for one in offered if one != served)
        sinks.append(ConnectorFeedback(settings.core_name, offered, request))
    pipeline = Pipeline(estimator.stages(settings, sinks))
    stop.call(pipeline.stop)
    publisher.start(pipeline.counters)
    try:
        pipeline.run()
    finally:
        pipeline.stages.source.close()
        unsent = publisher.close(stop.deadline())
        _log.info("ended: %s; %d messages were not sent", pipeline.counters, unsent)


def _without_output(fault: str | None) -> list[HealthFault]:
    from ..outgoing.telemetry import HealthFault

    return [] if fault is None else [HealthFault("no output", fault)]


@dataclass(frozen=True)
class _Estimator:
    """What predicts: this function with its own engine, or a connector."""

    loaded: LoadedModel
    stages: Callable[[InferenceSettings, Sequence[Sink]], Stages]
    faults: Callable[[], Sequence[HealthFault]]


def _own_model(environment: FunctionEnvironment, profile: ModelProfile) -> _Estimator:
    from ..serving.loading import load_model

    # The core unpacked the model, so no folder for unpacking is needed.
    model = Path(environment.settings.model_override or environment.model_folder)
    loaded = load_model(model, model, profile, environment.settings.accelerator)
    from ..serving.assembly import build_stages  # needs OpenCV, imported while the model loaded

    return _Estimator(
        loaded, lambda settings, sinks: build_stages(settings, loaded, sinks), faults=tuple
    )


def _connector(predict: Predict, profile: ModelProfile) -> _Estimator:
    from ..serving.assembly import build_stages
    from ..sources import open_source
    from .service import FrameFiles, InferenceService, model_of_service

    service = InferenceService(predict)
    loaded = model_of_service(service, profile)

    def stages(settings: InferenceSettings, sinks: Sequence[Sink]) -> Stages:
        files = FrameFiles(open_source(settings.image_source, repeat=True), profile)
        built = build_stages(settings, loaded, sinks, source=files)
        return replace(built, preprocess=files.preprocess)

    return _Estimator(loaded, stages, service.faults)


def _serve(variables: Mapping[str, str], stop: StopSignal) -> None:
    """Run; end the process on a fault that retrying does not fix, so that the core restarts it.

    A function whose source has ended keeps its process, because the core would only restart it.
    """
    status = 1
    try:
        with explained_errors():
            run(FunctionEnvironment.from_variables(variables), stop)
    except InferenceError as error:
        _log.error("the function failed: %s", error)
        status = error.exit_status
    except Exception:
        _log.exception("the function failed")
    else:
        stop.forget()
        return
    stop.forget()
    time.sleep(_PAUSE_BEFORE_RESTART_SECONDS)
    logging.shutdown()
    os._exit(status)


def _profile_path(name: str) -> str:
    return name if name in builtin_profiles() else str(CODE_FOLDER / name)
