"""An ARM Python, emulated, for the tests of this folder; ``make arm`` runs them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.e2e.conftest import shared, watcher

__all__ = ["arm_python", "shared", "watcher"]

_CANNOT = 3
"""The exit status of the script where a machine cannot make one."""


@pytest.fixture(scope="session")
def arm_python() -> Path:
    """The interpreter, which Python takes for its executable; skip where there can be none."""
    done = subprocess.run(
        [REPOSITORY / ".ci" / "arm-python", REPOSITORY / "build" / "arm"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == _CANNOT:
        pytest.skip(done.stderr.strip().splitlines()[-1])
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())
