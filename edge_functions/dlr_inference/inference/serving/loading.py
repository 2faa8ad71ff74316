"""Loads a model as soon as possible after the start of the process.

Checking the model's digests and loading it barely use the interpreter; importing NumPy and OpenCV
uses little else. So the files are checked while NumPy is imported, and OpenCV is imported while the
engine loads the model. This module therefore imports neither, nor any module of ours that does.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
from pathlib import Path
from typing import Callable, Generic, TypeVar

from ..errors import ModelError
from ..memory import return_freed_memory
from ..model.artifacts.artifact import ModelArtifact, open_artifact
from ..model.artifacts.digests import content_files
from ..model.engines.runnable import DLR
from ..model.engines.runtime import open_runtime
from ..model.engines.trying import try_in_child
from ..model.loaded import LoadedModel
from ..model.profiles.profile import ModelProfile
from ..preflight import available_memory, memory_fault
from .installing import installing

T = TypeVar("T")


def load_model(
    path: Path, work: Path, profile: ModelProfile, accelerator: str, *, try_once: bool = False
) -> LoadedModel:
    """Check and load the artifact at ``path``; an archive is unpacked into ``work``.

    An artifact without digests is tried in a child process first. With ``try_once``, so is every
    artifact that ``work`` has no mark of: a sound one may still need what this processor lacks. The
    mark also says with which profile and engine its outputs were in order, so that later starts
    need not run it on zeros.

    Raises:
        ModelError: if the model cannot be used, or is not what its profile says.
    """
    checking = _Background(lambda: _checked(path, work))
    import numpy  # noqa: F401 (every engine needs it)

    artifact = checking.result()
    fault = memory_fault(_parameter_bytes(artifact), available_memory())
    if fault is not None:
        raise ModelError(f"model {artifact.folder}: {fault}")
    mark = work / f"tried-{accelerator}-{artifact.sha256[:16]}"
    is_new = try_once and not mark.exists()
    if is_new or not artifact.has_digests:
        try_in_child(artifact, profile.input, accelerator)
        if is_new:
            _write(mark, "")
    # Also if the model is refused: OpenCV does not survive that Python ends while it is imported.
    with _Background(lambda: _import_stages(profile)) as importing:
        model = open_runtime(artifact, profile.input, accelerator)
        in_order = hashlib.sha256(repr((profile, model.versions)).encode()).hexdigest()
        if not try_once or _read(mark) != in_order:
            outputs = model.warm_up()
            importing.result()
            from .assembly import check_outputs

            check_outputs(profile, model.output_names, outputs)
            if try_once:
                _write(mark, in_order)
        importing.result()
    return_freed_memory()
    return LoadedModel(profile, artifact, model)


def _checked(path: Path, work: Path) -> ModelArtifact:
    """Open the artifact; not while ``install`` unpacks archives into ``work``, or cleans it up."""
    if not path.is_file():  # a folder is not unpacked, and ``work`` is not created for nothing
        return open_artifact(path, work)
    with installing(work):
        return open_artifact(path, work)


def _import_stages(profile: ModelProfile) -> None:
    """Import OpenCV, and what the first frame needs."""
    from ..vision import images  # noqa: F401
    from ..vision.decoders import decoder_class
    from . import assembly  # noqa: F401

    decoder_class(profile.output.kind)


def _read(mark: Path) -> str:
    with contextlib.suppress(OSError, ValueError):
        return mark.read_text(encoding="ascii")
    return ""


def _write(mark: Path, text: str) -> None:
    with contextlib.suppress(OSError):  # a full disk: it is tried again at the next start
        mark.write_text(text, encoding="ascii")


def _parameter_bytes(artifact: ModelArtifact) -> int:
    """Return the size of a model's parameters, which an ONNX model may keep in files beside it."""
    if artifact.runtime == DLR:
        return sum(path.stat().st_size for path in artifact.folder.glob("*.params"))
    return sum(path.stat().st_size for path in content_files(artifact.folder))


class _Background(Generic[T]):
    """A call on its own thread, whose result or exception is fetched later.

    As a context manager it waits for the call at the end of the block, whatever ends that.
    """

    def __init__(self, function: Callable[[], T]) -> None:
        self._function = function
        self._results: list[T] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._call, daemon=True)
        self._thread.start()

    def __enter__(self) -> _Background[T]:
        return self

    def __exit__(self, *details: object) -> None:
        self._thread.join()

    def result(self) -> T:
        """Wait for the call to end; return what it returned, or raise what it raised."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._results[0]

    def _call(self) -> None:
        try:
            self._results.append(self._function())
        except BaseException as error:  # raised again where the result is fetched
            self._error = error
