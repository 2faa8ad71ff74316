"""What several test modules share."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "repeatable",
    deadline=None,
    derandomize=True,
    max_examples=100,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("repeatable")

REPOSITORY = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def photographs() -> Path:
    """The folder with the four sample photographs."""
    return REPOSITORY / "edge_functions" / "dlr_inference" / "sample_images"
