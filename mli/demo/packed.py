"""From a DLR artifact to the packed form that is committed, which ``models.store`` unpacks."""

from __future__ import annotations

import hashlib
import lzma
from pathlib import Path

from models.packing import pack, unpack
from models.store import DIGESTS, PACKED_DIGESTS

_PARAMS = "compiled.params"
_SMALL = 4096
_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "lc": 0, "lp": 1, "pb": 1}]
_FLAT_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME}]


def write_packed(artifact: Path, target: Path) -> None:
    """Pack the artifact in the folder ``artifact`` into ``target``, and replace what is there.

    The digests in ``SHA256SUMS`` are those after the weights' rounding to float16.
    """
    target.mkdir(parents=True, exist_ok=True)
    for old in target.glob("compiled*"):
        old.unlink()
    plain: dict[str, bytes] = {}
    packed: dict[str, bytes] = {}
    for path in sorted(artifact.glob("compiled*")):
        data = path.read_bytes()
        if path.name == _PARAMS:
            halved = pack(data)
            plain[path.name] = unpack(halved)
            packed[f"{path.name}.f16.xz"] = lzma.compress(halved, filters=_FILTERS)
        elif len(data) > _SMALL:
            plain[path.name] = data
            packed[f"{path.name}.xz"] = lzma.compress(data, filters=_FLAT_FILTERS)
        else:
            plain[path.name] = packed[path.name] = data
    packed[DIGESTS] = _digests(plain)
    packed[PACKED_DIGESTS] = _digests(packed)
    for name, data in packed.items():
        (target / name).write_bytes(data)


def _digests(files: dict[str, bytes]) -> bytes:
    lines = (f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in files.items())
    return "".join(lines).encode()
