from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.local_core_v1.support import World
from tests.waiting import eventually


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "core")


@pytest.fixture(autouse=True)
def nothing_left(tmp_path: Path) -> Iterator[None]:
    """Every thread and every process that a test made the core start has ended with it."""
    yield
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("v1-")]
    eventually(lambda: not _processes_in(tmp_path), 10)  # what was killed takes a moment


def _processes_in(folder: Path) -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if str(folder) in str((entry / "cwd").readlink()):
                found.append(entry.name)
        except OSError:
            continue  # It ended while we looked, or is not ours.
    return found
