"""Amazon S3, with the core's credentials that boto3 gets from the token exchange service."""

from __future__ import annotations

import math
import threading
import time
from typing import Any, Mapping

from ..errors import RefusedError

_FIRST_SECONDS = 7.0
"""How long a small object may take: to be sent, and then until S3 answers."""
_BYTES_A_SECOND = 32 << 10
"""A slower network is tried with a longer time-out after the first one."""
_DOUBLINGS = 6
"""The longest time-out is 7.5 minutes."""

_NOT_OF_THE_OBJECT = frozenset(
    (
        "AccountProblem",
        "AllAccessDisabled",
        "AuthorizationHeaderMalformed",
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidBucketName",
        "InvalidToken",
        "NotSignedUp",
        "OperationAborted",
        "RequestTimeout",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "TooManyRequests",
    )
)
"""Errors that any object would meet: of the account, the credentials, the clock, or the moment.

A bucket that does not exist is not among them: the configuration may name another one by now.

https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#ErrorCodeList
"""

_NOT_CONNECTED = frozenset(("ConnectTimeoutError", "EndpointConnectionError"))
"""Errors that say nothing about how long an object takes."""


class S3:
    """Puts objects, from any thread.

    A time-out grows with the object's size, and doubles for a bucket when one was too short: it
    must end at some time, or the same object is stored again and again. Each length has a client,
    which is created at its first use: it takes time and memory.
    """

    def __init__(self) -> None:
        self._clients: dict[int, Any] = {}
        self._too_short: dict[str, int] = {}
        """How often a bucket's time-out was doubled: a bucket has one put at a time, so no lock."""
        self._lock = threading.Lock()
        """Guards ``_clients``: boto3 must not create two at once."""

    def put_object(
        self,
        bucket: str,
        key: str,
        body: bytes,
        content_type: str,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Put ``body`` into ``bucket`` under ``key``, with ``metadata`` of ASCII only.

        Raises:
            RefusedError: if S3 refuses this object; it may accept others.
            OSError: for any other reason. Either's text begins with the error's code.
        """
        doublings = _doublings(len(body), self._too_short.get(bucket, 0))
        began = time.monotonic()
        try:
            self._connected(doublings).put_object(
                Bucket=bucket,
                Key=key,
                Body=body,
                ContentType=content_type,
                Metadata=dict(metadata or {}),
            )
        except Exception as error:  # botocore has dozens, and its transport raises its own
            is_connected = type(error).__name__ not in _NOT_CONNECTED
            if is_connected and time.monotonic() - began >= _seconds(doublings):
                self._too_short[bucket] = min(self._too_short.get(bucket, 0) + 1, _DOUBLINGS)
            raise _as_os_error(error) from None
        if time.monotonic() - began < _FIRST_SECONDS / 2:
            self._too_short.pop(bucket, None)

    def _connected(self, doublings: int) -> Any:
        with self._lock:
            if doublings not in self._clients:
                import boto3
                from botocore.config import Config

                config = Config(
                    connect_timeout=_seconds(doublings),  # urllib3's for sending the body too
                    read_timeout=_seconds(doublings),
                    retries={"total_max_attempts": 1},  # the uploader paces its own attempts
                    max_pool_connections=4,  # one for each bucket that is being put to
                )
                self._clients[doublings] = boto3.client("s3", config=config)
            return self._clients[doublings]


def _doublings(size: int, too_short: int) -> int:
    """Return how often the time-out is doubled for ``size`` bytes, and for earlier time-outs."""
    needed = math.ceil(math.log2(1 + size / _BYTES_A_SECOND / _FIRST_SECONDS) - 0.1)
    return min(max(0, needed) + too_short, _DOUBLINGS)


def _seconds(doublings: int) -> float:
    return _FIRST_SECONDS * 2.0**doublings


def _as_os_error(error: Exception) -> OSError:
    """Return the error to raise: ``RefusedError`` if S3 refuses the object itself."""
    response = getattr(error, "response", None) or {}
    code = response.get("Error", {}).get("Code") or type(error).__name__
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    is_refused = 400 <= status < 500 and code not in _NOT_OF_THE_OBJECT
    if is_refused or code == "ParamValidationError":
        return RefusedError(f"{code}: {error}")
    return OSError(f"{code}: {error}")
