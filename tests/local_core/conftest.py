from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_core.ipc.dialect import LITE
from local_core.nucleus.socket_folder import socket_folder
from tests.local_core.support import Bench
from tests.waiting import eventually


@pytest.fixture
def socket_path() -> Iterator[Path]:
    with socket_folder() as folder:
        yield folder / "ipc.socket"


@pytest.fixture
def bench(socket_path: Path) -> Iterator[Bench]:
    with Bench(socket_path).served() as bench:
        yield bench


@pytest.fixture
def lite(socket_path: Path) -> Iterator[Bench]:
    with Bench(socket_path, LITE).served() as bench:
        yield bench


@pytest.fixture(autouse=True)
def no_threads_left() -> Iterator[None]:
    """Every thread that a test made us start has ended with it."""
    earlier = set(threading.enumerate())  # of a core that other tests in this process still have
    yield
    ours = ("ipc-", "lifecycle-")

    def left() -> list[threading.Thread]:
        started = set(threading.enumerate()) - earlier
        return [thread for thread in started if thread.name.startswith(ours)]

    eventually(lambda: not left())
