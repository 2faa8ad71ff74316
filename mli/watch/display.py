"""Messages as a person reads them, their rate, and a summary."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from inference import names
from local_core.output.terminal import counted, json_line, shown_line

from .payload import Payload

UNKNOWN_CORE = "?"
"""Takes the place of a core's name in a message that has none."""

Kind = Literal["prediction", "telemetry", "sample"]

_WINDOW_SECONDS = 30.0
_SHOWN_PREDICTIONS = 3
_PREFIXES: dict[str, Kind] = {
    names.prediction_topic(""): "prediction",
    names.telemetry_topic(""): "telemetry",
}


@dataclass(frozen=True)
class Message:
    """A message and when it arrived."""

    received: datetime
    topic: str
    kind: Kind
    core_name: str
    payload: Payload

    @classmethod
    def parse(cls, topic: str, payload: bytes, received: datetime) -> Message | None:
        """Read a message; None if its topic is not one that cores publish on.

        The topic of samples is one for all cores: a message says itself which one it is of.
        """
        if topic == names.FEEDBACK_PREDICTION_TOPIC:
            read = Payload.of(payload)
            core = _object(_as_object(read.value), "metadata").get("core")
            named = core if isinstance(core, str) else UNKNOWN_CORE
            return cls(received, topic, "sample", named, read)
        for prefix, kind in _PREFIXES.items():
            if topic.startswith(prefix):
                return cls(received, topic, kind, topic.removeprefix(prefix), Payload.of(payload))
        return None

    def to_json(self) -> dict[str, Any]:
        """Return the content of a line that ``--save`` writes."""
        return {
            "received": self.received.isoformat(timespec="milliseconds"),
            "topic": self.topic,
            "kind": self.kind,
            "core": self.core_name,
            **self.payload.to_json(),
        }


@dataclass
class Tally:
    """How many messages arrived, by core and kind, and their recent rate."""

    counts: Counter[tuple[str, Kind]] = field(default_factory=Counter)
    _first: dict[tuple[str, Kind], float] = field(default_factory=dict)
    _lately: dict[tuple[str, Kind], deque[float]] = field(default_factory=dict)

    def add(self, message: Message, now: float) -> float | None:
        """Count a message; return how many arrived per second recently, None for the first."""
        key = (message.core_name, message.kind)
        self.counts[key] += 1
        self._first.setdefault(key, now)
        times = self._lately.setdefault(key, deque())
        times.append(now)
        while len(times) > 2 and now - times[0] > _WINDOW_SECONDS:
            times.popleft()
        seconds = times[-1] - times[0]
        return (len(times) - 1) / seconds if seconds > 0 else None

    def of(self, kind: Kind) -> int:
        """Return how many messages of one kind arrived."""
        return sum(number for (_, k), number in self.counts.items() if k == kind)

    def summary(self, seconds: float, interruptions: int) -> tuple[dict[str, Any], str]:
        """Return the totals, for scripts and for people."""
        cores: dict[str, dict[str, int]] = {}
        for (core, kind), number in sorted(self.counts.items()):
            cores.setdefault(core, {"prediction": 0, "telemetry": 0, "sample": 0})[kind] = number
        values = {
            "seconds": round(seconds, 3),
            "predictions": self.of("prediction"),
            "telemetry": self.of("telemetry"),
            "samples": self.of("sample"),
            "interruptions": interruptions,
            "cores": cores,
        }
        total = counted(self.of("prediction"), "prediction")
        total += f" and {counted(self.of('telemetry'), 'telemetry message')}"
        if self.of("sample"):
            total += f", {counted(self.of('sample'), 'message')} about samples,"
        where = f"of {counted(len(cores), 'core')} in {seconds:.0f} s, "
        where += counted(interruptions, "interruption")
        lines = [f"{total} {where}"]
        for core, numbers in cores.items():
            lines.append(
                f"  {shown_line(core)}: {counted(numbers['prediction'], 'prediction')}"
                f"{self._rate(core)}, "
                f"{numbers['telemetry']} telemetry"
                + (f", {counted(numbers['sample'], 'sample')}" if numbers["sample"] else "")
            )
        return values, "\n".join(lines)

    def _rate(self, core: str) -> str:
        """Return how often a core predicted, from its first prediction to its last."""
        key: tuple[str, Kind] = (core, "prediction")
        if self.counts[key] < 2 or (seconds := self._lately[key][-1] - self._first[key]) <= 0:
            return ""
        return f" ({(self.counts[key] - 1) / seconds:.2f}/s)"


def text_of(message: Message) -> str:
    """Return what a message says, in words.

    A payload that is not what cores publish is shown as it is, shortened.
    """
    read, what = _READERS[message.kind]
    text = read(message.payload.value)
    return f"not {what}: {_raw(message.payload)}" if text is None else text


def latency_of(message: Message) -> float | None:
    """Return the milliseconds that all stages of a prediction took; None if it does not say."""
    stages = _object(_as_object(message.payload.value), "latencyMs").values()
    numbers = [one for one in stages if isinstance(one, int | float) and not isinstance(one, bool)]
    try:
        return float(sum(numbers)) if numbers else None
    except OverflowError:
        return None


def source_of(message: Message) -> str:
    """Return the source of a prediction's frame; empty if it does not say."""
    source = _object(_as_object(message.payload.value), "frame").get("source")
    return source.rpartition("/")[2] or source if isinstance(source, str) else ""


def faults_of(message: Message) -> tuple[str, ...]:
    """Return the faults that telemetry reports; none if it has none, or says it another way."""
    faults = _object(_as_object(message.payload.value), "health").get("faults")
    return tuple(map(str, faults)) if isinstance(faults, list) else ()


def is_degraded(message: Message) -> bool:
    """Return whether a message is telemetry of a core with a fault."""
    health = _object(_as_object(message.payload.value), "health")
    return message.kind == "telemetry" and health.get("status") != "ok"


def _raw(payload: Payload) -> str:
    return payload.text or "nothing" if payload.is_text else json_line(payload.value)


def _prediction(found: Any) -> str | None:
    items = found.get("predictions") if isinstance(found, dict) else found
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        return None
    shown = [_scored(item) for item in items[:_SHOWN_PREDICTIONS]]
    more = f" (+{len(items) - _SHOWN_PREDICTIONS})" if len(items) > _SHOWN_PREDICTIONS else ""
    return ", ".join(shown) + more if shown else "nothing found"


def _scored(item: dict[str, Any]) -> str:
    label = item.get("prediction", item.get("label", "?"))
    try:
        return f"{label} {float(item.get('confidence', item.get('score', 'nan'))):.2f}"
    except (ArithmeticError, TypeError, ValueError):
        return f"{label} ?"


def _telemetry(found: Any) -> str | None:
    if not isinstance(found, dict):
        return None
    health, frames = _object(found, "health"), _object(found, "frames")
    parts = [f"telemetry: {health.get('status', '?')}"]
    faults = health.get("faults")
    if faults:
        parts.append("; ".join(map(str, faults)) if isinstance(faults, list) else str(faults))
    parts.append(f"{frames.get('predicted', '?')} frames, {frames.get('perSecond', '?')}/s")
    inference = _object(_object(found, "latencyMs"), "inference")
    if inference:
        parts.append(
            f"inference p50 {inference.get('p50', '?')} ms, p95 {inference.get('p95', '?')} ms"
        )
    if isinstance(found.get("memoryBytes"), int):
        parts.append(f"{found['memoryBytes'] // 2**20} MiB")
    return " · ".join(parts)


def _sample(found: Any) -> str | None:
    uri, metadata = _as_object(found).get("source-ref"), _object(_as_object(found), "metadata")
    if not isinstance(uri, str):
        return None
    return (
        f"sample kept by {found.get('config-id', '?')}: frame {metadata.get('frame', '?')}, {uri}"
    )


_READERS: dict[Kind, tuple[Callable[[Any], str | None], str]] = {
    "prediction": (_prediction, "a prediction"),
    "telemetry": (_telemetry, "telemetry"),
    "sample": (_sample, "about a sample"),
}


def _as_object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _object(document: dict[str, Any], key: str) -> dict[str, Any]:
    part = document.get(key)
    return part if isinstance(part, dict) else {}
