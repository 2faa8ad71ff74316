"""``cdk synth`` of the app for one core, in the background so that it can run ahead."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from ..processes.background import Background
from ..processes.cdk import REPOSITORY, CdkCli, CdkError, lines_into
from ..processes.environments import WITHOUT_VALIDATION
from ..processes.interrupts import Interrupts

OUTPUT = REPOSITORY / "build" / "cdk.out"
_POLL_SECONDS = 0.1
_TIMEOUT_SECONDS = 300.0


class Synthesis:
    """A running ``cdk synth``; a context that leaves no process behind."""

    def __init__(self, name: str, context: Mapping[str, str]) -> None:
        self.folder = OUTPUT / name
        self._log = OUTPUT / f"{name}.log"
        self._stopping = threading.Event()
        cli = CdkCli(
            folder=REPOSITORY,
            environment={**os.environ, **WITHOUT_VALIDATION},
            app=None,
            output=self.folder,
            say=lines_into(self._log),
            asked_to_stop=self._stopping.is_set,
        )
        self._running = Background(
            lambda: cli.run("synth", "--quiet", context=context), name="cdk-synth"
        )

    def wait(self, interrupts: Interrupts) -> Path:
        """Return the folder of the assembly once it is complete.

        Raises:
            CdkError: if the app or the CLI failed, or took too long.
            Interrupted: if the user asked to stop first.
        """
        end = time.monotonic() + _TIMEOUT_SECONDS
        while not self._running.join(_POLL_SECONDS):
            interrupts.check()
            if time.monotonic() > end:
                raise CdkError(f"cdk synth did not end in time; its log is {self._log}")
        return self.folder

    def __enter__(self) -> Synthesis:
        return self

    def __exit__(self, *exception: object) -> None:
        self._stopping.set()
        with contextlib.suppress(CdkError):
            self._running.join()
