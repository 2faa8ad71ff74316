"""RequestLimit: how many samples may be in work at once; what comes on top is dropped.

https://docs.aws.amazon.com/greengrass/v1/developerguide/ml-feedback-connector.html#ml-feedback-connector-param
"""

from __future__ import annotations

import threading

from ..schema import integer, text

_PATTERN = text(r"[0-9]{0,3}", "must be a number from 0 to 999, or empty")


def parse_request_limit(value: object) -> int:
    """Read the connector's parameter, a text of digits, or a number; empty or left out is 0.

    Raises:
        ValueError: with the rule that the value breaks.
    """
    if value is None or isinstance(value, str):
        return int(_PATTERN(value or "") or 0)
    return integer(0, 999)(value)


class RequestLimiter:
    """Knows the requests in work, by id. A limit of 0 is none, as in the connector."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._lock = threading.Lock()
        self._in_work: set[str] = set()
        self._dropped = 0

    @property
    def in_work(self) -> int:
        """How many requests wait or are worked on."""
        return len(self._in_work)

    @property
    def dropped(self) -> int:
        """How many requests were refused so far."""
        return self._dropped

    def enter(self, request_id: str) -> bool:
        """Take a request in, or refuse it; one that was taken in must :meth:`leave`."""
        with self._lock:
            if self.limit and len(self._in_work) >= self.limit:
                self._dropped += 1
                return False
            self._in_work.add(request_id)
            return True

    def leave(self, request_id: str) -> None:
        """Let a request go that is done; one that an earlier process took in is not known."""
        with self._lock:
            self._in_work.discard(request_id)
