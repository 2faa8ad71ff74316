"""What a core has downloaded for a deployment, which it runs again without the cloud."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

_GROUP = "group.json"


@dataclass(frozen=True)
class KeptGroup:
    """The deployment of a version of a group, by their ids."""

    deployment: str
    group: str
    version: str


class KeptDownloads:
    """Files of the deployment of a ``group``, below a core's ``root``.

    They stay until the core has carried out another deployment. So it can return to what it ran,
    and go on after a restart, when a model in S3 is gone.
    """

    def __init__(self, root: Path, group: KeptGroup) -> None:
        self._group = group
        self._folder = _folder(root) / group.deployment

    def get(self, source: str, fetch: Callable[[Path], None]) -> Path:
        """Return the file of ``source``, which ``fetch`` writes the first time.

        Raises:
            OSError: if it cannot be fetched or written.
        """
        file = self._folder / hashlib.sha256(source.encode()).hexdigest()
        if not file.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            partial = file.with_suffix(".part")
            fetch(partial)
            partial.replace(file)
        return file

    def remove(self) -> None:
        """Remove the files of this deployment."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def keep_only(self) -> None:
        """Keep this as what the core runs; remove the files of all other deployments."""
        self._folder.mkdir(parents=True, exist_ok=True)
        partial = self._folder / f"{_GROUP}.part"
        partial.write_text(json.dumps(asdict(self._group)))
        partial.replace(self._folder / _GROUP)
        for folder in self._folder.parent.glob("*"):
            if folder != self._folder:
                shutil.rmtree(folder, ignore_errors=True)


def last_group(root: Path) -> KeptGroup | None:
    """Return what a core ran last, if it has not been reset since."""
    for file in _folder(root).glob(f"*/{_GROUP}"):
        return KeptGroup(**json.loads(file.read_text()))
    return None


def remove_all(root: Path) -> None:
    """Remove the files of all deployments of a core."""
    shutil.rmtree(_folder(root), ignore_errors=True)


def _folder(root: Path) -> Path:
    return root / "ggc" / "deployment" / "downloads"
