"""Puts a pipeline together from settings, profile and model; the same for every entry point."""

from __future__ import annotations

import logging
from typing import Sequence

from . import messages
from .errors import ModelError
from .geometry import fit
from .loading import LoadedModel
from .pipeline import Pipeline, Sink
from .postprocess import Outputs, Postprocessor
from .preprocess import Preprocessor
from .profile import ModelProfile
from .schema import ConfigurationError, Fault
from .settings import InferenceSettings
from .sinks import PredictionSink, Publish
from .sources import FrameSource

_log = logging.getLogger(__name__)


def build_pipeline(
    settings: InferenceSettings,
    loaded: LoadedModel,
    source: FrameSource,
    publish: Publish,
    *,
    sinks: Sequence[Sink] = (),
) -> Pipeline:
    """Connect ``source``, the model that was ``loaded``, the prediction sink, and other ``sinks``.

    Raises:
        ConfigurationError: if a class to publish is not among the labels.
        ModelError: if the model is not what its profile says.
    """
    profile, artifact, model = loaded.profile, loaded.artifact, loaded.model
    check_classes(settings, profile)
    postprocess = Postprocessor(
        profile,
        confidence_threshold=settings.confidence_threshold,
        top_k=settings.top_k,
        classes=settings.classes,
    )
    _check_outputs(loaded.first_outputs, postprocess, profile)
    _log.info(
        "model %s, sha256 %s, on %s, DLR %s with libdlr %s",
        profile.name,
        artifact.sha256,
        settings.accelerator,
        model.versions["dlr"],
        model.versions["libdlr"],
    )
    encode = messages.encoder(
        settings.message_format,
        core_name=settings.core_name,
        model_name=profile.name,
        model_sha256=artifact.sha256,
    )
    return Pipeline(
        source=source,
        preprocess=Preprocessor(profile.input),
        model=model,
        postprocess=postprocess,
        sinks=[PredictionSink(encode, publish), *sinks],
        interval=settings.inference_interval,
    )


def check_classes(settings: InferenceSettings, profile: ModelProfile) -> None:
    """Raise ``ConfigurationError`` if a class to publish is none of the profile's labels."""
    if profile.labels is None:
        return
    strange = [name for name in settings.classes if name not in profile.labels]
    if strange:
        rule = f"must be labels of the profile {profile.name}; {strange[0]!r} is none"
        raise ConfigurationError(
            [Fault("classes", ",".join(settings.classes), rule, profile.labels[0])]
        )


def _check_outputs(outputs: Outputs, postprocess: Postprocessor, profile: ModelProfile) -> None:
    """See that the outputs of a first run are of the profile's kind, before any frame is."""
    way = fit(profile.input, profile.input.width, profile.input.height)
    try:
        postprocess(outputs, way)
    except ValueError as error:
        raise ModelError(f"profile {profile.name}: {error}") from None
