"""The answer of a custom resource's function to CloudFormation."""

from __future__ import annotations

import json
import logging
import time
import urllib.request
from collections.abc import Mapping
from typing import Any

_ATTEMPTS = 3
_MAX_REASON_CHARACTERS = 1_000

_log = logging.getLogger()


def answer(
    event: Mapping[str, Any],
    physical_id: str,
    *,
    data: Mapping[str, str] | None = None,
    reason: str = "",
) -> None:
    """Report the outcome to CloudFormation: success with ``data``, or failure with ``reason``.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-responses.html

    Raises:
        OSError: if CloudFormation cannot be reached; the resource will time out.
    """
    body = json.dumps(
        {
            "Status": "FAILED" if reason else "SUCCESS",
            "Reason": reason[:_MAX_REASON_CHARACTERS],
            "PhysicalResourceId": physical_id,
            "StackId": event["StackId"],
            "RequestId": event["RequestId"],
            "LogicalResourceId": event["LogicalResourceId"],
            "Data": data or {},
        }
    ).encode()
    # The URL is signed for exactly this header.
    request = urllib.request.Request(
        event["ResponseURL"], data=body, headers={"Content-Type": ""}, method="PUT"
    )
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with urllib.request.urlopen(request, timeout=10):
                return
        except OSError as error:
            _log.warning("CloudFormation was not reached, attempt %d: %s", attempt, error)
            if attempt == _ATTEMPTS:
                raise
            time.sleep(attempt)
