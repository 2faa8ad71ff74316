"""What the samples of one core may cost per month, as a line that ``cdk synth`` shows."""

import dataclasses

from inference.settings import InferenceSettings
from stacks.context.settings import FeedbackSettings

HOURS_A_MONTH = 730
BYTES_A_SAMPLE = 150_000
"""A JPEG of 1280 by 720 pixels, which cameras deliver most often."""
DOLLARS_A_PUT = 0.005 / 1_000
DOLLARS_A_GIGABYTE = 0.023
DOLLARS_A_MESSAGE = 1 / 1_000_000
"""Prices are those of us-east-1, as in docs/resources.md."""


@dataclasses.dataclass(frozen=True)
class SampleCost:
    """Most samples of a core per month, and what these cost in dollars.

    Each has a message, and each of the ``requests`` a status: one for every frame and
    configuration, also where no sample is kept. ``requests`` is None if only the speed of the model
    limits the frames. ``storage`` is for one month, and comes again in every month in which the
    samples are kept.
    """

    samples: int
    requests: int | None

    @property
    def uploads(self) -> float:
        """Dollars for putting the samples into the bucket."""
        return self.samples * DOLLARS_A_PUT

    @property
    def messages(self) -> float | None:
        """Dollars for the messages about them; None if their number is not known."""
        if self.requests is None:
            return None
        return (self.samples + self.requests) * DOLLARS_A_MESSAGE

    @property
    def storage(self) -> float:
        """Dollars for a month's storage."""
        return self.samples * BYTES_A_SAMPLE / 1e9 * DOLLARS_A_GIGABYTE


def cost_of(inference: InferenceSettings, feedback: FeedbackSettings) -> SampleCost | None:
    """Return the cost of a core; None if only the speed of its model limits the samples."""
    limit, interval = inference.feedback_rate_limit, inference.inference_interval
    if not limit and not interval:
        return None
    limited = limit * HOURS_A_MONTH
    if not interval:
        return SampleCost(limited, None)
    frames = 3_600 / interval * HOURS_A_MONTH
    requests = round(frames * len(feedback.configuration.all))
    return SampleCost(min(limited, requests) if limit else requests, requests)


def cost_line(inference: InferenceSettings, feedback: FeedbackSettings) -> str:
    """Return the line."""
    cost = cost_of(inference, feedback)
    if cost is None:
        return (
            "Samples have no limit (feedbackRateLimit=0, inferenceInterval=0): each core may store "
            "as many as its model predicts frames, which can be millions per month"
        )
    days = feedback.retention_days
    kept = f"each for {days} days" if days is not None else "until you delete them"
    limit = inference.feedback_rate_limit
    by = f"feedbackRateLimit={limit}" if limit else "no feedbackRateLimit"
    messages = (
        "$1 for each million messages, of which each frame has one for each configuration"
        if cost.messages is None
        else f"${cost.messages:.2f} for messages"
    )
    return (
        f"Each core keeps at most {cost.samples:,} samples per month ({by}), {kept}: about "
        f"${cost.uploads:.2f} for uploads, {messages}, and "
        f"${cost.storage:.2f} per month for storage, if a JPEG has {BYTES_A_SAMPLE // 1_000} KB; "
        "see docs/resources.md"
    )
