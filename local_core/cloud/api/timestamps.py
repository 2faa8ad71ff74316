"""Times as the services write them."""

from __future__ import annotations

import datetime


def iso_now() -> str:
    """Return the time as Greengrass V1 and the credential provider write it."""
    return iso(datetime.datetime.now(datetime.UTC))


def iso(moment: datetime.datetime) -> str:
    """Return ``moment`` in UTC with milliseconds."""
    text = moment.astimezone(datetime.UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
