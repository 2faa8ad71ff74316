"""Puts objects on threads of their own, so that a slow bucket delays no other."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import Callable, Mapping

from ..errors import InferenceError
from ..hanging import hang_fault

_PATIENCE_SECONDS = 0.5
"""The other buckets wait this long for a put. Nearly all are done sooner."""

PutObject = Callable[[str, str, bytes, str, Mapping[str, str]], None]
"""Puts bytes into bucket and key, with a content type and metadata. Raises ``RefusedError`` if the
bucket refuses this object, which says nothing about others, and another ``OSError`` if it cannot
now."""


class StillPuttingError(InferenceError):
    """The bucket has not answered yet to this put, or to that of another object."""

    def __init__(self, bucket: str, *, is_this_object: bool) -> None:
        super().__init__(f"{bucket} has not answered yet")
        self.is_this_object = is_this_object


class Puts:
    """Puts one object at a time into each bucket. Called by one thread."""

    def __init__(self, put_object: PutObject, on_done: Callable[[], None]) -> None:
        """``on_done`` is called from another thread when a put that was slow is done."""
        self._put_object = put_object
        self._on_done = on_done
        self._running: dict[str, tuple[str, float]] = {}
        self._results: dict[tuple[str, str], OSError | None] = {}
        self._lock = threading.Lock()

    def put(
        self,
        bucket: str,
        key: str,
        body: bytes,
        content_type: str,
        about: Mapping[str, str],
    ) -> None:
        """Put an object, or take the result of the same put that was slow before.

        Raises:
            StillPuttingError: if there is no result yet: ask again after ``on_done``.
            OSError: if the put failed.
        """
        place = (bucket, key)
        with self._lock:
            is_known = place in self._results
            if not is_known and bucket in self._running:
                is_this_object = self._running[bucket][0] == key
                raise StillPuttingError(bucket, is_this_object=is_this_object)
            if not is_known:
                self._running[bucket] = (key, time.monotonic())
        if not is_known:
            put = partial(self._put_object, bucket, key, body, content_type, about)
            args = (bucket, key, put)
            thread = threading.Thread(target=self._run, args=args, name="put", daemon=True)
            thread.start()
            thread.join(_PATIENCE_SECONDS)
        with self._lock:
            if place not in self._results:
                raise StillPuttingError(bucket, is_this_object=True)
            error = self._results.pop(place)
        if error is not None:
            raise error

    def is_busy(self, bucket: str | None = None) -> bool:
        """Tell whether a put into ``bucket``, or into any, is not done."""
        with self._lock:
            return bool(self._running) if bucket is None else bucket in self._running

    def faults(self) -> dict[str, str]:
        """Return the buckets that have not answered for too long, each with how long."""
        with self._lock:
            faults = {bucket: hang_fault(since) for bucket, (_, since) in self._running.items()}
        return {bucket: fault for bucket, fault in faults.items() if fault is not None}

    def _run(self, bucket: str, key: str, put: Callable[[], None]) -> None:
        result: OSError | None = None
        try:
            put()
        except OSError as error:
            result = error
        except Exception as error:  # a put without a result would block its bucket forever
            result = OSError(f"{type(error).__name__}: {error}")
        with self._lock:
            self._results[bucket, key] = result
            del self._running[bucket]
        self._on_done()
