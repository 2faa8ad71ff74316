"""Feedback configurations, in the schema of the MLFeedback connector's FeedbackConfigurationMap.

https://docs.aws.amazon.com/greengrass/v1/developerguide/ml-feedback-connector.html#ml-feedback-connector-param
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Callable, Mapping

from ..schema import (
    ConfigurationError,
    Fault,
    Field,
    choice,
    json_value,
    number,
    parse_fields,
    text,
    unchanged,
)

KEY = "feedbackConfiguration"
"""Faults begin with this key, which is the context key of the same meaning."""

RANDOM_SAMPLING = "RANDOM_SAMPLING"
LEAST_CONFIDENCE = "LEAST_CONFIDENCE"
MARGIN = "MARGIN"
ENTROPY = "ENTROPY"
STRATEGY_NAMES = (RANDOM_SAMPLING, LEAST_CONFIDENCE, MARGIN, ENTROPY)

_LIMITS: dict[str, tuple[str, float | None]] = {
    RANDOM_SAMPLING: ("rate", 1.0),
    LEAST_CONFIDENCE: ("threshold", 1.0),
    MARGIN: ("threshold", 1.0),
    ENTROPY: ("threshold", None),
}
"""Each strategy's parameter and its largest value; the smallest is 0."""


@dataclass(frozen=True)
class StrategyConfiguration:
    """A strategy's name and parameter: the rate of RANDOM_SAMPLING, the threshold of others."""

    name: str
    limit: float

    def to_json(self) -> dict[str, object]:
        """Return it in the connector's schema."""
        return {"strategy-name": self.name, _LIMITS[self.name][0]: self.limit}


@dataclass(frozen=True)
class FeedbackConfiguration:
    """Which samples to keep, and where. ``strategy`` None keeps all.

    ``bucket`` None is a bucket to be named later: its name is not known yet at synthesis.
    """

    id: str
    content_type: str
    bucket: str | None = None
    prefix: str = ""
    file_ext: str = ""
    strategy: StrategyConfiguration | None = None

    def to_json(self) -> dict[str, object]:
        """Return it in the connector's schema, without empty values."""
        values = {
            "s3-bucket-name": self.bucket,
            "s3-prefix": self.prefix,
            "content-type": self.content_type,
            "file-ext": self.file_ext,
            "sampling-strategy": self.strategy and self.strategy.to_json(),
        }
        return {key: value for key, value in values.items() if value}


@dataclass(frozen=True)
class FeedbackConfigurations:
    """The feedback configurations of one core, in the given order."""

    all: tuple[FeedbackConfiguration, ...]

    @classmethod
    def parse(cls, value: object) -> FeedbackConfigurations:
        """Read the JSON text of a FeedbackConfigurationMap, or the object in it.

        It is stricter than the connector where the connector would surprise: a content type is one
        type, and a prefix has no character with a special meaning in S3 keys or IAM resources.

        Raises:
            ConfigurationError: naming every fault by its dotted key, such as
                ``feedbackConfiguration.LC50.sampling-strategy.threshold``.
        """
        values = _as_object(value)
        faults = []
        if not values:
            faults.append(Fault(KEY, value, "must hold at least one configuration"))
        parsed = [_configuration(str(key), values[key], faults) for key in values]
        if faults:
            raise ConfigurationError(faults)
        return cls(tuple(parsed))

    def find(self, config_id: str) -> FeedbackConfiguration | None:
        """Return the configuration with this id, or None."""
        return next((one for one in self.all if one.id == config_id), None)

    def with_bucket(self, name: str) -> FeedbackConfigurations:
        """Return a copy with ``name`` wherever no bucket was given; it may be a CDK token."""
        return FeedbackConfigurations(
            tuple(one if one.bucket else replace(one, bucket=name) for one in self.all)
        )

    def require_buckets(self) -> None:
        """Check that every configuration has a bucket.

        Raises:
            ConfigurationError: naming those without one.
        """
        lacking = [f"{KEY}.{one.id}.s3-bucket-name" for one in self.all if not one.bucket]
        if lacking:
            raise ConfigurationError(
                Fault(key, None, "is required", "my-feedback-bucket") for key in lacking
            )

    def to_json(self) -> dict[str, dict[str, object]]:
        """Return the object that :meth:`parse` reads back."""
        return {one.id: one.to_json() for one in self.all}


def default_configuration(bucket: str | None = None) -> FeedbackConfigurations:
    """Return the three configurations that a core has by default.

    Each has a prefix, also the random one, so that write access can be limited to prefixes.
    """
    strategies = (
        ("RandomSamplingConfiguration", "random-sampling", RANDOM_SAMPLING, 0.5),
        ("LC50", "confidence-lower-than-50", LEAST_CONFIDENCE, 0.5),
        ("Entropy", "entropy", ENTROPY, 1.0),
    )
    return FeedbackConfigurations(
        tuple(
            FeedbackConfiguration(
                id=config_id,
                content_type="image/jpeg",
                bucket=bucket,
                prefix=prefix,
                file_ext="jpg",
                strategy=StrategyConfiguration(name, limit),
            )
            for config_id, prefix, name, limit in strategies
        )
    )


_ID = text(
    r"[a-zA-Z0-9][a-zA-Z0-9-]{1,62}",
    "an id must be 2 to 63 letters, digits or hyphens, beginning with a letter or digit",
)
_WORD = r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}"
_LEVEL = r"(?!\.{1,2}(?:/|$))[A-Za-z0-9!_.'()=-]+"


def _prefix(value: object) -> str:
    rule = (
        "must be at most 512 letters, digits or any of ! _ . ' ( ) = - in levels between single "
        "slashes, with none at the ends"
    )
    checked = text(rf"(?:{_LEVEL}(?:/{_LEVEL})*)?", rule)(value)
    if len(checked) > 512:
        raise ValueError(rule)
    return checked


_FIELDS: tuple[Field[Any], ...] = (
    Field(
        "s3-bucket-name",
        text(r"[a-z0-9.\-]{3,63}", "must be 3 to 63 lower-case letters, digits, dots or hyphens"),
        None,
        "my-feedback-bucket",
    ),
    Field("s3-prefix", _prefix, "", "samples/front-door"),
    Field(
        "content-type",
        text(rf"{_WORD}/{_WORD}(?:; ?[\x21-\x7e]{{1,128}})?", "must be one media type"),
        "",
        "image/jpeg",
    ),
    Field(
        "file-ext",
        text(
            r"(?:[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*)?(?<!.{17})",
            "must be at most 16 letters, digits, dots, hyphens or underscores, without a first dot",
        ),
        "",
        "jpg",
    ),
)


_STRATEGY = Field("sampling-strategy", unchanged, None, "")
"""Read apart from the others, and named among them: a misspelt key may mean it."""


def _json_number(high: float | None) -> Callable[[object], float]:
    """Return a reader of JSON numbers from 0; the connector cannot use numbers in strings."""
    as_number = number(0, float("inf") if high is None else high)
    rule = (
        "must be a number of at least 0" if high is None else f"must be a number from 0 to {high:g}"
    )

    def parse(value: object) -> float:
        if isinstance(value, str):
            raise ValueError(rule)
        try:
            return as_number(value)
        except ValueError:
            raise ValueError(rule) from None

    return parse


def _configuration(config_id: str, value: object, faults: list[Fault]) -> FeedbackConfiguration:
    """Read one entry of the map; add what is wrong with it to ``faults``."""
    path = f"{KEY}.{config_id}"
    try:
        _ID(config_id)
    except ValueError as error:
        faults.append(Fault(KEY, config_id, str(error), "LC50"))
    if not isinstance(value, dict):
        faults.append(Fault(path, value, "must be an object with content-type, and others"))
        return FeedbackConfiguration(config_id, "")
    own = {str(key): part for key, part in value.items() if key != "sampling-strategy"}
    parsed, wrong = parse_fields((*_FIELDS, _STRATEGY), own, required=("content-type",))
    faults += [fault.below(path) for fault in wrong]
    return FeedbackConfiguration(
        id=config_id,
        content_type=parsed["content-type"],
        bucket=parsed["s3-bucket-name"],
        prefix=parsed["s3-prefix"],
        file_ext=parsed["file-ext"],
        strategy=_strategy(f"{path}.sampling-strategy", value.get("sampling-strategy"), faults),
    )


def _strategy(path: str, value: object, faults: list[Fault]) -> StrategyConfiguration | None:
    """Read a sampling strategy, whose name decides which parameter it needs."""
    if value is None:
        return None
    if not isinstance(value, dict):
        faults.append(Fault(path, value, "must be an object with strategy-name"))
        return None
    value = {str(key): part for key, part in value.items()}
    name = value.get("strategy-name")
    name_field = Field("strategy-name", choice(*STRATEGY_NAMES), None, LEAST_CONFIDENCE)
    if name not in STRATEGY_NAMES:
        given = {key: part for key, part in value.items() if key not in ("rate", "threshold")}
        _, wrong = parse_fields((name_field,), given)
        if name is None:
            wrong.append(Fault("strategy-name", None, "is required", LEAST_CONFIDENCE))
        faults += [fault.below(path) for fault in wrong]
        return None
    key, high = _LIMITS[str(name)]
    limit_field = Field(key, _json_number(high), None, "0.5" if high else "1.0")
    other = "threshold" if key == "rate" else "rate"
    own = {name: part for name, part in value.items() if name != other}
    parsed, wrong = parse_fields((name_field, limit_field), own)
    if other in value:
        wrong.append(Fault(other, value[other], f"is not for {name}, whose number is {key}"))
    if value.get(key) is None:
        wrong.append(Fault(key, None, f"is required by {name}", limit_field.example))
    faults += [fault.below(path) for fault in wrong]
    return None if wrong else StrategyConfiguration(str(name), parsed[key])


def _as_object(value: object) -> Mapping[str, object]:
    value = json_value(KEY, value)
    if not isinstance(value, dict):
        raise ConfigurationError([Fault(KEY, value, "must be an object of configurations by id")])
    return value
