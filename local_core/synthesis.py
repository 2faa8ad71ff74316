"""``cdk synth`` of the app for one model, as its own process so that it can run ahead."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from .interrupts import Interrupts
from .nucleus.process import ProcessGroup
from .progress import tail

REPOSITORY = Path(__file__).resolve().parent.parent
CDK = REPOSITORY / "node_modules" / ".bin" / "cdk"
OUTPUT = REPOSITORY / "build" / "cdk.out"
CERTIFICATE_ID = "0" * 64
"""Stands for a certificate: nothing here connects to AWS."""

_ENVIRONMENT = {
    "CI": "true",
    "NO_COLOR": "1",
    "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20",
    "CDK_VALIDATION": "false",
}
"""Plain output, no banner about Node 20, which works; and not the library's check against
CloudFormation, which takes three quarters of a synthesis and matters to a deployment there.
"""
_STOP_SECONDS = 5.0
_TIMEOUT_SECONDS = 300.0


class SynthesisError(Exception):
    """The app could not be synthesised, with the last lines that it printed."""


@dataclass(frozen=True)
class Target:
    """One core to synthesise and run: what differs from model to model."""

    core_name: str
    model: Path
    profile: str
    image_source: str
    message_format: str
    interval: float

    def context(self) -> dict[str, str]:
        """Return the app's context for this core."""
        return {
            "coreName": self.core_name,
            "certificateId": CERTIFICATE_ID,
            "modelPath": str(self.model),
            "modelProfile": self.profile,
            "imageSource": self.image_source,
            "inferenceInterval": f"{self.interval:g}",
            "messageFormat": self.message_format,
        }


class Synthesis:
    """A running ``cdk synth``; a context that leaves no process behind."""

    def __init__(self, target: Target) -> None:
        self.folder = OUTPUT / target.core_name
        self._log = OUTPUT / f"{target.core_name}.log"
        if not CDK.exists():
            raise SynthesisError("the CDK CLI is not installed: run `make setup` or `npm ci`")
        OUTPUT.mkdir(parents=True, exist_ok=True)
        self._log.write_bytes(b"")
        context = [f"--context={key}={value}" for key, value in target.context().items()]
        command = [str(CDK), "synth", "--quiet", f"--output={self.folder}", *context]
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        self._process = ProcessGroup(
            command,
            folder=REPOSITORY,
            environment={**os.environ, "PATH": path, **_ENVIRONMENT},
            log=self._log,
        )

    def wait(self, interrupts: Interrupts) -> Path:
        """Return the folder of the assembly once it is complete.

        Raises:
            SynthesisError: if the app or the CLI failed, or took too long.
            Interrupted: if the user asked to stop first.
        """
        code = self._process.wait(interrupts.asked, _TIMEOUT_SECONDS)
        interrupts.check()
        if code != 0:
            what = "did not end in time" if code is None else f"failed with exit code {code}"
            lines = "\n  ".join(tail(self._log))
            raise SynthesisError(f"cdk synth {what}; see {self._log}\n  {lines}")
        return self.folder

    def __enter__(self) -> Synthesis:
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.stop(_STOP_SECONDS)
