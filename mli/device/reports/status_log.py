"""Where a core's logs are searched for the line that explains why a component failed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import botocore.exceptions

from local_core.output.explaining import explaining_line, line_of

_HOURS = 24


def from_folder(folder: Path, component: str) -> str | None:
    """Search a core's own logs, such as /greengrass/v2/logs; None without one of the component.

    Raises:
        OSError: if it cannot be read, such as without root's permissions.
    """
    file = folder / f"{component}.log"
    return line_of(file) if file.exists() else None


def from_cloudwatch(logs: Any, region: str, component: str, thing_name: str) -> str | None:
    """Search CloudWatch Logs, where a core with aws.greengrass.LogManager sends its logs.

    https://docs.aws.amazon.com/greengrass/v2/developerguide/log-manager-component.html
    None if the core sends none, or if they may not be read.
    """
    request = {
        "logGroupName": f"/aws/greengrass/UserComponent/{region}/{component}",
        "startTime": int((time.time() - _HOURS * 3_600) * 1_000),
        "limit": 1_000,
    }
    try:
        pages = logs.get_paginator("filter_log_events").paginate(**request)
        events = [event for page in pages for event in page.get("events", [])]
    except botocore.exceptions.ClientError:
        return None
    own = [event for event in events if thing_name in event.get("logStreamName", "")]
    return explaining_line(event["message"] for event in own)
