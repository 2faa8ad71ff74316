"""The line of a component's log that explains why it failed."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import botocore.exceptions

from ..errors import one_line

_EXPLAINING = re.compile(
    r"\b(ERROR|FATAL|CRITICAL|[A-Za-z.]*(?:Error|Exception)\b:)|cannot|must be|is required", re.I
)
_NUCLEUS_FORM = re.compile(r"\. \{scriptName=.*\}\s*$")
_LAST_LINES = 2_000
_MAX_CHARACTERS = 300
_HOURS = 24


def explaining_line(lines: Iterable[str]) -> str | None:
    """Return the last line that says what went wrong, without the additions of the nucleus."""
    kept = deque((line for line in lines if line.strip()), maxlen=_LAST_LINES)
    for line in reversed(kept):
        if _EXPLAINING.search(line):
            return one_line(_NUCLEUS_FORM.sub("", line))[:_MAX_CHARACTERS]
    return None


def from_folder(folder: Path, component: str) -> str | None:
    """Search a core's own logs, such as /greengrass/v2/logs; None without one of the component.

    Raises:
        OSError: if it cannot be read, such as without root's permissions.
    """
    file = folder / f"{component}.log"
    if not file.exists():
        return None
    with file.open(errors="replace") as opened:
        return explaining_line(opened)


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
