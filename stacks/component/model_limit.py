"""On which devices an ONNX model from this machine runs, as a line that ``cdk synth`` shows."""

import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from stacks.component.onnx_format import limit_of, read_onnx_format
from stacks.context.model_source import onnx_model_at
from stacks.context.settings import Settings


def limit_line(settings: Settings) -> str:
    """Return the line for an ONNX model that is not in S3; empty if every device runs it."""
    path = settings.model
    name = onnx_model_at(path) if isinstance(path, Path) else None
    if not isinstance(path, Path) or name is None:
        return ""
    with _opened(path, name) as stream:
        version = None if stream is None else read_onnx_format(stream)
    limit = "" if version is None else limit_of(version)
    return f"modelPath: the model {limit}" if limit else ""


@contextmanager
def _opened(path: Path, name: Path) -> Iterator[IO[bytes] | None]:
    """Open the file ``name`` of the artifact at ``path``, wherever it is."""
    if path.is_dir() or path.name == str(name):
        with (path / name if path.is_dir() else path).open("rb") as stream:
            yield stream
    elif path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            entry = next(one for one in archive.namelist() if Path(one) == name)
            with archive.open(entry) as stream:
                yield stream
    else:
        with tarfile.open(path, "r:gz") as tar:
            yield tar.extractfile(next(one for one in tar if Path(one.name) == name))
