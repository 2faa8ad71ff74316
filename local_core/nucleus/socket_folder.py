"""The folder of the socket that components connect to."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..ipc.server import MAX_SOCKET_PATH_BYTES
from ..processes.watchdog import WATCHDOG


@contextmanager
def socket_folder() -> Iterator[Path]:
    """Hold a new private folder whose path leaves room for a socket's name.

    It is removed even if this process is killed.
    """
    folder = Path(tempfile.mkdtemp(prefix="core-"))
    if len(bytes(folder / "ipc.socket")) > MAX_SOCKET_PATH_BYTES:
        folder.rmdir()
        folder = Path(tempfile.mkdtemp(prefix="core-", dir="/tmp"))
    WATCHDOG.add_folder(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        WATCHDOG.remove_folder(folder)
