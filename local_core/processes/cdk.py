"""The CDK CLI that this project pins, as a child process whose output is read line by line."""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ..errors import LocalCoreError
from .environments import of_cdk
from .process_group import ProcessGroup

REPOSITORY = Path(__file__).resolve().parents[2]
CLI = REPOSITORY / "node_modules" / ".bin" / "cdk"
BOOTSTRAP_TEMPLATE = REPOSITORY / "node_modules/aws-cdk/lib/api/bootstrap/bootstrap-template.yaml"
"""What the CLI of this version bootstraps with."""
NOT_INSTALLED = "the CDK CLI is not installed: run `make setup` or `npm ci`"

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


class CdkError(LocalCoreError):
    """What the app, the CLI or CloudFormation refused, with their reasons."""


@dataclass(frozen=True)
class CdkCli:
    """Runs commands of the CLI one after another, in ``folder`` and with this ``environment``.

    ``say`` takes each line of output, and ``asked_to_stop`` is asked while a command runs.
    """

    folder: Path
    environment: Mapping[str, str]
    app: str | None
    output: Path
    say: Callable[[str], None]
    asked_to_stop: Callable[[], bool]

    def run(self, *arguments: str, context: Mapping[str, str] | None = None) -> None:
        """Run one command with ``context``.

        Raises:
            CdkError: if the CLI is not installed, fails, or was asked to stop.
        """
        if not CLI.exists():
            raise CdkError(NOT_INSTALLED)
        app = [] if self.app is None else [f"--app={self.app}"]
        options = [f"--context={key}={value}" for key, value in (context or {}).items()]
        process = ProcessGroup(
            [str(CLI), *arguments, *options, *app, f"--output={self.output}"],
            folder=self.folder,
            environment=of_cdk(self.environment),
        )
        lines: list[str] = []
        try:
            for line in _lines(process.output):
                if line is not None and line.strip() and not _BANNER.search(line):
                    lines.append(line)
                    self.say(line)
                elif line is None and self.asked_to_stop():
                    raise CdkError(f"cdk {arguments[0]} was stopped")
            code = process.wait(self.asked_to_stop)
        finally:
            process.stop(_STOP_SECONDS)
        if code != 0:
            raise CdkError(f"cdk {arguments[0]} failed: " + "\n  ".join(_reasons(lines)))


def lines_into(log: Path) -> Callable[[str], None]:
    """Empty ``log``, and return a function that appends a line to it."""
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_bytes(b"")

    def append(line: str) -> None:
        with log.open("a") as opened:
            opened.write(line + "\n")

    return append


def _lines(output: IO[str]) -> Iterator[str | None]:
    """Yield the lines of ``output`` until it ends, and None whenever there is no new one."""
    found: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        with output:
            for line in output:
                found.put(line.rstrip("\n"))
        found.put(None)

    threading.Thread(target=read, name="cdk", daemon=True).start()
    while True:
        try:
            line = found.get(timeout=_POLL_SECONDS)
        except queue.Empty:
            yield None
            continue
        if line is None:
            return
        yield line


def _reasons(lines: list[str]) -> list[str]:
    """Return what CloudFormation said of each resource that failed, else the last lines."""
    failures = [
        f"{match['type']} {match['reason']}" for match in map(_FAILURE.search, lines) if match
    ]
    if failures:
        return list(dict.fromkeys(failures))
    relevant = [line.rstrip() for line in lines if not _NOISE.search(line)]
    return relevant[-_TAIL_LINES:] or ["it printed nothing"]
