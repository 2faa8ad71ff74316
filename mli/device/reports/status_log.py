"""Where a core's logs are searched for the line that explains why a component failed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import botocore.exceptions

from local_core.output.explaining import explaining_line, line_of

from ...listings import listed

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
    now = datetime.now(UTC)
    begin = now - timedelta(hours=_HOURS)
    found: list[str] = []
    for day in (begin, now):
        stream = f"/{day:%Y/%m/%d}/thing/{thing_name}"
        request = {
            "logGroupName": f"/aws/greengrass/UserComponent/{region}/{component}",
            # The cores of a fleet share the group. A name may be the beginning of another one.
            "logStreamNamePrefix": stream,
            "startTime": int(begin.timestamp() * 1_000),
        }
        try:
            events = listed(logs, "filter_log_events", "events", **request)
        except botocore.exceptions.ClientError:
            return None
        found += [one["message"] for one in events if one["logStreamName"] == stream]
    return explaining_line(found)
