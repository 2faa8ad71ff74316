"""The script that sets an EC2 instance up as a core."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import aws_cdk as cdk

from inference.model.engines.runnable import RUNTIMES
from stacks.component import wheels
from stacks.core.nucleus_configuration import NUCLEUS_VERSION

_PACKAGES = (*RUNTIMES, "numpy", "opencv-python-headless")
_WHEELS_OF_ARCHITECTURE = {"x86_64": "x86_64", "arm64": "aarch64"}


@dataclass(frozen=True)
class SetUpScript:
    """User data of an instance: a shell script, in which CloudFormation substitutes ``values``.

    ``python`` is the version of CPython for which the script installs ``${Requirements}``.
    """

    path: Path
    python: str
    values: Mapping[str, str]

    def for_architecture(self, architecture: str, runtime: str) -> str:
        """Return the script for an instance of this EC2 architecture and engine, as a token."""
        pins = wheels.requirements_of(_WHEELS_OF_ARCHITECTURE[architecture], runtime, self.python)
        packages = [pin for pin in pins if pin.partition("==")[0] in _PACKAGES]
        script = self.path.read_text(encoding="utf-8")
        return cdk.Fn.sub(script, {"Requirements": " ".join(packages), **self.values})


V2_SET_UP = SetUpScript(
    path=Path(__file__).with_name("user_data.sh"),
    python="3.9",
    values={"NucleusVersion": NUCLEUS_VERSION},
)
