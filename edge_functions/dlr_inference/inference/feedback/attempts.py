"""Does what is left to do for a sample: puts its objects, then publishes its messages."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from typing import Any, Callable, NamedTuple, Optional

from ..errors import InferenceError, RefusedError
from ..names import FEEDBACK_PREDICTION_TOPIC, FEEDBACK_STATUS_TOPIC
from ..outgoing.outbox import Send
from ..pipeline.results import compact_json
from .messages import publish_timestamp, success_status, upload_failure_status
from .metadata import mask_key
from .pauses import Pauses
from .puts import Puts, StillPuttingError
from .refusals import Refusals
from .samples import Sample, SampleRequest
from .spool import Spool

_log = logging.getLogger(__name__)

_SLOW = "slow "
"""Before the name of a bucket: it has not answered yet. No bucket's name has a space."""

Moved = Callable[[SampleRequest], Optional[SampleRequest]]
"""Returns a request for the place where its configuration keeps samples now, if that changed."""

BROKER = "the broker"
"""A resource like the buckets; no bucket has this name."""


@dataclass
class UploadCounters:
    """What was done: objects put, requests finished, ``refused`` for good, and failed attempts."""

    uploaded: int = 0
    finished: int = 0
    refused: int = 0
    failed_tries: int = 0


class UploadAttempts:
    """Attempts to finish samples. Called by one thread; :meth:`faults` by any.

    What succeeded for a sample is not repeated at its next attempt. A failure begins a pause of the
    resource that failed: a bucket, one of its folders or objects, or the broker.
    """

    def __init__(
        self,
        spool: Spool,
        puts: Puts,
        send: Send,
        pauses: Pauses,
        refusals: Refusals,
        *,
        on_finished: Callable[[str], None],
        moved: Moved,
    ) -> None:
        """``on_finished`` is called with the id of each finished request.

        ``moved`` says where else an object goes that its bucket refuses.
        """
        self.counters = UploadCounters()
        self._faults: dict[str, _Fault] = {}
        self._spool = spool
        self._puts = puts
        self._send = send
        self._pauses = pauses
        self._refusals = refusals
        self._on_finished = on_finished
        self._moved = moved
        self._done: set[tuple[str, str]] = set()

    def faults(self) -> dict[str, str]:
        """Return why a bucket fails at present, or under ``BROKER`` why the messages do."""
        faults = dict(self._faults)  # at once, since the thread changes them
        texts = {resource: fault.reason for resource, fault in faults.items()}
        return {**self._puts.faults(), **texts}

    def is_blocked(self, resource: str) -> bool:
        """Tell whether ``resource``, which :meth:`finish` returned, need not be tried yet."""
        if resource.startswith(_SLOW):
            return self._puts.is_busy(resource[len(_SLOW) :])
        return resource in self._pauses

    def forget(self, name: str) -> None:
        """Forget a sample that leaves the spool, and the faults that were of its objects only."""
        self._done = {pair for pair in self._done if pair[0] != name}
        for place in self._refusals.forget(name):
            self._pauses.worked(place)
            folder = place.rpartition("/")[0] + "/"
            bucket = place.partition("/")[0]
            for resource, start in ((folder, folder), (bucket, f"{bucket}/")):
                fault = self._faults.get(resource)
                if fault and fault.is_refusal and not self._refusals.has_refused(start):
                    del self._faults[resource]  # its samples went elsewhere

    def finish(self, sample: Sample) -> frozenset[str]:
        """Do what is left to do for a sample; return the resources that prevent it, if any."""
        obstacles = set()
        for kept in sample.requests:
            if (sample.name, kept.id) in self._done:
                continue
            request = self._where_it_goes(kept, sample)
            resource = request.bucket
            try:
                refusal = self._put_once(request, sample)
                resource = BROKER
                if refusal is None:
                    message = f"{request.id} message"
                    self._once(sample.name, message, resource, partial(self._publish, request))
                self._guarded(resource, partial(self._report, request, refusal))
            except _WaitsError as error:
                obstacles.add(error.resource)
                continue
            except OSError:
                obstacles.add(resource)
                continue
            self._done.add((sample.name, request.id))
            if refusal is None:
                self.counters.finished += 1
            else:
                self.counters.refused += 1
            self._on_finished(request.id)
        return frozenset(obstacles)

    def _where_it_goes(self, request: SampleRequest, sample: Sample) -> SampleRequest:
        """Return the request, for the present place of its configuration if its own refuses it."""
        place, folder = _place(request), _folder(request)
        is_refused = self._refusals.is_refused(place) or self._refusals.is_of_folder(folder)
        if is_refused and (sample.name, place) not in self._done:
            return self._moved(request) or request
        return request

    def _put_once(self, request: SampleRequest, sample: Sample) -> RefusedError | None:
        """Upload a sample unless that was done; return why it never will be, or None.

        Raises:
            OSError: if it is to be tried again; ``_WaitsError`` if only this object or folder is.
        """
        bucket, place, folder = request.bucket, _place(request), _folder(request)
        for resource in (place, folder):
            if self.is_blocked(resource):
                raise _WaitsError(resource)
        try:
            if sample.mask:  # first: the message about a sample names its mask
                mask = partial(self._put, request, sample, is_mask=True)
                self._once(sample.name, f"{place} mask", bucket, mask)
            self._once(sample.name, place, bucket, partial(self._upload, request, sample))
        except RefusedError as error:
            if self._refusals.is_for_good(place, bucket):
                _log.error("sample %s is given up, its bucket refuses it: %s", place, error)
                self._faults.pop(bucket, None)
                return error
            raise _WaitsError(place) from None
        return None

    def _refused(self, request: SampleRequest, sample: Sample, error: OSError) -> None:
        """Let other objects go first: those of the same folder too, until two were refused."""
        bucket, place, folder = request.bucket, _place(request), _folder(request)
        self._refusals.refused(sample.name, place, bucket, folder)
        self._pauses.failed(place)
        if self._refusals.is_of_folder(folder):
            self._pauses.failed(folder)
        if self._refusals.is_of_bucket(bucket):
            self._failed(bucket, error)
        elif self._refusals.is_of_folder(folder):
            self._failed(folder, error)

    def _once(self, name: str, step: str, resource: str, action: Callable[[], None]) -> None:
        """Do ``action`` as :meth:`_guarded` does, unless it succeeded for this sample before."""
        if (name, step) not in self._done:
            self._guarded(resource, action)
            self._done.add((name, step))

    def _guarded(self, resource: str, action: Callable[[], None]) -> None:
        """Do ``action`` unless ``resource`` has just failed; raise ``OSError`` if it fails."""
        if self.is_blocked(resource):
            raise OSError("not tried again yet")
        try:
            action()
        except _WaitsError:
            raise
        except OSError as error:
            self.counters.failed_tries += 1
            if resource == BROKER or not isinstance(error, RefusedError):
                self._failed(resource, error)
                self._pauses.failed(resource)
            raise
        if self._faults.pop(resource, None) is not None:
            _log.info("samples go to %s again", resource)
        self._pauses.worked(resource)

    def _failed(self, resource: str, error: OSError) -> None:
        if resource not in self._faults:
            _log.warning("samples wait for %s: %s", resource, error)
        self._faults[resource] = _Fault(str(error), isinstance(error, RefusedError))

    def _put(self, request: SampleRequest, sample: Sample, *, is_mask: bool = False) -> None:
        key, body, kind = request.key, sample.image, request.content_type
        if is_mask:
            key, body, kind = mask_key(key), sample.mask, "image/png"
        try:
            self._puts.put(request.bucket, key, body, kind, {} if is_mask else request.about)
        except StillPuttingError as error:
            if error.is_this_object:
                self._spool.hold(sample.name, key)
            raise _WaitsError(_SLOW + request.bucket) from None
        except OSError as error:
            self._spool.let_go(sample.name, key)
            if isinstance(error, RefusedError):
                self._refused(request, sample, error)
            raise
        self._spool.let_go(sample.name, key)

    def _upload(self, request: SampleRequest, sample: Sample) -> None:
        self._put(request, sample)
        self.counters.uploaded += 1
        self._refusals.accepted(request.bucket, _folder(request))
        self._pauses.worked(_folder(request))
        self._faults.pop(_folder(request), None)

    def _publish(self, request: SampleRequest) -> None:
        """Publish the message of the sample, before its status as the connector does."""
        message: dict[str, Any] = dict(request.message)
        now = datetime.now(timezone.utc)
        message["metadata"] = {**message["metadata"], "publish-ts": publish_timestamp(now)}
        self._send(FEEDBACK_PREDICTION_TOPIC, compact_json(message).encode())

    def _report(self, request: SampleRequest, refusal: RefusedError | None) -> None:
        """Publish the status of a request that is done, or whose object is refused for good."""
        if refusal is None:
            status = success_status(request.id, request.bucket, request.key)
        else:
            status = upload_failure_status(request.id, refusal)
        self._send(FEEDBACK_STATUS_TOPIC, status)


class _Fault(NamedTuple):
    """Why a resource fails. An error itself would keep the sample that it was about in memory."""

    reason: str
    is_refusal: bool


class _WaitsError(InferenceError, OSError):
    """``resource`` is not tried again yet: an object or folder that a bucket refused, or a bucket
    that is slow."""

    def __init__(self, resource: str) -> None:
        super().__init__(f"{resource} is not tried again yet")
        self.resource = resource


def _place(request: SampleRequest) -> str:
    return f"{request.bucket}/{request.key}"


def _folder(request: SampleRequest) -> str:
    return _place(request).rpartition("/")[0] + "/"
