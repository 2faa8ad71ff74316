"""Assembles a pipeline from settings, profile and model, in the same way for every entry point."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any, Sequence

from ..errors import ModelError, OutputError
from ..model.loaded import LoadedModel
from ..model.profiles.profile import ModelProfile
from ..pipeline.pipeline import Sink, Stages
from ..pipeline.results import Encoder, EnvelopeEncoder, encode_list
from ..schema import ConfigurationError, Fault, words_text
from ..settings import InferenceSettings
from ..sources import FrameSource, open_source
from ..vision.geometry import fit, reduction
from ..vision.postprocess import Postprocessor
from ..vision.preprocess import Preprocessor

_log = logging.getLogger(__name__)


def build_stages(
    settings: InferenceSettings,
    loaded: LoadedModel,
    sinks: Sequence[Sink],
    *,
    source: FrameSource | None = None,
    repeat: bool = True,
) -> Stages:
    """Return the stages that take frames through the model that was ``loaded`` to ``sinks``.

    Without a ``source``, the one in ``settings`` is opened, with ``repeat`` as :func:`open_source`
    has it. That is the last step, because it may occupy a camera: after an error nothing is open.

    Raises:
        ConfigurationError: if a class to publish is not among the labels, or there is no source.
    """
    _check_classes(settings, loaded.profile)
    preprocess = Preprocessor(loaded.profile.input)
    postprocess = Postprocessor(
        loaded.profile,
        output_names=loaded.model.output_names,
        confidence_threshold=settings.confidence_threshold,
        top_k=settings.top_k,
        classes=settings.classes,
    )
    if source is None:
        reduced = partial(reduction, loaded.profile.input)
        source = open_source(settings.image_source, repeat=repeat, reduction=reduced)
    return Stages(
        source=source,
        preprocess=preprocess,
        model=loaded.model,
        postprocess=postprocess,
        sinks=sinks,
        interval=settings.inference_interval,
    )


def encoder_for(
    settings: InferenceSettings, loaded: LoadedModel, *, component: str | None = None
) -> Encoder:
    """Return the encoder for ``messageFormat`` and this model."""
    if settings.message_format == "list":
        return encode_list
    return EnvelopeEncoder(
        core_name=settings.core_name,
        model_name=loaded.profile.name,
        model_sha256=loaded.artifact.sha256,
        configuration=settings.digest(),
        component=component,
    )


def check_outputs(profile: ModelProfile, names: Sequence[str], outputs: Sequence[Any]) -> None:
    """Check the outputs of a model's run on zeros, which have these ``names`` if they are known.

    No camera sees zeros: values that cannot be used are only a warning.

    Raises:
        ModelError: if they are not of the kind that the profile says.
    """
    whole = fit(profile.input, profile.input.width, profile.input.height)
    try:
        Postprocessor(profile, output_names=names)(outputs, whole)
    except OutputError as error:
        _log.warning("the model's first run, on zeros, gave no usable output: %s", error)
    except ValueError as error:
        raise ModelError(f"profile {profile.name}: {error}") from None


def _check_classes(settings: InferenceSettings, profile: ModelProfile) -> None:
    """Raise ``ConfigurationError`` if a class to publish is not one of the profile's labels."""
    if profile.labels is None:
        return
    strange = [name for name in settings.classes if name not in profile.labels]
    if strange:
        rule = f"must be labels of the profile {profile.name}; {strange[0]!r} is not one"
        given, example = words_text(settings.classes), words_text(profile.labels[:1])
        raise ConfigurationError([Fault("classes", given, rule, example)])
