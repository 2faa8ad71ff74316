"""``cdk synth`` of the app for one core, as its own process so that it can run ahead."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .errors import LocalCoreError
from .interrupts import Interrupts
from .nucleus.process import ProcessGroup
from .progress import tail

REPOSITORY = Path(__file__).resolve().parent.parent
CDK = REPOSITORY / "node_modules" / ".bin" / "cdk"
OUTPUT = REPOSITORY / "build" / "cdk.out"

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


class SynthesisError(LocalCoreError):
    """The app could not be synthesised, with the last lines that it printed."""


@dataclass(frozen=True)
class Target:
    """One core to deploy and run: what differs from model to model.

    ``model`` is a folder or an archive on this machine.
    """

    core_name: str
    model: Path
    profile: str
    image_source: str
    message_format: str
    interval: float
    greengrass_version: int = 2

    def context(self, *, certificate_id: str, model_uri: str) -> dict[str, str]:
        """Return the app's context for this core: what a user gives with ``-c``."""
        return {
            "coreName": self.core_name,
            "certificateId": certificate_id,
            "modelS3Uri": model_uri,
            "modelProfile": self.profile,
            "imageSource": self.image_source,
            "inferenceInterval": f"{self.interval:g}",
            "messageFormat": self.message_format,
            "greengrassVersion": str(self.greengrass_version),
        }


class Synthesis:
    """A running ``cdk synth``; a context that leaves no process behind."""

    def __init__(self, name: str, context: Mapping[str, str]) -> None:
        self.folder = OUTPUT / name
        self._log = OUTPUT / f"{name}.log"
        if not CDK.exists():
            raise SynthesisError("the CDK CLI is not installed: run `make setup` or `npm ci`")
        OUTPUT.mkdir(parents=True, exist_ok=True)
        self._log.write_bytes(b"")
        options = [f"--context={key}={value}" for key, value in context.items()]
        command = [str(CDK), "synth", "--quiet", f"--output={self.folder}", *options]
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
