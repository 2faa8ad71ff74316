"""The settings of a core: the keys that reach the device, with their rules and defaults."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any, Mapping

from . import names
from .feedback.configuration import FeedbackConfigurations
from .feedback.limiter import parse_request_limit
from .feedback.rate_limit import DEFAULT_RATE_LIMIT
from .schema import (
    ConfigurationError,
    Field,
    attributes,
    boolean,
    choice,
    integer,
    number,
    parse_fields,
    text,
    words,
    write_fields,
)
from .sources.specification import STATIC_SOURCE, parse_image_source

MESSAGE_FORMATS = ("list", "envelope")
PUBLISH_POLICIES = ("always", "detections", "changes")
ACCELERATORS = ("cpu", "gpu", "opencl")

CORE_NAME = Field(
    "coreName",
    text(
        names.CORE_NAME_PATTERN,
        "must be 1 to 64 letters, digits, hyphens or underscores, beginning with a letter or digit",
    ),
    None,
    "Toradex2",
    "Name of the core: its thing is `<coreName>_Core`, and its topics end with it",
)

FEEDBACK_CONFIGURATION = Field(
    "feedbackConfiguration",
    FeedbackConfigurations.parse,
    None,
    '{"LC50": {"content-type": "image/jpeg", "s3-prefix": "low", '
    '"sampling-strategy": {"strategy-name": "LEAST_CONFIDENCE", "threshold": 0.5}}}',
    "Which samples are kept, and where: a map in the MLFeedback connector's own schema",
    attribute="feedback",
    write=FeedbackConfigurations.to_json,
)

FEEDBACK_REQUEST_LIMIT = Field(
    "feedbackRequestLimit",
    parse_request_limit,
    0,
    "10",
    "Maximum number of samples processed at once; the rest are dropped. 0 means no limit",
)

FEEDBACK_RATE_LIMIT = Field(
    "feedbackRateLimit",
    integer(0, 1_000_000),
    DEFAULT_RATE_LIMIT,
    "60",
    "Maximum number of [samples](samples.md#how-many) that a core keeps per hour, shared by its "
    "configurations. 0 means no limit, as in the MLFeedback connector",
)

_preview_seconds = number(names.SHORTEST_PREVIEW_SECONDS, 86_400)


def _preview_interval(value: object) -> float | None:
    """Read seconds between previews; 0 means None, that is, no preview."""
    if value in (0, "0") and not isinstance(value, bool):
        return None
    try:
        return _preview_seconds(value)
    except ValueError as error:
        raise ValueError(f"{error}, or 0 for none") from None


INFERENCE_FIELDS: tuple[Field[Any], ...] = (
    Field(
        "imageSource",
        parse_image_source,
        STATIC_SOURCE,
        "static",
        "`static` (the sample photographs), a folder, a glob, `watch:<folder>`, a video file, "
        "`camera:0`, `csi:0`, `rtsp://…`, `http://…`, `snapshot+http://…`, a GStreamer pipeline, "
        "`test-pattern`, or a JSON list of these",
    ),
    Field(
        "inferenceInterval",
        number(0, 86_400),
        5.0,
        "5",
        "Seconds from one prediction to the next; 0 is as fast as the model runs",
    ),
    Field(
        "confidenceThreshold",
        number(0, 1),
        None,
        "0.5",
        "Lowest score that is published; left out, the profile's",
    ),
    Field(
        "topK",
        integer(1, 100),
        None,
        "5",
        "Maximum number of predictions per frame; left out, the profile's",
    ),
    Field(
        "classes",
        words,
        (),
        "cat,dog",
        "Labels that are published, with commas between them, or a JSON list if one has a comma "
        "in it; left out, all",
        write=list,
    ),
    Field(
        "modelOverride",
        text(r"/[^\x00-\x1f]{1,1023}", "must be the absolute path of an artifact on the device"),
        None,
        "/opt/models/candidate.tar.gz",
        "Artifact on the device to use instead of the deployed one, with the same profile, to try "
        "out a model; applied without a restart, once it is loaded and checked",
    ),
    Field(
        "accelerator",
        choice(*ACCELERATORS),
        "cpu",
        "cpu",
        "Device that runs the model: `cpu`, `gpu`, or with DLR `opencl`",
    ),
    Field(
        "messageFormat",
        choice(*MESSAGE_FORMATS),
        "list",
        "list",
        "`list`, or `envelope` with model, source and latencies",
    ),
    Field(
        "publishWhen",
        choice(*PUBLISH_POLICIES),
        "always",
        "changes",
        "Which frames are published: `always`, `detections` (something was detected), `changes` "
        "(the labels, or how often each occurs, differ from the last frame of the source)",
    ),
    Field(
        "publishRateLimit",
        number(0, 1_000),
        0.0,
        "10",
        "Maximum number of messages that the core sends per second; 0 means no limit",
    ),
    Field(
        "localTopic",
        text(
            names.LOCAL_TOPIC_PATTERN,
            "must be 1 to 128 letters, digits or any of _ . : - in levels between single slashes, "
            "beginning with a letter or digit",
        ),
        None,
        "line1/predictions",
        "Topic on the device on which predictions are also published, for "
        "[other components](alerts.md#actions-on-the-device)",
    ),
    Field(
        "previewInterval",
        _preview_interval,
        None,
        "10",
        "Seconds between small [live pictures](view.md#live-pictures) of each source; 0 means none",
    ),
    Field(
        "embeddedMetrics",
        boolean,
        False,
        "true",
        "`true` also writes telemetry to the component's log, in CloudWatch's embedded metric "
        "format",
    ),
)

SETTINGS_FIELDS: tuple[Field[Any], ...] = (
    CORE_NAME,
    *INFERENCE_FIELDS,
    FEEDBACK_CONFIGURATION,
    FEEDBACK_REQUEST_LIMIT,
    FEEDBACK_RATE_LIMIT,
)
"""Every key of the device: one for each attribute of :class:`InferenceSettings`, in its order."""


@dataclass(frozen=True)
class InferenceSettings:
    """A core's settings, parsed and checked once. ``image_source`` may hold a password.

    ``None`` leaves threshold and number to the profile, and switches feedback off. Each attribute
    has its key, reader and writer in :data:`SETTINGS_FIELDS`.
    """

    core_name: str
    image_source: str = field(default=STATIC_SOURCE, repr=False)
    inference_interval: float = 5.0
    confidence_threshold: float | None = None
    top_k: int | None = None
    classes: tuple[str, ...] = ()
    model_override: str | None = None
    accelerator: str = "cpu"
    message_format: str = "list"
    publish_when: str = "always"
    publish_rate_limit: float = 0.0
    local_topic: str | None = None
    preview_interval: float | None = None
    embedded_metrics: bool = False
    feedback: FeedbackConfigurations | None = None
    feedback_request_limit: int = 0
    feedback_rate_limit: int = DEFAULT_RATE_LIMIT

    @classmethod
    def from_fields(cls, parsed: Mapping[str, Any]) -> InferenceSettings:
        """Return the settings from the parsed values of :data:`SETTINGS_FIELDS`, by key."""
        return cls(**attributes(SETTINGS_FIELDS, parsed))

    @classmethod
    def from_configuration(cls, values: Mapping[str, object]) -> InferenceSettings:
        """Parse a component's configuration as the nucleus hands it over.

        Raises:
            ConfigurationError: with every unknown key and every invalid value.
        """
        own = {key: value for key, value in values.items() if key != "accessControl"}
        parsed, faults = parse_fields(SETTINGS_FIELDS, own, required=(CORE_NAME.key,))
        if faults:
            raise ConfigurationError(faults)
        return cls.from_fields(parsed)

    def digest(self) -> str:
        """Return 12 hexadecimal digits that are equal for equal settings, however they are written.

        They begin the SHA-256 of the settings in canonical JSON: with all defaults, sorted keys, no
        spaces, and whole numbers without a fraction. The core's name is not part of it, so that
        the cores of a fleet with one deployment have one digest.
        """
        values = {**self.to_configuration()}
        del values[CORE_NAME.key]
        canonical = json.dumps(_whole_numbers(values), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]

    def to_configuration(self, *, with_defaults: bool = True) -> Mapping[str, object]:
        """Return the component configuration that :meth:`from_configuration` reads back.

        Without feedback it has no key of feedback. Unless ``with_defaults``, it has no value that
        equals its key's default, which :meth:`from_configuration` fills in.
        """
        fields = SETTINGS_FIELDS if self.feedback else (CORE_NAME, *INFERENCE_FIELDS)
        return write_fields(fields, self, with_defaults=with_defaults)


def _whole_numbers(value: object) -> object:
    """Return ``value`` with every float that is a whole number as an integer."""
    if isinstance(value, Mapping):
        return {key: _whole_numbers(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_whole_numbers(part) for part in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
