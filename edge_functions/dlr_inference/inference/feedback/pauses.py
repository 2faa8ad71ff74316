"""Which buckets, folders, objects and files are not to be tried again yet."""

from __future__ import annotations

import time

from ..backoff import Backoff


class Pauses:
    """A pause for each resource that failed, which grows from failure to failure up to a limit."""

    def __init__(self, first: float, longest: float) -> None:
        """``first`` and ``longest`` are in seconds."""
        self._first = first
        self._longest = longest
        self._backoffs: dict[str, Backoff] = {}
        self._until: dict[str, float] = {}

    def __contains__(self, resource: str) -> bool:
        """Tell whether ``resource`` is not to be tried again yet."""
        return time.monotonic() < self._until.get(resource, 0.0)

    def failed(self, resource: str) -> None:
        """Begin the next pause of ``resource``."""
        backoff = self._backoffs.setdefault(resource, Backoff(first=self._first, cap=self._longest))
        self._until[resource] = time.monotonic() + backoff.next()

    def wait_longest(self, resource: str) -> None:
        """Begin the longest pause of ``resource``."""
        self._until[resource] = time.monotonic() + self._longest

    def worked(self, resource: str) -> None:
        """Forget ``resource``: its next pause is a first one again."""
        self._until.pop(resource, None)
        self._backoffs.pop(resource, None)

    def end_all(self) -> None:
        """Let everything be tried at once; a further failure's pause is as long as before."""
        self._until.clear()

    def shortest(self, most: float) -> float:
        """Return the seconds until a pause ends, at least 0.01 and ``most`` if there is none."""
        now = time.monotonic()
        waits = [until - now for until in self._until.values()]
        self._until = {one: end for one, end in self._until.items() if end > now}
        return min([most, *(max(0.01, wait) for wait in waits)])
