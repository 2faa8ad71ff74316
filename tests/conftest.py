"""What several test modules share."""

from __future__ import annotations

from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def photographs() -> Path:
    """The folder with the four sample photographs."""
    return REPOSITORY / "edge_functions" / "dlr_inference" / "sample_images"
