"""What is told before the process ends because of a fault that no waiting mends.

A wrong configuration, a model that cannot be used and a missing library are mended by a deployment,
or on the device; the nucleus tries again, and gives up after three errors. A camera, broker or
bucket that is away is none of these: the component waits for it.
"""

from __future__ import annotations

import logging
from typing import Any, Mapping

from ..errors import InferenceError
from ..names import telemetry_topic
from ..outgoing.telemetry import HealthFault, Report, Telemetry
from ..settings import CORE_NAME
from .nucleus import Nucleus

_log = logging.getLogger(__name__)


def log_failure(error: InferenceError) -> None:
    """Log in one line why the run ends."""
    _log.error("run failed: %s", error)


def report_failure(
    nucleus: Nucleus, configuration: Mapping[str, Any], error: InferenceError
) -> None:
    """Publish telemetry with ``error`` as its fault, and report ERRORED to the nucleus.

    Telemetry needs the core's name, which ``configuration`` may lack; and neither may be possible,
    which is logged and changes nothing about the end.
    """
    core_name = _core_name(configuration)
    try:
        if core_name is not None:
            fault = HealthFault(error.health_fault or "error", str(error))
            report = Report([fault], {}, {}, {})
            telemetry = Telemetry(core_name=core_name, model={}, versions={}, report=lambda: report)
            nucleus.publish_to_iot_core(telemetry_topic(core_name), telemetry.payload())
    except OSError as failure:
        _log.warning("telemetry was not published: %s", failure)
    try:
        nucleus.report_state("ERRORED")
    except OSError as failure:
        _log.warning("the nucleus was not told of the error: %s", failure)


def _core_name(configuration: Mapping[str, Any]) -> str | None:
    """Return the name if it is one; whatever else is wrong, it can then be told."""
    try:
        return CORE_NAME.parse(configuration.get("coreName"))
    except ValueError:
        return None
