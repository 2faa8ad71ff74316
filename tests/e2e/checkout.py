"""A copy of this folder as a new user has it, and a shell in it.

What takes long to install is shared with the copy.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from local_core.processes.cdk import CLI
from tests.conftest import REPOSITORY

SECONDS = 200.0
INSTALLED = (".venv", "node_modules")
INSTALLED_MARK = ".installed"
SHARED = ("build/tvm", "build/make", "build/environments")
LEFT_OUT = (
    ".git",
    *INSTALLED,
    "build",
    "cdk.out",
    "certs",
    "fleet",
    "greengrass-setup*",
    ".*_cache",
    ".hypothesis",
    "__pycache__",
)
FOREIGN = ("ARGS", "AWS_", "CDK_", "MLI_", "MAKE", "MFLAGS", "PYTEST", "VIRTUAL_ENV")
READY = re.compile(r"^\[[ .\d]+s\] ready", re.MULTILINE)
FAILED = re.compile(r"^make: \*\*\* |^Error: |the deployment: FAIL", re.MULTILINE)

needs_installed = pytest.mark.skipif(
    not CLI.exists() or Path(sys.prefix) != REPOSITORY / ".venv",
    reason="node_modules and .venv, of which this needs to be a part, are not there: make setup",
)


class Shell:
    """A bash whose output, and that of all its jobs, goes to a file as to a terminal."""

    def __init__(self, folder: Path, log: Path) -> None:
        self._log = log
        self._stream = log.open("wb")
        self.process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=folder,
            env=_new_users_environment(),
            stdin=subprocess.PIPE,
            stdout=self._stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def __enter__(self) -> Shell:
        return self

    def __exit__(self, *exception: object) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, number)
                self.process.wait(20)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue
        assert self.process.stdin is not None
        self.process.stdin.close()
        self._stream.close()

    def run(
        self, command: str, *, until_ready: bool = False, may_fail: bool = False
    ) -> tuple[int, str]:
        """Type a command; return its exit status, and what has been printed since.

        With ``until_ready`` that is once something has said that it is ready.
        """
        start = len(self._output())
        mark = f"exit-status-{start}"
        assert self.process.stdin is not None
        self.process.stdin.write(f'{command}\nprintf "\\n{mark} %s\\n" $?\n'.encode())
        self.process.stdin.flush()
        end = time.monotonic() + SECONDS
        while True:
            output = self._output()[start:]
            ended = re.search(rf"^{mark} (\d+)$", output, re.MULTILINE)
            if ended and (not until_ready or READY.search(output)):
                return int(ended[1]), output
            failed = FAILED.search(output)
            assert may_fail or not failed, output
            assert time.monotonic() < end, f"{command}: not done in time:\n{output}"
            time.sleep(0.1)

    def _output(self) -> str:
        return self._log.read_bytes().decode(errors="replace")


def _new_users_environment() -> dict[str, str]:
    """Return this environment without what a developer's shell, or `make`, has put into it.

    An AWS profile of the user's own is there: it must not lead elsewhere.
    """
    ours = str(REPOSITORY / ".venv" / "bin")
    path = [part for part in os.environ["PATH"].split(os.pathsep) if part != ours]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    return {**kept, "PATH": os.pathsep.join(path), "AWS_PROFILE": "of-the-users-own"}


@contextmanager
def checkout(folder: Path) -> Iterator[Path]:
    """Make a copy of this folder as it was cloned, in which everything is installed."""
    copy = copied(folder)
    (copy / "build").mkdir()
    for name in SHARED:
        (REPOSITORY / name).mkdir(parents=True, exist_ok=True)
        (copy / name).symlink_to(REPOSITORY / name)
    try:
        yield copy
    finally:
        shutil.rmtree(copy, ignore_errors=True)


def copied(copy: Path) -> Path:
    """Copy this folder's files, and share what is installed in it."""
    shutil.copytree(REPOSITORY, copy, ignore=_ignored, symlinks=True)
    for name in INSTALLED:
        _share_installed(REPOSITORY / name, copy / name)
    _point_to(copy, copy / ".venv")
    return copy


def _point_to(copy: Path, environment: Path) -> None:
    """Let the copy's environment import the copy's code.

    The editable install and the scripts `mli` and `activate` hold this folder's path.
    """
    for link in (environment / "bin", environment / "lib"):
        link.unlink()
    shutil.copytree(REPOSITORY / ".venv" / "bin", environment / "bin", symlinks=True)
    packages = Path(sysconfig.get_path("purelib"))
    packages = environment / packages.relative_to(REPOSITORY / ".venv")
    packages.mkdir(parents=True)
    for entry in (REPOSITORY / packages.relative_to(copy)).iterdir():
        (packages / entry.name).symlink_to(entry)
    ours, theirs = str(REPOSITORY), str(copy)
    scripts = [environment / "bin" / name for name in ("mli", "activate")]
    for file in [*scripts, *packages.glob("*.pth")]:
        text = file.read_text(encoding="utf-8")
        mode = file.stat().st_mode
        file.unlink()
        file.write_text(text.replace(ours, theirs), encoding="utf-8")
        file.chmod(mode)


def _share_installed(folder: Path, copy: Path) -> None:
    """Make a folder that holds what another one does, and that `make` takes for installed.

    Each entry is a link of its own, so that an installation could delete links only.
    """
    copy.mkdir()
    for entry in folder.iterdir():
        if entry.name != INSTALLED_MARK:
            (copy / entry.name).symlink_to(entry)
    (copy / INSTALLED_MARK).touch()


def _ignored(folder: str, names: list[str]) -> set[str]:
    patterns = LEFT_OUT if Path(folder) == REPOSITORY else ()
    return set(shutil.ignore_patterns(*patterns)(folder, names))
