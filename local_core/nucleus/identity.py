"""Which core this is."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .dialect import CLASSIC, Nucleus
from .recipe import LITE_RUNTIME

_ARCHITECTURES = {"x86_64": "amd64", "armv7l": "arm"}


@dataclass(frozen=True)
class CoreIdentity:
    """A core's thing, its folder, and the nucleus that it behaves like."""

    thing_name: str
    root: Path
    region: str = "us-east-1"
    nucleus: Nucleus = CLASSIC

    @property
    def platform(self) -> Mapping[str, str]:
        """The attributes that a recipe's manifests are chosen by.

        https://docs.aws.amazon.com/greengrass/v2/developerguide/component-recipe-reference.html#recipe-platform
        """
        machine = platform.machine()
        attributes = {"os": "linux", "architecture": _ARCHITECTURES.get(machine, machine)}
        if self.nucleus.is_lite:
            attributes["runtime"] = LITE_RUNTIME
        return attributes
