"""RequestLimit: how many samples may be in progress at once; further ones are dropped.

https://docs.aws.amazon.com/greengrass/v1/developerguide/ml-feedback-connector.html#ml-feedback-connector-param
"""

from __future__ import annotations

import threading

from ..schema import integer, text

_PATTERN = text(r"[0-9]{0,3}", "must be a number from 0 to 999, or empty")


def parse_request_limit(value: object) -> int:
    """Read the connector's parameter, a string of digits, or a number; empty or missing is 0.

    Raises:
        ValueError: with the rule that the value breaks.
    """
    if value is None or isinstance(value, str):
        return int(_PATTERN(value or "") or 0)
    return integer(0, 999)(value)


class RequestLimiter:
    """Tracks requests in progress by id, for all threads; 0 means no limit, as in AWS's."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._lock = threading.Lock()
        self._in_progress: set[str] = set()

    def enter(self, request_id: str) -> bool:
        """Accept a request, or refuse it and return False; an accepted one must :meth:`leave`."""
        with self._lock:
            if self.limit and len(self._in_progress) >= self.limit:
                return False
            self._in_progress.add(request_id)
            return True

    def leave(self, request_id: str) -> None:
        """Release a finished request; ones that an earlier process accepted are unknown here."""
        with self._lock:
            self._in_progress.discard(request_id)
