"""What the tests of samples share: a request, and a cloud that can be taken away."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping

from inference.errors import RefusedError
from inference.feedback.samples import SampleRequest
from inference.names import FEEDBACK_STATUS_TOPIC

MEGABYTE = 1 << 20
JPEG = "image/jpeg"


def request(number: int, bucket: str = "b", key: str | None = None) -> SampleRequest:
    message = {"source-ref": f"s3://{bucket}/{number}", "metadata": {"frame": str(number)}}
    return SampleRequest(f"id-{number}", bucket, key or f"k/{number}.jpg", "image/jpeg", message)


class Cloud:
    """A bucket and a broker that can be taken away."""

    def __init__(self) -> None:
        self.objects: list[tuple[str, str]] = []
        self.bodies: dict[str, tuple[bytes, str]] = {}
        self.metadata: dict[str, dict[str, str]] = {}
        self.messages: list[tuple[str, dict[str, object]]] = []
        self.missing_buckets: set[str] = set()
        self.refused: Callable[[str, str], bool] = lambda bucket, key: False
        self.tries: list[str] = []
        self.broker_away = False
        self._lock = threading.Lock()

    def put_object(
        self,
        bucket: str,
        key: str,
        body: bytes,
        content_type: str,
        metadata: Mapping[str, str],
    ) -> None:
        if bucket in self.missing_buckets:
            raise OSError(f"NoSuchBucket: {bucket}")
        self.tries.append(key)
        if self.refused(bucket, key):
            raise RefusedError(f"AccessDenied: {key}")
        with self._lock:
            self.objects.append((bucket, key))
            self.bodies[key] = (body, content_type)
            self.metadata[key] = dict(metadata)

    def send(self, topic: str, payload: bytes) -> None:
        if self.broker_away:
            raise OSError("broker away")
        with self._lock:
            self.messages.append((topic, json.loads(payload)))

    def ids_of_statuses(self) -> list[object]:
        return [message["id"] for topic, message in self.messages if topic == FEEDBACK_STATUS_TOPIC]
