"""The last reports of a process that ends because of a fault that waiting does not fix.

A wrong configuration, a model that cannot be used and a missing library need a deployment or a
change on the device. The nucleus tries again, and gives up after three errors. A camera, broker or
bucket that cannot be reached is no such fault: the component waits for it.
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


def report_failure(
    nucleus: Nucleus,
    configuration: Mapping[str, Any],
    error: InferenceError,
    component: str | None,
) -> None:
    """Log why the run ends, publish telemetry with that fault, and report ERRORED to the nucleus.

    The log is first, because the nucleus may kill what reports ERRORED. Telemetry needs the core's
    name, which ``configuration`` may lack. If either report fails, that is logged, and the process
    ends all the same.
    """
    _log.error("run failed: %s", error)
    core_name = _core_name(configuration)
    try:
        if core_name is not None:
            fault = HealthFault(error.health_fault or "error", str(error))
            report = Report([fault], {}, {}, {})
            telemetry = Telemetry(
                core_name=core_name,
                model={},
                versions={},
                report=lambda: report,
                component=component,
            )
            nucleus.publish_to_iot_core(telemetry_topic(core_name), telemetry.payload())
    except OSError as failure:
        _log.warning("telemetry was not published: %s", failure)
    try:
        nucleus.report_state("ERRORED")
    except OSError as failure:
        _log.warning("ERRORED was not reported to the nucleus: %s", failure)


def _core_name(configuration: Mapping[str, Any]) -> str | None:
    """Return the name if it is valid, whatever else is wrong with the configuration."""
    try:
        return CORE_NAME.parse(configuration.get("coreName"))
    except ValueError:
        return None
