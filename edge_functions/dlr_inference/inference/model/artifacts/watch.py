"""Watches the files of the model in use, because the next start will need them."""

from __future__ import annotations

import time
from typing import Dict, Tuple

from ...errors import ModelError
from .artifact import ModelArtifact, identity_of
from .digests import check_digests, content_files, digests_of

_LOOK_SECONDS = 2.0

_Signature = Dict[str, Tuple[int, int]]


class ModelWatch:
    """Checks times and sizes every few seconds, and the content when those have changed."""

    def __init__(self, artifact: ModelArtifact) -> None:
        """Watch an artifact that has just been checked."""
        self._artifact = artifact
        self._fault: str | None = None
        self._known = self._signature()
        self._next_look = time.monotonic() + _LOOK_SECONDS

    def fault(self) -> str | None:
        """Return what is wrong with the files, or None; the model in memory keeps running."""
        if time.monotonic() >= self._next_look:
            signature = self._signature()
            if signature != self._known:
                self._fault = self._check()
                self._known = signature
            self._next_look = time.monotonic() + _LOOK_SECONDS
        return self._fault

    def _signature(self) -> _Signature:
        try:
            found = {path.name: path.stat() for path in content_files(self._artifact.folder)}
        except OSError:
            return {}
        return {name: (one.st_mtime_ns, one.st_size) for name, one in found.items()}

    def _check(self) -> str | None:
        folder = self._artifact.folder
        try:
            digests = digests_of(folder)
            check_digests(folder, digests)
        except ModelError as error:
            return str(error)
        except OSError as error:
            return f"model {folder}: cannot be read: {error.strerror}"
        if identity_of(digests) == self._artifact.sha256:
            return None
        return f"model {folder}: is not the one that was loaded; deploy it as a new version"
