"""Uploads samples from the spool on a thread of its own, and publishes messages about each."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from typing import Any, Callable, Sequence

from ..backoff import Backoff
from ..names import FEEDBACK_PREDICTION_TOPIC, FEEDBACK_STATUS_TOPIC
from ..outgoing.outbox import Send
from ..pipeline.results import compact_json
from .messages import publish_timestamp, success_status
from .spool import DamagedSampleError, Sample, SampleRequest, Spool

_log = logging.getLogger(__name__)

_POLL_SECONDS = 1.0

BROKER = "the broker"
"""A resource like the buckets; no bucket has this name."""

PutObject = Callable[[str, str, bytes, str], None]
"""Puts bytes into bucket and key, with a content type; raises ``OSError`` if it cannot."""


@dataclass
class UploadCounters:
    """What was done: objects put, requests finished, and attempts that failed."""

    uploaded: int = 0
    finished: int = 0
    failed_tries: int = 0


class Uploader:
    """Processes a spool, the oldest sample first, until everything is done for each.

    A bucket that fails is not tried again for a while; the others continue. ``faults`` says why a
    bucket fails at present, or under ``BROKER`` why the messages after an upload do.
    """

    def __init__(
        self,
        spool: Spool,
        put_object: PutObject,
        send: Send,
        *,
        on_finished: Callable[[str], None] = lambda request_id: None,
        first_wait: float = 0.5,
        longest_wait: float = 8.0,
    ) -> None:
        """Start the thread. ``on_finished`` is called with the id of each finished request."""
        self.counters = UploadCounters()
        self.faults: dict[str, str] = {}
        self._spool = spool
        self._put_object = put_object
        self._send = send
        self._on_finished = on_finished
        self._waits = (first_wait, longest_wait)
        self._backoffs: dict[str, Backoff] = {}
        self._blocked_until: dict[str, float] = {}
        self._done: set[tuple[str, str]] = set()
        self._blocked_by: dict[str, frozenset[str]] = {}
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="uploader", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Note that the spool has a new sample."""
        self._wake.set()

    def close(self, seconds: float) -> int:
        """Continue for at most ``seconds`` while uploads work; return how many samples are left."""
        deadline = time.monotonic() + seconds
        self._closing.set()
        self._wake.set()
        self._thread.join(max(0.0, deadline - time.monotonic()))
        self._stopping.set()
        self._wake.set()
        self._thread.join(0.5)
        return len(self._spool)

    def _run(self) -> None:
        last_try = False
        while not self._stopping.is_set():
            self._wake.clear()
            if self._closing.is_set() and not last_try:
                last_try = True
                self._blocked_until.clear()
            self._spool.settle()
            if self._process_all() or self._stopping.is_set():
                continue
            if self._closing.is_set() and (self.faults or not len(self._spool)):
                return
            self._wake.wait(self._pause())

    def _pause(self) -> float:
        """Return the seconds until a blocked bucket may be tried again."""
        waits = [until - time.monotonic() for until in self._blocked_until.values()]
        return min([_POLL_SECONDS, *(max(0.01, wait) for wait in waits if len(self._spool))])

    def _process_all(self) -> bool:
        """Try each waiting sample once; return whether any was finished."""
        progress = False
        for name in self._spool.names():
            if self._stopping.is_set():
                return progress
            resources = self._blocked_by.get(name)
            if resources and all(self._is_blocked(resource) for resource in resources):
                continue  # without reading it from disk again
            try:
                sample = self._spool.read(name)
            except DamagedSampleError as error:
                _log.error("sample %s is damaged and left out: %s", name, error)
                self._spool.counters.damaged += 1
                for request_id in self._forget(name):
                    self._on_finished(request_id)
                continue
            except OSError as error:
                self._leave_for_later(name, error)
                continue
            blocked_by = self._finish(sample)
            if blocked_by:
                self._blocked_by[name] = blocked_by
                continue
            self._forget(name)
            progress = True
        return progress

    def _leave_for_later(self, name: str, error: OSError) -> None:
        """Skip a file that cannot be read at present, so that it does not delay others."""
        resource = f"file {name}"
        if resource not in self._blocked_until:
            _log.warning("sample %s cannot be read now: %s", name, error)
        self._blocked_until[resource] = time.monotonic() + self._waits[1]
        self._blocked_by[name] = frozenset((resource,))

    def _forget(self, name: str) -> Sequence[str]:
        """Remove a sample; return the ids of its requests."""
        self._done = {pair for pair in self._done if pair[0] != name}
        self._blocked_by.pop(name, None)
        self._blocked_until.pop(f"file {name}", None)
        return self._spool.remove(name)

    def _finish(self, sample: Sample) -> frozenset[str]:
        """Do what is left to do for a sample; return the resources that prevent it, if any."""
        obstacles = set()
        for request in sample.requests:
            if (sample.name, request.id) in self._done:
                continue
            resource = request.bucket
            try:
                upload = f"{request.bucket}/{request.key}"
                self._once(sample.name, upload, resource, partial(self._upload, request, sample))
                resource = BROKER
                message = f"{request.id} message"
                self._once(sample.name, message, resource, partial(self._publish, request))
                self._guarded(resource, partial(self._report, request))
            except OSError:
                obstacles.add(resource)
                continue
            self._done.add((sample.name, request.id))
            self.counters.finished += 1
            self._on_finished(request.id)
        return frozenset(obstacles)

    def _once(self, name: str, step: str, resource: str, action: Callable[[], None]) -> None:
        """Do ``action`` as :meth:`_guarded` does, unless it succeeded for this sample before."""
        if (name, step) not in self._done:
            self._guarded(resource, action)
            self._done.add((name, step))

    def _is_blocked(self, resource: str) -> bool:
        return time.monotonic() < self._blocked_until.get(resource, 0.0)

    def _guarded(self, resource: str, action: Callable[[], None]) -> None:
        """Do ``action`` unless ``resource`` has just failed; raise ``OSError`` if it fails."""
        if self._is_blocked(resource):
            raise OSError("not tried again yet")
        first, longest = self._waits
        backoff = self._backoffs.setdefault(resource, Backoff(first=first, cap=longest))
        try:
            action()
        except OSError as error:
            if resource not in self.faults:
                _log.warning("samples wait for %s: %s", resource, error)
            self.faults[resource] = str(error)
            self.counters.failed_tries += 1
            self._blocked_until[resource] = time.monotonic() + backoff.next()
            raise
        if self.faults.pop(resource, None) is not None:
            _log.info("samples go to %s again", resource)
        self._blocked_until.pop(resource, None)
        backoff.reset()

    def _upload(self, request: SampleRequest, sample: Sample) -> None:
        self._put_object(request.bucket, request.key, sample.image, request.content_type)
        self.counters.uploaded += 1

    def _publish(self, request: SampleRequest) -> None:
        """Publish the message of the sample, before its status as the connector does."""
        message: dict[str, Any] = dict(request.message)
        now = datetime.now(timezone.utc)
        message["metadata"] = {**message["metadata"], "publish-ts": publish_timestamp(now)}
        self._send(FEEDBACK_PREDICTION_TOPIC, compact_json(message).encode())

    def _report(self, request: SampleRequest) -> None:
        """Publish the status of a successful request."""
        status = success_status(request.id, request.bucket, request.key)
        self._send(FEEDBACK_STATUS_TOPIC, status)
