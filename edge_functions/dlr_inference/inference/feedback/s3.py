"""Amazon S3, with the core's credentials that boto3 gets from the token exchange service."""

from __future__ import annotations

import threading
from typing import Any

from ..errors import RefusedError

_CONNECT_SECONDS = 5
_READ_SECONDS = 7
"""Without a byte received. A bucket that hangs must be reported within ten seconds."""

_NOT_OF_THE_OBJECT = frozenset(
    (
        "AccountProblem",
        "AllAccessDisabled",
        "AuthorizationHeaderMalformed",
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidBucketName",
        "InvalidToken",
        "NoSuchBucket",
        "NotSignedUp",
        "OperationAborted",
        "RequestTimeout",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "TooManyRequests",
    )
)
"""Errors that any object would meet: of the bucket, the credentials, the clock, or the moment.

https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#ErrorCodeList
"""


class S3:
    """Puts objects. The client is created at the first use: it takes time and memory."""

    def __init__(self) -> None:
        self._client: Any = None
        self._lock = threading.Lock()

    def put_object(self, bucket: str, key: str, body: bytes, content_type: str) -> None:
        """Put ``body`` into ``bucket`` under ``key``.

        Raises:
            RefusedError: if S3 refuses this object; it may accept others.
            OSError: for any other reason. Either's text begins with the error's code.
        """
        try:
            self._connected().put_object(
                Bucket=bucket, Key=key, Body=body, ContentType=content_type
            )
        except Exception as error:  # botocore has dozens, and its transport raises its own
            raise _as_os_error(error) from None

    def _connected(self) -> Any:
        with self._lock:
            if self._client is None:
                import boto3
                from botocore.config import Config

                config = Config(
                    connect_timeout=_CONNECT_SECONDS,
                    read_timeout=_READ_SECONDS,
                    retries={"total_max_attempts": 1},  # the uploader paces its own attempts
                    max_pool_connections=1,
                )
                self._client = boto3.client("s3", config=config)
            return self._client


def _as_os_error(error: Exception) -> OSError:
    """Return the error to raise: ``RefusedError`` if S3 refuses the object itself."""
    response = getattr(error, "response", None) or {}
    code = response.get("Error", {}).get("Code") or type(error).__name__
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    is_refused = 400 <= status < 500 and code not in _NOT_OF_THE_OBJECT
    if is_refused or code == "ParamValidationError":
        return RefusedError(f"{code}: {error}")
    return OSError(f"{code}: {error}")
