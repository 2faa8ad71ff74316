"""The Python environments that components create on devices, created once for all tests.

An installation takes 11 s of a processor. Tests that are about something else find it done, as on a
device that has run the component before.
"""

from __future__ import annotations

import fcntl
from pathlib import Path

from inference.component.creation import create_environment
from inference.component.environment import requirement_lists
from inference.model.engines.runnable import RUNTIMES
from tests.conftest import REPOSITORY

CODE = REPOSITORY / "edge_functions" / "dlr_inference"
FOLDER = REPOSITORY / "build" / "environments"


def installed(runtime: str) -> Path:
    """Return a complete environment of the engine ``runtime``; other processes wait for it."""
    work = FOLDER / runtime
    work.mkdir(parents=True, exist_ok=True)
    with (work / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return create_environment(work, requirement_lists(CODE, runtime))


def put_on(root: Path, component: str, *runtimes: str) -> None:
    """Let the device with the disk ``root`` have the environments that a component needs."""
    work = root / "work" / component
    work.mkdir(parents=True, exist_ok=True)
    for runtime in runtimes or RUNTIMES:
        environment = installed(runtime)
        link = work / environment.name
        if not link.is_symlink():
            link.symlink_to(environment)
