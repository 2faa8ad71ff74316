"""Puts a pipeline together from settings, profile and model; the same for every entry point."""

from __future__ import annotations

from typing import Sequence

from ..errors import ModelError
from ..model.profile import ModelProfile
from ..pipeline import results as messages
from ..pipeline.pipeline import Pipeline, Sink, Stages
from ..schema import ConfigurationError, Fault
from ..settings import InferenceSettings
from ..sources import FrameSource
from ..vision.geometry import fit
from ..vision.postprocess import Postprocessor
from ..vision.preprocess import Preprocessor
from .loading import LoadedModel


def build_pipeline(
    settings: InferenceSettings,
    loaded: LoadedModel,
    source: FrameSource,
    predictions: Sink,
    *,
    sinks: Sequence[Sink] = (),
) -> Pipeline:
    """Connect ``source``, the model that was ``loaded``, the prediction sink, and other ``sinks``.

    Raises:
        ConfigurationError: if a class to publish is not among the labels.
        ModelError: if the model is not what its profile says.
    """
    profile = loaded.profile
    check_classes(settings, profile)
    return Pipeline(
        Stages(
            source=source,
            preprocess=Preprocessor(profile.input),
            model=loaded.model,
            postprocess=postprocessor_for(settings, loaded),
            sinks=[predictions, *sinks],
            interval=settings.inference_interval,
        )
    )


def postprocessor_for(settings: InferenceSettings, loaded: LoadedModel) -> Postprocessor:
    """Return the postprocessor for a model whose first outputs are of its profile's kind.

    Raises:
        ModelError: if they are not.
    """
    profile = loaded.profile
    postprocess = Postprocessor(
        profile,
        confidence_threshold=settings.confidence_threshold,
        top_k=settings.top_k,
        classes=settings.classes,
    )
    way = fit(profile.input, profile.input.width, profile.input.height)
    try:
        postprocess(loaded.first_outputs, way)
    except ValueError as error:
        raise ModelError(f"profile {profile.name}: {error}") from None
    return postprocess


def encoder_for(settings: InferenceSettings, loaded: LoadedModel) -> messages.Encoder:
    """Return the encoder for ``messageFormat`` and this model."""
    return messages.encoder(
        settings.message_format,
        core_name=settings.core_name,
        model_name=loaded.profile.name,
        model_sha256=loaded.artifact.sha256,
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
