"""The demo models, unpacked on first use from ``models/<name>/`` to ``build/models/<name>/``.

A packed model is a folder whose files are compressed (``.xz``), its weights also halved
(``.f16.xz``; see ``packing``). Two lists of digests, both in the format of ``sha256sum``, are
beside them: ``SHA256SUMS.packed`` of the files in git, and ``SHA256SUMS`` of the artifact that
they unpack to, which goes into the artifact too.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import lzma
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .errors import DemoModelError

DIGESTS = "SHA256SUMS"
PACKED_DIGESTS = "SHA256SUMS.packed"

REPOSITORY = Path(__file__).resolve().parent.parent

_COMPRESSED = ".xz"
_HALVED = ".f16"


class UnknownModelError(DemoModelError):
    """There is no demo model of that name."""


class DamagedModelError(DemoModelError):
    """The files of a packed model differ from those that were committed, or cannot be unpacked."""


def demo_models() -> tuple[str, ...]:
    """Return the names of the demo models, sorted."""
    return tuple(sorted(path.parent.name for path in _packed_root().glob(f"*/{PACKED_DIGESTS}")))


def unpacked(name: str, root: Path | None = None) -> Path:
    """Return the folder of a demo model's artifact, and unpack it first if it is not complete.

    The artifact is in ``build/models/<name>`` under ``root``, by default the repository. It appears
    there atomically, even if several processes ask for it together. A folder whose files differ
    from the committed digests is replaced.

    Raises:
        UnknownModelError: with the known names.
        DamagedModelError: naming the file of the packed model that is damaged.
    """
    if name not in demo_models():
        raise UnknownModelError(
            f"there is no demo model {name!r}; there are: {', '.join(demo_models())}"
        )
    packed = _packed_root() / name
    target = (REPOSITORY if root is None else root) / "build" / "models" / name
    if _is_whole(target, packed):
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with _lock(target.with_name(f".{name}.lock")):
        if not _is_whole(target, packed):
            _replace(target, packed)
    return target


def _packed_root() -> Path:
    return Path(__file__).resolve().parent


def _is_whole(target: Path, packed: Path) -> bool:
    """Return whether ``target`` holds exactly the artifact that ``packed`` unpacks to."""
    try:
        listed = (packed / DIGESTS).read_bytes()
        if (target / DIGESTS).read_bytes() != listed:
            return False
        _check(target, DIGESTS)
    except (OSError, DamagedModelError):
        return False
    return {path.name for path in target.iterdir()} == {*_digests(target / DIGESTS), DIGESTS}


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Hold a lock among processes and threads; it ends with its holder at the latest."""
    with path.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _replace(target: Path, packed: Path) -> None:
    """Unpack into a folder beside ``target`` and rename it; the caller holds the lock."""
    for left_over in target.parent.glob(f".{target.name}.partial.*"):
        shutil.rmtree(left_over)
    work = Path(tempfile.mkdtemp(prefix=f".{target.name}.partial.", dir=target.parent))
    try:
        fresh = work / "fresh"
        fresh.mkdir()
        _unpack(packed, fresh)
        if target.exists():
            target.rename(work / "old")
        fresh.rename(target)
    finally:
        shutil.rmtree(work)


def _unpack(packed: Path, target: Path) -> None:
    from .packing import unpack  # loads NumPy, which commands that unpack nothing start without

    _check(packed, PACKED_DIGESTS)
    for name in _digests(packed / PACKED_DIGESTS):
        source = packed / name
        data = source.read_bytes()
        plain = name
        try:
            if plain.endswith(_COMPRESSED):
                plain, data = plain[: -len(_COMPRESSED)], lzma.decompress(data)
            if plain.endswith(_HALVED):
                plain, data = plain[: -len(_HALVED)], unpack(data)
        except (lzma.LZMAError, EOFError, DemoModelError) as error:
            raise DamagedModelError(f"{source}: cannot be unpacked: {error}") from None
        (target / plain).write_bytes(data)
    _check(target, DIGESTS)


def _check(folder: Path, listing: str) -> None:
    """Compare the files in ``folder`` with the digests in its file ``listing``."""
    for name, digest in _digests(folder / listing).items():
        path = folder / name
        try:
            found = hashlib.sha256(path.read_bytes()).hexdigest()
        except FileNotFoundError:
            raise DamagedModelError(f"{path}: is missing; {listing} lists it") from None
        if found != digest:
            raise DamagedModelError(
                f"{path}: is truncated or changed ({path.stat().st_size} bytes; sha256 is "
                f"{found[:12]}…, {listing} says {digest[:12]}…)"
            )


def _digests(listing: Path) -> dict[str, str]:
    """Read file names and digests from a file in the format of ``sha256sum``."""
    digests: dict[str, str] = {}
    for line in listing.read_text(encoding="utf-8").splitlines():
        digest, _, name = line.partition("  ")
        if len(digest) != 64 or not name or "/" in name:
            raise DamagedModelError(f"{listing}: {line[:80]!r} is not a digest and a file's name")
        digests[name] = digest
    return digests
