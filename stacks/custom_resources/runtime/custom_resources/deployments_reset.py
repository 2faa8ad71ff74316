"""Custom resource that resets a Greengrass group's deployments, so that it can be deleted.

A group that is deployed cannot be deleted, and no CloudFormation resource resets it.
https://docs.aws.amazon.com/greengrass/v1/developerguide/deployments.html#reset-deployments
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from .answer import answer

POLL_SECONDS = 3
_RESERVED_SECONDS = 15
_NOTHING_TO_RESET = "has not been deployed or is already reset"

_log = logging.getLogger()
_log.setLevel(logging.INFO)


class ResetError(RuntimeError):
    """Deployments that could not be reset; the stack's events show the message."""


def handler(event: Mapping[str, Any], context: Any) -> None:
    """Answer CloudFormation. Only Delete, which also ends a replacement, resets the group.

    The physical id is the group's: when it changes, CloudFormation deletes the old resource.
    """
    group_id = event["ResourceProperties"]["GroupId"]
    reason = ""
    try:
        if event["RequestType"] == "Delete":
            client = boto3.client("greengrass")
            deadline = time.monotonic() + _seconds_left(context)
            reset_deployments(client, group_id, deadline)
    except (ResetError, BotoCoreError, ClientError) as error:
        reason = f"deployments of the Greengrass group {group_id} were not reset: {error}"
        _log.error(reason)
    except Exception as error:
        reason = f"deployments of the Greengrass group {group_id} were not reset: {error!r}"
        _log.exception(reason)
    answer(event, group_id, reason=reason)


def reset_deployments(client: Any, group_id: str, deadline: float) -> None:
    """Reset a group's deployments and wait for it, until ``deadline`` on the monotonic clock.

    The reset is forced, since a core that is offline would never confirm it. A group that no longer
    exists, was never deployed, or is already reset, needs none.

    Raises:
        ResetError: if the reset fails, or does not finish in time.
        ClientError: if the service refuses.
    """
    try:
        started = client.reset_deployments(GroupId=group_id, Force=True)
    except ClientError as error:
        if _needs_no_reset(error):
            _log.info("nothing to reset: %s", error)
            return
        raise
    deployment_id = started["DeploymentId"]
    while True:
        status = client.get_deployment_status(GroupId=group_id, DeploymentId=deployment_id)
        state = status.get("DeploymentStatus")
        _log.info("reset %s of group %s: %s", deployment_id, group_id, state)
        if state == "Success":
            return
        if state == "Failure":
            raise ResetError(status.get("ErrorMessage") or "the service gave no reason")
        if time.monotonic() + POLL_SECONDS > deadline:
            raise ResetError(f"the reset was still {state} at the end of this function's time")
        time.sleep(POLL_SECONDS)


def _needs_no_reset(error: ClientError) -> bool:
    gone = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 404
    return gone or _NOTHING_TO_RESET in str(error)


def _seconds_left(context: Any) -> float:
    """Return the remaining time of this invocation, minus the time for the answer."""
    return float(context.get_remaining_time_in_millis()) / 1e3 - _RESERVED_SECONDS
