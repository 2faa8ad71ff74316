"""The CDK CLI that this project pins, as a child process whose progress can be followed."""

from __future__ import annotations

import contextlib
import os
import queue
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ...errors import LocalCoreError

REPOSITORY = Path(__file__).resolve().parents[3]
CLI = REPOSITORY / "node_modules" / ".bin" / "cdk"

_POLL_SECONDS = 0.2
_STOP_SECONDS = 10.0
_TAIL_LINES = 12
_BANNER = re.compile(r"^b'!!")
"""A line of jsii's warning about old versions of Node."""
_NOISE = re.compile(
    r"^(Include the|Stack ARN|Failed resources:|Traceback |\s+(at|File) )|"
    r"\[Warning|Subprocess exited with|: (start|success): |[✨⏳]|IN_PROGRESS|_COMPLETE"
)
_FAILURE = re.compile(r"\|\s*[A-Z_]+_FAILED\s*\|\s*(?P<type>\S+)\s*\|\s*(?P<reason>.*)")
"""CloudFormation's event of a resource that failed, as the CLI prints it."""


class DeployError(LocalCoreError):
    """A deployment that the app, the CLI or CloudFormation refused, with their reasons."""


@dataclass(frozen=True)
class CdkCli:
    """Runs one command of the CLI after another, in ``folder`` and with this ``environment``."""

    folder: Path
    environment: Mapping[str, str]
    app: str | None
    output: Path
    say: Callable[[str], None]
    asked_to_stop: Callable[[], bool]

    def run(self, *arguments: str) -> None:
        """Run one command, and say each line of it.

        Raises:
            DeployError: if it is not installed, fails, or was asked to stop.
        """
        if not CLI.exists():
            raise DeployError("the CDK CLI is not installed: run `make setup` or `npm ci`")
        app = [] if self.app is None else [f"--app={self.app}"]
        command = [str(CLI), *arguments, *app, f"--output={self.output}"]
        lines: list[str] = []
        with _group(command, self.folder, self._environment()) as process:
            for line in _lines(process):
                if line is not None and line.strip() and not _BANNER.search(line):
                    lines.append(line)
                    self.say(line)
                elif line is None and self.asked_to_stop():
                    raise DeployError(f"cdk {arguments[0]} was stopped")
        if process.returncode != 0:
            raise DeployError(f"cdk {arguments[0]} failed: " + "\n  ".join(_reasons(lines)))

    def _environment(self) -> dict[str, str]:
        """Return the environment, with the Python of this process first, for the app."""
        path = os.pathsep.join([str(Path(sys.executable).parent), self.environment.get("PATH", "")])
        return {
            "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20",
            "NODE_NO_WARNINGS": "1",
            **self.environment,
            "PATH": path,
        }


class _group:
    """A child process in a group of its own, all of which is gone when the context ends."""

    def __init__(self, command: list[str], folder: Path, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )

    def __enter__(self) -> subprocess.Popen[str]:
        return self._process

    def __exit__(self, *exception: object) -> None:
        process = self._process
        if process.poll() is None:
            self._signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_SECONDS)
        self._signal(signal.SIGKILL)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)


def _lines(process: subprocess.Popen[str]) -> Iterator[str | None]:
    """Yield the lines of a process until its output ends, and None when there is no new one."""
    assert process.stdout is not None
    stream = process.stdout
    found: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        for line in stream:
            found.put(line.rstrip("\n"))
        found.put(None)

    threading.Thread(target=read, daemon=True).start()
    while True:
        try:
            line = found.get(timeout=_POLL_SECONDS)
        except queue.Empty:
            yield None
            continue
        if line is None:
            process.wait()
            return
        yield line


def _reasons(lines: list[str]) -> list[str]:
    """Return what CloudFormation said of each resource that failed, else the last lines."""
    failures = [
        f"{match['type']} {match['reason']}" for match in map(_FAILURE.search, lines) if match
    ]
    if failures:
        return list(dict.fromkeys(failures))
    told = [line.rstrip() for line in lines if not _NOISE.search(line)]
    return told[-_TAIL_LINES:] or ["it said nothing"]
