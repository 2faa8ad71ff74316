"""From an artifact to the packed form that is committed, which ``models.store`` unpacks."""

from __future__ import annotations

import hashlib
import lzma
from pathlib import Path

from models.packing import pack, unpack
from models.store import DIGESTS, PACKED_DIGESTS

_FILES = ("compiled*", "*.onnx*")
_PARAMS = "compiled.params"
_SMALL = 4096
_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "lc": 0, "lp": 1, "pb": 1}]
_FLAT_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME}]


def write_packed(artifact: Path, target: Path) -> None:
    """Pack the artifact in the folder ``artifact`` into ``target``, and replace what is there.

    The digests in ``SHA256SUMS`` are those after the weights' rounding to float16. An ONNX model's
    weights are float16 already.
    """
    target.mkdir(parents=True, exist_ok=True)
    for pattern in _FILES:
        for old in target.glob(pattern):
            old.unlink()
    plain: dict[str, bytes] = {}
    packed: dict[str, bytes] = {}
    for path in sorted(path for pattern in _FILES for path in artifact.glob(pattern)):
        data = path.read_bytes()
        if path.name == _PARAMS:
            halved = pack(data)
            plain[path.name] = unpack(halved)
            packed[f"{path.name}.f16.xz"] = lzma.compress(halved, filters=_FILTERS)
        elif len(data) > _SMALL:
            plain[path.name] = data
            filters = _FILTERS if path.suffix == ".onnx" else _FLAT_FILTERS
            packed[f"{path.name}.xz"] = lzma.compress(data, filters=filters)
        else:
            plain[path.name] = packed[path.name] = data
    packed[DIGESTS] = _digests(plain)
    packed[PACKED_DIGESTS] = _digests(packed)
    for name, data in packed.items():
        (target / name).write_bytes(data)


def _digests(files: dict[str, bytes]) -> bytes:
    lines = (f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in files.items())
    return "".join(lines).encode()
