"""On which devices an ONNX model from this machine runs, as a line that ``cdk synth`` shows."""

import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import IO

from inference.model.artifacts.digests import is_hidden
from inference.model.artifacts.onnx_files import ONNX_SUFFIX, is_onnx
from inference.model.engines.onnx_versions import limit_of, read_onnx_format
from inference.model.engines.runnable import ONNX_RUNTIME
from stacks.context.settings import Settings


def limit_line(settings: Settings) -> str:
    """Return the line for an ONNX model that is not in S3; empty if every device runs it."""
    if not isinstance(settings.model, Path) or settings.model_runtime != ONNX_RUNTIME:
        return ""
    with _opened(settings.model) as stream:
        version = None if stream is None else read_onnx_format(stream)
    limit = "" if version is None else limit_of(version)
    return f"modelPath: the model {limit}" if limit else ""


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes] | None]:
    """Open the ``.onnx`` file of an artifact, wherever it is."""
    if path.is_dir() or path.suffix == ONNX_SUFFIX:
        file = path if path.is_file() else next(one for one in path.iterdir() if is_onnx(one))
        with file.open("rb") as stream:
            yield stream
    elif path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            name = next(one for one in archive.namelist() if _is_model(one))
            with archive.open(name) as stream:
                yield stream
    else:
        with tarfile.open(path, "r:gz") as tar:
            yield tar.extractfile(next(one for one in tar if _is_model(one.name)))


def _is_model(name: str) -> bool:
    path = PurePath(name)
    return is_onnx(path) and not any(map(is_hidden, path.parts))
