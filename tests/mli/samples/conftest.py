"""Samples that a core keeps, for all tests of the command."""

from __future__ import annotations

from pathlib import Path

import pytest

from inference.vision.postprocess import Prediction
from local_core.cloud import LocalCloud
from tests.mli.samples.kept_samples import CAT, CUP, HOSTILE, KeptSamples


@pytest.fixture(scope="session")
def kept(cloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory) -> KeptSamples:
    """A core with a detector's samples, and one of an older version."""
    found = KeptSamples(cloud, tmp_path_factory.mktemp("spool"))
    found.keep([CUP, CAT], config_id="LC50")
    found.keep([CAT], model="fruit-2")
    found.keep([Prediction(HOSTILE, 0.5, (0, 0, 1, 1))])
    found.keep([], config_id="RandomSamplingConfiguration")
    found.keep([CUP], core="Another")
    found.put("entropy/0c0a.jpg")
    return found


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
