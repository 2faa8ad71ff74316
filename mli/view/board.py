"""What the page shows, of all cores; messages come from one thread, readers from another."""

from __future__ import annotations

import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from inference import names
from inference.feedback.configuration import FeedbackConfigurations
from local_core.output.terminal import shown_line

from ..watch.payload import Payload
from .core_view import CoreView
from .described import Described

MOST_CORES = 100
_PREFIXES = (names.prediction_topic(""), names.telemetry_topic(""), names.preview_topic(""))

Ask = Callable[[str], FeedbackConfigurations | None]
"""Returns the feedback configurations of a core if they are known; others may be told later."""


class Board:
    """The state behind the page. Its size does not depend on how long it runs."""

    def __init__(
        self,
        ask: Ask = lambda core: None,
        *,
        only: str | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        """``ask`` is called once for each core, by the thread that brings its first message.

        ``only`` is the core to show; feedback's topic carries messages of all cores.
        """
        self._ask = ask
        self._only = only
        self._clock = clock or _seconds
        self._lock = threading.Lock()
        self._cores: OrderedDict[str, CoreView] = OrderedDict()
        self._is_connected = False
        self._detail = "connecting"
        self.left_out = 0
        """Messages of cores beyond the limit."""

    def set_connection(self, is_connected: bool, detail: str | None = None) -> None:
        """Note whether there is a connection to the broker, and what it said last."""
        with self._lock:
            self._is_connected = is_connected
            if detail is not None:
                self._detail = shown_line(detail, 600)

    def receive(self, topic: str, payload: bytes) -> None:
        """Take a message of any topic."""
        is_preview = topic.startswith(names.preview_topic(""))
        message = None if is_preview else Payload.of(payload).value
        name = _core_of(topic, message)
        if name is None or (self._only is not None and name != self._only):
            return
        core = self._core(name)
        if core is None:
            self.left_out += 1
            return
        with self._lock:
            now = self._clock()
            if topic.startswith(names.prediction_topic("")):
                core.add_prediction(message, now)
            elif topic.startswith(names.telemetry_topic("")):
                core.add_telemetry(message, now)
            elif is_preview:
                core.add_preview(payload, now)
            else:
                core.add_sample(message, now)

    def snapshot(self, selected: str | None) -> dict[str, Any]:
        """Return everything about one core, and a line about each; the first is the default."""
        with self._lock:
            now = self._clock()
            core = self._cores.get(selected or "") or next(iter(self._cores.values()), None)
            return {
                "connected": self._is_connected,
                "detail": self._detail,
                "leftOut": self.left_out,
                "cores": [
                    {"name": name, "age": round(now - one.last, 1)}
                    for name, one in self._cores.items()
                ],
                "core": None if core is None else core.to_json(now),
            }

    def describe(self, uri: str, metadata: Mapping[str, str]) -> None:
        """Take what the object of a sample says of itself, which came with its picture."""
        about = Described.of(metadata)
        if about is None:
            return
        with self._lock:
            for core in self._cores.values():
                core.describe(uri, about)

    def use_configurations(self, name: str, configurations: FeedbackConfigurations) -> None:
        """Take a core's feedback configurations, which may have changed."""
        with self._lock:
            if name in self._cores:
                self._cores[name].configurations = configurations

    def live_picture(self, identity: int) -> bytes | None:
        """Return the content of a live picture that is shown."""
        with self._lock:
            for core in self._cores.values():
                for one in core.live.values():
                    if one.id == identity:
                        return one.content
        return None

    def uri_of(self, sample_id: int) -> str | None:
        """Return where a sample that is shown lies."""
        with self._lock:
            for core in self._cores.values():
                for sample in (*core.samples, *core.latest.values()):
                    if sample.id == sample_id:
                        return sample.uri
        return None

    def _core(self, name: str) -> CoreView | None:
        with self._lock:
            known = self._cores.get(name)
            if known is not None or len(self._cores) >= MOST_CORES:
                return known
            created = self._cores[name] = CoreView(name)
        found = self._ask(name)  # not under the lock: it may ask AWS
        if found is not None:
            self.use_configurations(name, found)
        return created


def _seconds() -> float:
    """Return seconds that go on while the computer sleeps: what came before it is that old."""
    which: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(which)


def _core_of(topic: str, message: Any) -> str | None:
    for prefix in _PREFIXES:
        if topic.startswith(prefix):
            return _name(topic.removeprefix(prefix))
    if topic == names.FEEDBACK_PREDICTION_TOPIC and isinstance(message, dict):
        metadata = message.get("metadata")
        return _name(metadata.get("core")) if isinstance(metadata, dict) else None
    return None


def _name(value: Any) -> str | None:
    """Return a name as cores have them; the page suggests commands with it."""
    is_name = isinstance(value, str) and re.fullmatch(names.CORE_NAME_PATTERN, value)
    return value if is_name else None
