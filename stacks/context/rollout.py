"""How fast a deployment reaches the cores of a fleet, and when it stops, by AWS IoT's rules.

The words and limits are those of a deployment's ``iotJobConfiguration``:
https://docs.aws.amazon.com/greengrass/v2/APIReference/API_DeploymentIoTJobConfiguration.html
and the pages that it links to, which also say how many digits a number may have.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from inference.schema import (
    ConfigurationError,
    Fault,
    Field,
    choice,
    integer,
    json_value,
    number,
    parse_fields,
)

KEY = "rollout"
DEFAULT_TIMEOUT_MINUTES = 60
"""Time for a core that is online to finish: the install script alone may take 30 minutes."""

DEFAULT_WAIT_MINUTES = 60
_MOST_WAIT_MINUTES = 720
"""CloudFormation's WaitCondition waits 12 hours at most:
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-cloudformation-waitcondition.html
"""
_CRITERIA = ("numberOfNotifiedThings", "numberOfSucceededThings")
_FAILURES = ("FAILED", "REJECTED", "TIMED_OUT", "ALL")


@dataclass(frozen=True)
class ExponentialRate:
    """Cores per minute at the beginning, which grow by a factor each time ``count`` more cores are
    what the ``criterion`` counts: notified, or done.
    """

    base_per_minute: int
    increment_factor: float
    criterion: str
    count: int


@dataclass(frozen=True)
class AbortCriterion:
    """The share of cores with a failure that ends the rollout, once ``executed`` have finished."""

    failure: str
    percentage: float
    executed: int


@dataclass(frozen=True)
class Rollout:
    """The pace of a deployment. Without any limit, all cores get it at once."""

    maximum_per_minute: int | None = None
    exponential: ExponentialRate | None = None
    abort: tuple[AbortCriterion, ...] = ()
    timeout_minutes: int = DEFAULT_TIMEOUT_MINUTES
    canary_minutes: int | None = None
    """How long CloudFormation waits for the verdict about the canary; None without a canary."""

    @classmethod
    def parse(cls, value: object) -> "Rollout":
        """Read the JSON text of a rollout, or the object in it.

        Raises:
            ConfigurationError: naming every fault by its dotted key.
        """
        faults: list[Fault] = []
        parsed = _parsed(_FIELDS, _as_object(value), KEY, faults)
        rate, abort = parsed["exponentialRate"], parsed["abortCriteria"]
        canary = parsed["canary"]
        found = cls(
            maximum_per_minute=parsed["maximumPerMinute"],
            exponential=None if rate is None else _exponential(rate, faults),
            abort=tuple(_criterion(one, number, faults) for number, one in enumerate(abort or ())),
            timeout_minutes=parsed["inProgressTimeoutInMinutes"],
            canary_minutes=None if canary is None else _canary_minutes(canary, faults),
        )
        if faults:
            raise ConfigurationError(faults)
        return found


def _object(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise ValueError("must be an object")
    return {str(key): part for key, part in value.items()}


def _objects(value: object) -> Sequence[Mapping[str, object]]:
    if not isinstance(value, list) or not value:
        raise ValueError("must be a list of objects")
    return [_object(one) for one in value]


_FIELDS: tuple[Field[Any], ...] = (
    Field("maximumPerMinute", integer(1, 1_000), None, "50"),
    Field("exponentialRate", _object, None, '{"baseRatePerMinute": 5, …}'),
    Field("abortCriteria", _objects, None, '[{"failureType": "FAILED", …}]'),
    Field("inProgressTimeoutInMinutes", integer(1, 10_080), DEFAULT_TIMEOUT_MINUTES, "60"),
    Field("canary", _object, None, '{"waitInMinutes": 60}'),
)
_CANARY_FIELDS: tuple[Field[Any], ...] = (
    Field("waitInMinutes", integer(1, _MOST_WAIT_MINUTES), DEFAULT_WAIT_MINUTES, "60"),
)
_RATE_FIELDS: tuple[Field[Any], ...] = (
    Field("baseRatePerMinute", integer(1, 1_000), None, "5"),
    Field("incrementFactor", number(1.1, 5.0, decimals=1), None, "2"),
    Field("rateIncreaseCriteria", _object, None, '{"numberOfSucceededThings": 5}'),
)
_CRITERIA_FIELDS: tuple[Field[Any], ...] = tuple(
    Field(name, integer(1, 1_000_000), None, "5") for name in _CRITERIA
)
_ABORT_FIELDS: tuple[Field[Any], ...] = (
    Field("failureType", choice(*_FAILURES), None, "FAILED"),
    Field("action", choice("CANCEL"), "CANCEL", "CANCEL"),
    Field("thresholdPercentage", number(0.01, 100.0, decimals=2), None, "20"),
    Field("minNumberOfExecutedThings", integer(1, 1_000_000), None, "5"),
)


def _canary_minutes(value: Mapping[str, object], faults: list[Fault]) -> int:
    minutes: int = _parsed(_CANARY_FIELDS, value, f"{KEY}.canary", faults)["waitInMinutes"]
    return minutes


def _exponential(value: Mapping[str, object], faults: list[Fault]) -> ExponentialRate:
    path = f"{KEY}.exponentialRate"
    parsed = _parsed(_RATE_FIELDS, value, path, faults, required=True)
    path += ".rateIncreaseCriteria"
    given = parsed["rateIncreaseCriteria"] or {}
    criteria = _parsed(_CRITERIA_FIELDS, given, path, faults)
    chosen = [name for name in _CRITERIA if given.get(name) is not None]
    if len(chosen) != 1 and parsed["rateIncreaseCriteria"] is not None:
        rule = "must hold either " + " or ".join(_CRITERIA)
        faults.append(Fault(path, value["rateIncreaseCriteria"], rule))
    name = chosen[0] if chosen else _CRITERIA[0]
    return ExponentialRate(
        parsed["baseRatePerMinute"], parsed["incrementFactor"], name, criteria[name]
    )


def _criterion(value: Mapping[str, object], number: int, faults: list[Fault]) -> AbortCriterion:
    path = f"{KEY}.abortCriteria[{number}]"
    parsed = _parsed(_ABORT_FIELDS, value, path, faults, required=True)
    return AbortCriterion(
        parsed["failureType"], parsed["thresholdPercentage"], parsed["minNumberOfExecutedThings"]
    )


def _parsed(
    fields: tuple[Field[Any], ...],
    values: Mapping[str, object],
    path: str,
    faults: list[Fault],
    *,
    required: bool = False,
) -> Mapping[str, Any]:
    """Read an object; add what is wrong with it, by its path, to ``faults``."""
    without_default = [field.key for field in fields if field.default is None]
    parsed, wrong = parse_fields(fields, values, without_default if required else ())
    faults += [fault.below(path) for fault in wrong]
    return parsed


def _as_object(value: object) -> Mapping[str, object]:
    value = json_value(KEY, value)
    try:
        return _object(value)
    except ValueError as error:
        raise ConfigurationError([Fault(KEY, value, str(error))]) from None
