"""What became of every frame: its message, its sample, the message of that, and its status."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from inference.names import FEEDBACK_PREDICTION_TOPIC, FEEDBACK_STATUS_TOPIC, telemetry_topic
from tests.component.conftest import CORE, Rig

Frame = tuple[str, str]
"""A frame by its number and the date at which it was taken, down to the millisecond."""


@dataclass(frozen=True)
class Accounts:
    """How many of each were lost or came twice, and how many of those a ``kill -9`` may cost.

    A kill costs the frame in work, whose message or sample was not made yet; and a sample that was
    told of and not yet forgotten is told of again.
    """

    counts: Mapping[str, int]
    kills: int

    def wrong(self) -> list[str]:
        """Return what must not be."""
        forgiven = {"messages lost", "samples lost", "samples told of twice"}
        return [
            f"{what}: {count}"
            for what, count in self.counts.items()
            if count > (self.kills if what in forgiven else 0)
        ]


def settle(rig: Rig, *, kills: int, predicted_before: int) -> Accounts:
    """Compare what was read, predicted, published and uploaded, after the last process has ended.

    Every frame is a sample, by the feedback's configuration. ``predicted_before`` are the messages
    that had arrived when the last process began.
    """
    messages = Counter(_of_message(payload) for payload in rig.predictions())
    samples = Counter(_of_sample(payload) for payload in rig.broker.on(FEEDBACK_PREDICTION_TOPIC))
    statuses = [status["response"] for status in rig.broker.on(FEEDBACK_STATUS_TOPIC)]
    succeeded = [one["s3_response"]["key"] for one in statuses if one["status"] == "success"]
    objects = rig.samples()
    last = rig.broker.on(telemetry_topic(CORE))[-1]
    frames, publish = last["frames"], last["publish"]
    counts = {
        "messages lost": len(samples.keys() - messages.keys()),
        "messages twice": sum((messages - Counter(messages.keys())).values()),
        "messages dropped or refused": publish["dropped"] + publish["refused"],
        "frames of the last process without a message": max(
            0, frames["predicted"] - (sum(messages.values()) - predicted_before)
        ),
        "frames unaccounted for": frames["read"] - frames["predicted"] - frames["failed"],
        "samples lost": len(messages.keys() - samples.keys()),
        "samples told of twice": sum((samples - Counter(samples.keys())).values()),
        "samples failed": sum(one["status"] == "fail" for one in statuses),
        "samples left on disk": len(list((rig.work / "samples").glob("*.sample"))),
        "objects beyond one a frame": max(0, len(objects) - len(samples)),
        "objects that nobody was told of": len(set(objects) - set(succeeded)),
        "objects that are missing": len(set(succeeded) - set(objects)),
    }
    return Accounts(counts, kills)


def _of_message(payload: Mapping[str, Any]) -> Frame:
    return str(payload["frame"]["id"]), str(payload["timestamp"])[:23]


def _of_sample(payload: Mapping[str, Any]) -> Frame:
    metadata = payload["metadata"]
    return str(metadata["frame"]), str(metadata["captured-at"])[:23]
