"""Where a core keeps what belongs to its components, below its root folder.

https://docs.aws.amazon.com/greengrass/v2/developerguide/component-recipe-reference.html#component-recipe-variables
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class CoreLayout:
    """The folders of one core."""

    root: Path

    @property
    def logs(self) -> Path:
        """The folder of all logs."""
        return self.root / "logs"

    def artifacts(self, component: str, version: str) -> Path:
        """Return the folder of a component's artifacts as they were fetched."""
        return self.root / "packages" / "artifacts" / component / version

    def unarchived(self, component: str, version: str) -> Path:
        """Return the folder of a component's unpacked artifacts."""
        return self.root / "packages" / "artifacts-unarchived" / component / version

    def work(self, component: str) -> Path:
        """Return the folder that a component may write to; it outlives versions."""
        return self.root / "work" / component

    def log(self, component: str) -> Path:
        """Return the file that takes what a component's scripts print."""
        return self.logs / f"{component}.log"
