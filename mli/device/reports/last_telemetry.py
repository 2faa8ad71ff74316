"""The newest telemetry of a core, as the table of its stack keeps it.

A device writes what it likes into its telemetry: nothing here relies on a type that it chose.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from inference.names import SILENT_INTERVALS, TELEMETRY_SECONDS

from ...aws import Clients

TABLE_OUTPUT = "TelemetryTable"
_LONGEST_INTERVAL = 86_400.0
_NO_CAMERA = "no camera"
_STREAMING, _CONNECTING = "streaming", "connecting"
"""States of a source in telemetry, of which others mean that it has no frames."""


@dataclass(frozen=True)
class Camera:
    """A source of a core as it last reported; ``reason`` is why it has no frames."""

    name: str
    state: str
    reason: str

    def is_dark(self, faults: tuple[str, ...]) -> bool:
        """Return whether it has no frames; one that is being opened for the first time may yet."""
        if self.state == _STREAMING:
            return False
        is_first = self.state == _CONNECTING and not self.reason
        return not is_first or any(fault.startswith(_NO_CAMERA) for fault in faults)


@dataclass(frozen=True)
class LastTelemetry:
    """The newest telemetry of a core; what it does not contain is empty or None.

    ``received`` is when AWS IoT got it, ``written`` is when the core says that it wrote it. A
    message may have waited on the core, and the clock of a core may be wrong: only the first one
    shows that the core is there.
    """

    core_name: str
    received: datetime
    written: str = ""
    interval: float = TELEMETRY_SECONDS
    component: str = ""
    version: str = ""
    nucleus: str = ""
    model: str = ""
    configuration: str = ""
    health: str = ""
    faults: tuple[str, ...] = ()
    per_second: float | None = None
    latency: Mapping[str, float] | None = None
    queued: int | None = None
    cameras: tuple[Camera, ...] = ()

    def age(self, now: datetime) -> float:
        """Return the seconds since it arrived."""
        return max(0.0, (now - self.received).total_seconds())

    def is_old(self, now: datetime) -> bool:
        """Return whether the core must have sent another one since."""
        return self.age(now) > SILENT_INTERVALS * self.interval

    @property
    def dark_cameras(self) -> tuple[Camera, ...]:
        """The sources without frames."""
        return tuple(one for one in self.cameras if one.is_dark(self.faults))

    def to_json(self) -> dict[str, Any]:
        """Return everything, for scripts."""
        return {
            "received": self.received.isoformat(timespec="milliseconds"),
            "timestamp": self.written,
            "intervalSeconds": self.interval,
            "component": self.component,
            "version": self.version,
            "nucleus": self.nucleus,
            "model": self.model,
            "configuration": self.configuration,
            "health": self.health,
            "faults": list(self.faults),
            "framesPerSecond": self.per_second,
            "inferenceMs": self.latency,
            "queued": self.queued,
            "sources": [vars(one) for one in self.cameras],
        }


def read_one(clients: Clients, table: str, core_name: str) -> tuple[LastTelemetry | None, datetime]:
    """Return a core's newest telemetry, if it ever sent any, and the time in AWS.

    Raises:
        ClientError: if the table cannot be read.
    """
    reply = clients("dynamodb").get_item(
        TableName=table, Key={"core": {"S": core_name}}, ConsistentRead=True
    )
    item = reply.get("Item")
    return (parsed_item(item) if item else None), time_in_aws(reply)


def read_all(clients: Clients, table: str) -> tuple[dict[str, LastTelemetry], datetime]:
    """Return the newest telemetry of each core that ever sent any, and the time in AWS.

    Raises:
        ClientError: if the table cannot be read.
    """
    found: dict[str, LastTelemetry] = {}
    now = datetime.now(UTC)
    for page in clients("dynamodb").get_paginator("scan").paginate(TableName=table):
        now = time_in_aws(page)
        for item in page["Items"]:
            telemetry = parsed_item(item)
            found[telemetry.core_name] = telemetry
    return found, now


def time_in_aws(reply: Mapping[str, Any]) -> datetime:
    """Return the time of a reply by the clock of AWS, which also wrote when telemetry arrived."""
    headers = reply.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    try:
        found = parsedate_to_datetime(headers["date"])
    except (KeyError, ValueError):
        return datetime.now(UTC)
    return found.astimezone(UTC)


def parsed_item(item: Mapping[str, Any]) -> LastTelemetry:
    """Return what an item of the table says."""
    plain = {key: _plain(value) for key, value in item.items()}
    inference = _nested(plain.get("inferenceMs"))
    sources, faults = _nested(plain.get("sources")), _nested(plain.get("faults"))
    interval = _number(plain.get("intervalSeconds")) or 0.0
    return LastTelemetry(
        core_name=_text(plain.get("core")),
        received=datetime.fromtimestamp((_number(plain.get("received")) or 0.0) / 1e3, UTC),
        written=_text(plain.get("timestamp")),
        interval=interval if 0.0 < interval <= _LONGEST_INTERVAL else TELEMETRY_SECONDS,
        component=_text(plain.get("component")),
        version=_text(plain.get("version")),
        nucleus=_text(plain.get("nucleus")),
        model=_text(plain.get("model")),
        configuration=_text(plain.get("configuration")),
        health=_text(plain.get("health")),
        faults=tuple(_text(one) for one in faults) if isinstance(faults, list) else (),
        per_second=_number(plain.get("perSecond")),
        latency=_numbers(inference),
        queued=_whole(plain.get("queued")),
        cameras=tuple(
            Camera(_text(one.get("name")), _text(one.get("state")), _text(one.get("reason")))
            for one in (sources if isinstance(sources, list) else ())
            if isinstance(one, Mapping)
        ),
    )


def _plain(value: Mapping[str, Any]) -> Any:
    """Return a value of DynamoDB. boto3's own reader raises for numbers with too many digits."""
    ((kind, content),) = value.items()
    if kind == "M":
        return {key: _plain(one) for key, one in content.items()}
    if kind == "L":
        return [_plain(one) for one in content]
    return content if kind in ("S", "N", "BOOL") else None


def _nested(value: Any) -> Any:
    """Return a list or an object, which the local cloud keeps as JSON and AWS as such."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _number(value: Any) -> float | None:
    try:
        found = None if value is None or isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return None
    return found if found is not None and abs(found) < 1e15 else None


def _whole(value: Any) -> int | None:
    found = _number(value)
    return None if found is None else int(found)


def _numbers(value: Any) -> Mapping[str, float] | None:
    if not isinstance(value, Mapping):
        return None
    found = {str(key): _number(one) for key, one in value.items()}
    return {key: one for key, one in found.items() if one is not None}
