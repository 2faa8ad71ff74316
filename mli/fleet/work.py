"""One piece of work for each of many cores, on several threads, until one fault ends all."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import botocore.exceptions

from local_core.output.terminal import counted

from ..aws import error_code, explain
from ..cli.output import FAILED, INTERRUPTED, Output
from ..errors import MliError

INTERRUPTION = "interrupted"
MOST_SHOWN = 20

EXPECTED = (
    MliError,
    OSError,
    botocore.exceptions.BotoCoreError,
    botocore.exceptions.ClientError,
)
"""What may go wrong with a core; anything else is a bug in this project."""

_OF_ONE_CORE = (
    "CertificateStateException",
    "CertificateValidationException",
    "ConflictException",
    "DeleteConflictException",
    "InvalidRequestException",
    "ResourceNotFoundException",  # of what a core has: that of the fleet is asked for first
)
_PAUSES = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0)
_PASSING = ("DeleteConflictException", "InvalidRequestException", "ThrottlingException")
_ABSENT = ("ResourceNotFoundException", "NotFoundException")

T = TypeVar("T")


class Named(Protocol):
    """A core, of which the work needs the name."""

    @property
    def name(self) -> str:
        """The core's name."""


AnyCore = TypeVar("AnyCore", bound=Named)


@dataclass
class Result:
    """What was done, by core: what the work returned, or its fault; and what was not begun."""

    done: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    not_begun: list[str] = field(default_factory=list)
    ended: str | None = None

    def lines(self, total: int, what: str = "done") -> list[str]:
        """Return for people how many cores are ``what``, and the faults of the others."""
        counts = f"{len(self.failed)} failed, {len(self.not_begun)} not begun"
        lines = [f"{len(self.done)} of {counted(total, 'core')} {what}, {counts}"]
        lines += [f"  {name}: {reason}" for name, reason in sorted(self.failed.items())][
            :MOST_SHOWN
        ]
        if self.ended is not None:
            lines.append(f"ended early: {self.ended}")
        return lines

    def to_json(self) -> dict[str, Any]:
        """Return the same for scripts."""
        return {
            "done": self.done,
            "failed": self.failed,
            "notBegun": sorted(self.not_begun),
        }

    @property
    def is_complete(self) -> bool:
        """Whether every core is done."""
        return not (self.failed or self.not_begun)

    def exit(self) -> None:
        """End the process with the status of the result, unless every core is done."""
        if self.ended == INTERRUPTION:
            sys.exit(INTERRUPTED)
        if not self.is_complete:
            sys.exit(FAILED)


def for_all(
    do: Callable[[AnyCore], str | None],
    cores: Sequence[AnyCore],
    workers: int,
    result: Result,
    output: Output,
) -> None:
    """Do the work for all cores. A fault of one core is noted, the others continue.

    A fault that affects all ends all. So does Ctrl-C: the cores in work are finished, since each
    step is short.
    """
    is_over = threading.Event()

    def end(reason: str) -> None:
        result.ended = result.ended or reason
        is_over.set()

    def work(core: AnyCore) -> str | None:
        try:
            return None if is_over.is_set() else do(core)
        except Exception as error:
            if ends_everything(error):
                end(explain(error))
            raise

    with ThreadPoolExecutor(workers) as pool:
        waiting = {pool.submit(work, core): core for core in cores}
        try:
            for done, _ in enumerate(as_completed(waiting), 1):
                output.status(f"{done} of {counted(len(cores), 'core')} …")
        except KeyboardInterrupt:
            end(INTERRUPTION)
    for future, core in waiting.items():
        error = future.exception()
        if isinstance(error, EXPECTED):
            result.failed[core.name] = explain(error)
        elif identity := future.result():
            result.done[core.name] = identity
        else:
            result.not_begun.append(core.name)


def ends_everything(error: Exception) -> bool:
    """Return whether a fault of one core affects all: credentials, permissions, disk."""
    if isinstance(error, botocore.exceptions.ClientError):
        return error_code(error) not in _OF_ONE_CORE
    return not isinstance(error, MliError)


@contextmanager
def absent_is_done() -> Iterator[None]:
    """Leave the block without a fault if what is to be removed or checked does not exist."""
    try:
        yield
    except botocore.exceptions.ClientError as error:
        if error_code(error) not in _ABSENT:
            raise


def patiently(call: Callable[[], T]) -> T:
    """Call until nothing conflicts any more: AWS IoT detaches some time after it has answered.

    https://docs.aws.amazon.com/iot/latest/apireference/API_DetachThingPrincipal.html

    Throttling counts too. The clients retry it, but they give that up for good when most answers
    are refusals, as they are where what is to be deleted does not exist.

    Raises:
        botocore.exceptions.ClientError: if it is still refused after a quarter of a minute.
    """
    for pause in _PAUSES:
        try:
            return call()
        except botocore.exceptions.ClientError as error:
            if error_code(error) not in _PASSING:
                raise
            time.sleep(pause)
    return call()
