"""What the documentation says that the commands call is what they call."""

from __future__ import annotations

import pytest

from mli.sagemaker.jobs import COMPILATION, TRAINING, JobKind
from tests.stacks.synthesis import ROOT

TEXT = (ROOT / "docs" / "permissions.md").read_text(encoding="utf-8")


def action(call: str) -> str:
    """``sagemaker:CreateTrainingJob`` for ``create_training_job``."""
    return "sagemaker:" + "".join(word.capitalize() for word in call.split("_"))


@pytest.mark.parametrize("kind", [COMPILATION, TRAINING], ids=lambda kind: str(kind.what))
def test_calls_of_jobs_are_listed(kind: JobKind) -> None:
    assert f"`{action(kind.create)}`" in TEXT
    assert f"`{action(kind.describe)}`" in TEXT
