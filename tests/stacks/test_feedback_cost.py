"""The line of cost that a synthesis shows, and the figures of docs/resources.md."""

from __future__ import annotations

from pathlib import Path

import pytest

from inference.feedback.configuration import default_configuration
from inference.settings import InferenceSettings
from stacks.context.settings import FeedbackSettings
from stacks.core.feedback_cost import cost_line, cost_of
from tests.stacks.test_context_keys import rule_of

FEEDBACK = FeedbackSettings(None, default_configuration())
ROOT = Path(__file__).parents[2]


def settings(**values: float) -> InferenceSettings:
    return InferenceSettings("Demo", **values)  # type: ignore[arg-type]


def test_the_default_costs_less_than_two_dollars() -> None:
    assert cost_line(settings(), FEEDBACK) == (
        "Each core keeps at most 43,800 samples per month (feedbackRateLimit=60), until you delete "
        "them: about $0.22 for uploads, $1.62 for messages, and $0.15 per month for storage, if a "
        "JPEG has 150 KB; see docs/resources.md"
    )


def test_messages_of_a_model_at_full_speed_are_not_counted_as_few() -> None:
    """Each frame has a status for each configuration, also if no sample is kept."""
    line = cost_line(settings(inference_interval=0.0), FEEDBACK)
    assert (
        "about $0.22 for uploads, $1 for each million messages, of which each frame has one for "
        "each configuration, and $0.15 per month for storage"
    ) in line


def test_the_line_says_how_long_they_are_kept() -> None:
    kept = FeedbackSettings(None, default_configuration(), 90)
    assert "each for 90 days" in cost_line(settings(), kept)


@pytest.mark.parametrize(
    ("values", "samples"),
    [
        ({"feedback_rate_limit": 60, "inference_interval": 5.0}, 43_800),
        ({"feedback_rate_limit": 0, "inference_interval": 5.0}, 1_576_800),
        ({"feedback_rate_limit": 60, "inference_interval": 3_600.0}, 2_190),
        ({"feedback_rate_limit": 60, "inference_interval": 0.0}, 43_800),
    ],
)
def test_the_smaller_of_limit_and_frames_counts(values: dict[str, float], samples: int) -> None:
    cost = cost_of(settings(**values), FEEDBACK)
    assert cost is not None
    assert cost.samples == samples


def test_no_limit_at_all_is_said() -> None:
    free = settings(feedback_rate_limit=0, inference_interval=0.0)
    assert cost_of(free, FEEDBACK) is None
    assert "millions" in cost_line(free, FEEDBACK)


@pytest.mark.parametrize("limit", [60, 600, 0])
def test_the_documented_figures_are_these(limit: int) -> None:
    cost = cost_of(settings(feedback_rate_limit=limit), FEEDBACK)
    assert cost is not None
    dollars = " | ".join(f"${one:.2f}" for one in (cost.uploads, cost.messages, cost.storage))
    assert (
        f"| {limit} | {cost.samples:,} | {dollars} |"
        in (ROOT / "docs" / "resources.md").read_text()
    )


def test_retention_is_only_for_a_bucket_of_the_stack(tmp_path: Path) -> None:
    key, days = "feedbackRetentionDays", {"feedbackRetentionDays": "90"}
    assert "lifecycle of that bucket" in rule_of(tmp_path, key, **days, feedbackBucketName="other")
    own = {"One": {"content-type": "image/jpeg", "s3-bucket-name": "other"}}
    assert "names others only" in rule_of(tmp_path, key, **days, feedbackConfiguration=own)
    assert "feedback=true" in rule_of(tmp_path, key, **days, feedback="false")
