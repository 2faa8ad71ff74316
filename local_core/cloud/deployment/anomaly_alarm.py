"""Alarms of CloudWatch on a band of usual values: accepted here, and never evaluated.

ministack serves alarms on one metric, and refuses those with an expression.
"""

from __future__ import annotations

import logging
import uuid
from typing import Any

from .. import location
from ..emulator import Handlers
from .handlers import Created, Properties

_log = logging.getLogger(__name__)

_MARK = "-unevaluated-"


def alarm_type(inner: Handlers) -> dict[str, Handlers]:
    """Return the handlers of alarms; ``inner`` are ministack's, for all others."""

    def create(logical_id: str, properties: Properties, stack: str) -> Any:
        if not properties.get("Metrics"):
            return inner["create"](logical_id, properties, stack)
        name = f"{stack}-{logical_id}"[:200] + f"{_MARK}{uuid.uuid4().hex[:12]}"
        _log.warning("the local cloud does not evaluate alarms on a band of values: %s", name)
        return _created(name)

    def update(identity: str, old: Properties, new: Properties, stack: str, *further: Any) -> Any:
        if _MARK in identity:
            return _created(identity)
        return inner["update"](identity, old, new, stack, *further)

    def delete(identity: str, properties: Properties) -> None:
        if _MARK not in identity:
            inner["delete"](identity, properties)

    own: Handlers = {"create": create, "update": update, "delete": delete}
    return {"AWS::CloudWatch::Alarm": {**inner, **own}}


def _created(name: str) -> Created:
    return name, {"Arn": location.arn("cloudwatch", f"alarm:{name}")}
