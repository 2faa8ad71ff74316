"""Why feedback kept a sample, by the configuration that the message names."""

from __future__ import annotations

import json
from typing import Any

from inference.feedback.configuration import (
    ENTROPY,
    KEY,
    LEAST_CONFIDENCE,
    MARGIN,
    RANDOM_SAMPLING,
    FeedbackConfiguration,
    FeedbackConfigurations,
    default_configuration,
)
from inference.feedback.strategies import measured
from inference.schema import ConfigurationError
from inference.vision.scores import Scores

from ..aws import Clients
from ..device.generations.v2.deployments import latest_deployment
from ..device.stacks.core import CoreStack
from .predictions import number_of

_WORDS = {
    LEAST_CONFIDENCE: ("best score", "≤"),
    MARGIN: ("margin", "≤"),
    ENTROPY: ("entropy", ">"),
}
"""What each strategy measures, and on which side of its limit it keeps a sample."""


def deployed_configurations(clients: Clients, core_name: str) -> FeedbackConfigurations | None:
    """Return the feedback configurations in a core's latest deployment; None if it has none.

    Raises:
        MliError: if there is no such core.
        botocore.exceptions.ClientError: if AWS refuses.
    """
    stack = CoreStack.find_or_thing(clients, core_name)
    return configurations_of(clients, stack.deployment_target, stack.component)


def configurations_of(
    clients: Clients, target: str, component_name: str
) -> FeedbackConfigurations | None:
    """Return the feedback configurations that a component has in the latest deployment to a target.

    Raises:
        botocore.exceptions.ClientError: if AWS refuses.
    """
    found = latest_deployment(clients("greengrassv2"), target)
    if found is None:
        return None
    component = found[1].get("components", {}).get(component_name, {})
    merge = component.get("configurationUpdate", {}).get("merge")
    return _parsed(merge) if merge else None


def reason(configurations: FeedbackConfigurations | None, config_id: str, prediction: Any) -> str:
    """Return a strategy, its value for this sample, and its limit; else only the id.

    A value is left out where the message was too long to have all scores.
    """
    found = configurations.find(config_id) if configurations is not None else None
    if found is None:
        return config_id
    return f"{config_id}: {_strategy(found, prediction)}"


def _parsed(merge: str) -> FeedbackConfigurations | None:
    try:
        values = json.loads(merge)
        given = values.get(KEY) if isinstance(values, dict) else None
        return FeedbackConfigurations.parse(given) if given else default_configuration()
    except (ValueError, ConfigurationError):
        return None


def _strategy(configuration: FeedbackConfiguration, prediction: Any) -> str:
    chosen = configuration.strategy
    if chosen is None:
        return strategy_text(None, None, None)
    values = _values(prediction)
    if chosen.name == ENTROPY:
        if isinstance(prediction, dict):
            values = None  # the scores that do not fit are missing
        elif values is not None:
            values = Scores(("",) * len(values), values, sums_to_one=False).normalised()
    value = None if values is None else measured(chosen.name, values)
    return strategy_text(chosen.name, value, chosen.limit)


def strategy_text(name: str | None, value: float | None, limit: float | None) -> str:
    """Return a strategy, the value that it measured if that is known, and its limit."""
    if name is None:
        return "every frame"
    if limit is None:
        return name
    if name == RANDOM_SAMPLING:
        return f"random, {limit:.0%} of all frames"
    if name not in _WORDS:
        return name
    measure, sign = _WORDS[name]
    return f"{measure}{'' if value is None else f' {value:.2f}'} {sign} {limit:g}"


def _values(prediction: Any) -> tuple[float, ...] | None:
    """Return the scores of a message: a list of all, or an object of the best."""
    items = list(prediction.values()) if isinstance(prediction, dict) else prediction
    if not isinstance(items, list):
        return None
    numbers = [number_of(item) for item in items]
    if any(one is None or not 0 <= one <= 1 for one in numbers):
        return None
    return tuple(one for one in numbers if one is not None)
