"""What became of every frame: its message, its sample, the sample's message and status."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from inference.names import FEEDBACK_PREDICTION_TOPIC, FEEDBACK_STATUS_TOPIC, telemetry_topic
from tests.component.conftest import CORE, Rig

UNSAFE_SECONDS = 3.0
"""Messages are synced every second; on a busy machine that takes a while."""

Frame = tuple[str, str]
"""A frame by its number and the time at which it was captured, in milliseconds."""


@dataclass(frozen=True)
class Accounts:
    """How many of each were lost or duplicated, and what each ``kill -9`` cost.

    A kill may cost the frame in progress, the last of its process, whose message or sample did not
    exist yet. A sample that was reported but not yet removed is reported again.
    """

    counts: Mapping[str, int]
    by_kills: Mapping[str, int]
    kills: int
    cut_off: int = 0
    """Messages and samples of the last moments before a power cut, which were not synced yet."""

    def lines(self) -> list[str]:
        """Return all counts, one per line."""
        lines = [f"{what}: {count}" for what, count in self.counts.items()]
        lines.append(f"cut off by power cuts: {self.cut_off}")
        return lines + [f"{what} by {self.kills} kills: {n}" for what, n in self.by_kills.items()]

    def wrong(self) -> list[str]:
        """Return what must not happen."""
        wrong = [f"{what}: {count}" for what, count in self.counts.items() if count]
        return wrong + [f"{what}: {n}" for what, n in self.by_kills.items() if n > self.kills]


def settle(
    rig: Rig, *, kills: int, predicted_before: int, power_cuts: Sequence[float] = ()
) -> Accounts:
    """Compare what was read, predicted, published and uploaded, after the last process has ended.

    The feedback configuration makes every frame a sample. ``predicted_before`` is the number of
    messages that had arrived when the last process started, ``power_cuts`` the times of power cuts.
    """
    messages = Counter(_of_message(payload) for payload in rig.predictions())
    samples = Counter(_of_sample(payload) for payload in rig.broker.on(FEEDBACK_PREDICTION_TOPIC))
    statuses = [status["response"] for status in rig.broker.on(FEEDBACK_STATUS_TOPIC)]
    succeeded = [one["s3_response"]["key"] for one in statuses if one["status"] == "success"]
    objects = rig.samples()
    last = rig.broker.on(telemetry_topic(CORE))[-1]
    frames, publish = last["frames"], last["publish"]
    without_message = samples.keys() - messages.keys()
    without_sample = messages.keys() - samples.keys()
    cut_off = {one for one in without_message | without_sample if _is_just_before(one, power_cuts)}
    without_message -= cut_off
    without_sample -= cut_off
    in_work = _last_of_each_process(list(messages)) | _last_of_each_process(list(samples))
    counts = {
        "messages lost": len(without_message - in_work),
        "messages twice": sum((messages - Counter(messages.keys())).values()),
        "messages dropped or refused": publish["dropped"] + publish["refused"],
        "frames of the last process without a message": max(
            0, frames["predicted"] - (sum(messages.values()) - predicted_before)
        ),
        "frames unaccounted for": frames["read"] - frames["predicted"] - frames["failed"],
        "samples lost": len(without_sample - in_work),
        "samples failed": sum(one["status"] == "fail" for one in statuses),
        "samples left on disk": len(list((rig.work / "samples").glob("*.sample"))),
        "samples twice": max(0, len(objects) - len(samples)),
        "objects without a status": len(set(objects) - set(succeeded)),
        "objects that are missing": len(set(succeeded) - set(objects)),
    }
    by_kills = {
        "frames in work cut off": len((without_message | without_sample) & in_work),
        "samples reported twice": sum((samples - Counter(samples.keys())).values()),
    }
    return Accounts(counts, by_kills, kills, len(cut_off))


def _is_just_before(frame: Frame, power_cuts: Sequence[float]) -> bool:
    captured = datetime.fromisoformat(frame[1]).replace(tzinfo=UTC).timestamp()
    return any(0 <= cut - captured <= UNSAFE_SECONDS for cut in power_cuts)


def _last_of_each_process(frames: Sequence[Frame]) -> set[Frame]:
    """Return the frames after which the numbering starts again; ``frames`` are in order."""
    pairs = itertools.pairwise(frames)
    return {one for one, after in pairs if int(after[0]) < int(one[0])}


def _of_message(payload: Mapping[str, Any]) -> Frame:
    return str(payload["frame"]["id"]), str(payload["timestamp"])[:23]


def _of_sample(payload: Mapping[str, Any]) -> Frame:
    metadata = payload["metadata"]
    return str(metadata["frame"]), str(metadata["captured-at"])[:23]
