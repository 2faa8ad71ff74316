"""Pre-provisioning hook of a fleet: whether a device with a claim certificate becomes a core.

Whoever holds the claim's key chooses the name. So it must be a name that `mli fleet` would take,
and nothing of this name may exist: the device would get a second certificate for another's thing.
https://docs.aws.amazon.com/iot/latest/developerguide/pre-provisioning-hook.html
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

import boto3
from botocore.exceptions import ClientError

CORE_NAME_PATTERN = r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,63}"
"""As for the context key ``coreName``, which this asset cannot import; a test compares both."""

_PARAMETER = "CoreName"
_SHOWN = 100
_log = logging.getLogger()
_log.setLevel(logging.INFO)


def handler(event: Mapping[str, Any], context: Any) -> Mapping[str, bool]:
    """Answer AWS IoT, which takes a failure or silence for more than five seconds as no."""
    name = (event.get("parameters") or {}).get(_PARAMETER)
    reason = _refusal(name)
    _log.info(
        "%s %s: %s (claim %s)",
        "refused" if reason else "allowed",
        repr(name)[:_SHOWN],
        reason or "there is no such thing yet",
        event.get("claimCertificateId"),
    )
    return {"allowProvisioning": not reason}


def _refusal(name: object) -> str:
    """Return why no core of this name is created; empty if it is.

    https://docs.aws.amazon.com/iot/latest/apireference/API_DescribeThing.html
    """
    if not isinstance(name, str) or not re.fullmatch(CORE_NAME_PATTERN, name):
        return f"{_PARAMETER} must match {CORE_NAME_PATTERN}"
    thing = f"{name}_Core"
    try:
        boto3.client("iot").describe_thing(thingName=thing)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        return ""
    return f"there is a thing {thing} already"
