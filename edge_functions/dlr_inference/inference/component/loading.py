"""Loads a model as soon after the start of the process as can be.

A start costs three things that need not wait for each other: checking the model's digests and
loading it, which need no interpreter, and importing NumPy and OpenCV, which need little else. So
the files are checked while NumPy is imported, and OpenCV is imported while DLR loads the model.
This module therefore imports neither, nor anything of ours that does.
"""

from __future__ import annotations

import contextlib
import importlib
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Generic, TypeVar

from ..errors import ModelError
from ..model.artifact import ModelArtifact, open_artifact
from ..model.profile import ModelProfile
from ..preflight import available_memory, memory_fault

if TYPE_CHECKING:
    from ..model.dlr import DlrModel

T = TypeVar("T")


@dataclass(frozen=True)
class LoadedModel:
    """A warm model with all that belongs to it, and the outputs of its first run, on zeros."""

    profile: ModelProfile
    artifact: ModelArtifact
    model: DlrModel
    first_outputs: list[Any]


def load_model(
    path: Path, work: Path, profile: ModelProfile, accelerator: str, *, try_once: bool = False
) -> LoadedModel:
    """Check, load and warm up the artifact at ``path``; an archive is unpacked into ``work``.

    An artifact without digests is tried in a child process first, and with ``try_once`` every one
    is that ``work`` has no mark of: it may be sound and still need what this processor lacks.

    Raises:
        ModelError: if the model cannot be used.
    """
    checking = _Beside(lambda: open_artifact(path, work))
    from ..model.dlr import DlrModel, try_in_child

    artifact = checking.result()
    fault = memory_fault(_parameter_bytes(artifact.folder), available_memory())
    if fault is not None:
        raise ModelError(f"model {artifact.folder}: {fault}")
    mark = work / f"tried-{accelerator}-{artifact.sha256[:16]}"
    if (try_once and not mark.exists()) or not artifact.has_digests:
        try_in_child(artifact.folder, profile.input, accelerator)
        if try_once:
            with contextlib.suppress(OSError):  # a full disk: it is tried again at the next start
                mark.touch()
    importing = _Beside(lambda: importlib.import_module(f"{__package__}.assembly"))
    model = DlrModel(artifact, profile.input, accelerator)
    first_outputs = model.warm_up()
    importing.result()
    return LoadedModel(profile, artifact, model, first_outputs)


def _parameter_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*.params"))


class _Beside(Generic[T]):
    """A call on a thread of its own, whose result or exception is fetched later."""

    def __init__(self, function: Callable[[], T]) -> None:
        self._function = function
        self._results: list[T] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._call, daemon=True)
        self._thread.start()

    def result(self) -> T:
        """Wait for the call's end and return what it returned, or raise what it raised."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._results[0]

    def _call(self) -> None:
        try:
            self._results.append(self._function())
        except BaseException as error:  # raised again where the result is fetched
            self._error = error
