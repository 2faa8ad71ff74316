"""Why feedback kept a sample, by the configuration that the message names."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
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
from inference.feedback.strategies import confidence, entropy, margin
from inference.schema import ConfigurationError
from inference.vision.scores import Scores
from stacks import names

from ..device.core_stack import CoreStack
from ..device.stack_outputs import Clients
from ..device.v2 import latest_deployment
from .predictions import number_of


def deployed_configurations(clients: Clients, core_name: str) -> FeedbackConfigurations | None:
    """Return the feedback configurations in a core's latest deployment; None if it has none.

    Raises:
        MliError: if there is no such core.
        botocore.exceptions.ClientError: if AWS refuses.
    """
    target = CoreStack.find_or_thing(clients, core_name).deployment_target
    found = latest_deployment(clients("greengrassv2"), target)
    if found is None:
        return None
    component = found[1].get("components", {}).get(names.component_name(core_name), {})
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
        return "every frame"
    if chosen.name == RANDOM_SAMPLING:
        return f"random, {chosen.limit:.0%} of all frames"
    values = _values(prediction)
    if chosen.name == LEAST_CONFIDENCE:
        return f"best score{_shown(confidence, values)} ≤ {chosen.limit:g}"
    if chosen.name == MARGIN:
        return f"margin{_shown(margin, values)} ≤ {chosen.limit:g}"
    if chosen.name == ENTROPY:
        if isinstance(prediction, dict):
            values = None  # the scores that do not fit are missing
        elif values is not None:
            values = Scores(("",) * len(values), values, sums_to_one=False).normalised()
        return f"entropy{_shown(entropy, values)} > {chosen.limit:g}"
    return chosen.name


def _shown(measure: Callable[[Sequence[float]], float], values: Sequence[float] | None) -> str:
    return "" if values is None else f" {measure(values):.2f}"


def _values(prediction: Any) -> tuple[float, ...] | None:
    """Return the scores of a message: a list of all, or an object of the best."""
    items = list(prediction.values()) if isinstance(prediction, dict) else prediction
    if not isinstance(items, list):
        return None
    numbers = [number_of(item) for item in items]
    if any(one is None or not 0 <= one <= 1 for one in numbers):
        return None
    return tuple(one for one in numbers if one is not None)
