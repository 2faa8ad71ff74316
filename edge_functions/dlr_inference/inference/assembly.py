"""Puts a pipeline together from settings, profile and artifact; the same for every entry point."""

from __future__ import annotations

import logging

from . import messages
from .artifact import ModelArtifact
from .errors import ModelError
from .geometry import fit
from .model import DlrModel, try_in_child
from .pipeline import Pipeline
from .postprocess import Postprocessor
from .preprocess import Preprocessor
from .profile import ModelProfile
from .schema import ConfigurationError, Fault
from .settings import InferenceSettings
from .sinks import PredictionSink, Publish
from .sources import FrameSource, open_source

_log = logging.getLogger(__name__)


def build_pipeline(
    settings: InferenceSettings,
    profile: ModelProfile,
    artifact: ModelArtifact,
    publish: Publish,
    *,
    source: FrameSource | None = None,
) -> Pipeline:
    """Load and warm up the model, and connect it with its source and the prediction sink.

    Without ``source``, opens the one that ``settings`` name, repeated for ever.

    Raises:
        ConfigurationError: if a class to publish is not among the labels, or the source is nothing.
        ModelError: if the model cannot be loaded, or is not what its profile says.
    """
    check_classes(settings, profile)
    opened = open_source(settings.image_source, repeat=True) if source is None else source
    if not artifact.has_digests:
        try_in_child(artifact.folder, profile.input, settings.accelerator)
    model = DlrModel(artifact, profile.input, settings.accelerator)
    postprocess = Postprocessor(
        profile,
        confidence_threshold=settings.confidence_threshold,
        top_k=settings.top_k,
        classes=settings.classes,
    )
    _check_outputs(model, postprocess, profile)
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
        source=opened,
        preprocess=Preprocessor(profile.input),
        model=model,
        postprocess=postprocess,
        sinks=[PredictionSink(encode, publish)],
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


def _check_outputs(model: DlrModel, postprocess: Postprocessor, profile: ModelProfile) -> None:
    """Warm the model up, and see that its outputs are of the profile's kind before any frame is."""
    way = fit(profile.input, profile.input.width, profile.input.height)
    try:
        postprocess(model.warm_up(), way)
    except ValueError as error:
        raise ModelError(f"profile {profile.name}: {error}") from None
