"""The archive that ``mli package`` writes, unpacked as on the device.

On a device it is unpacked where the nucleus looks, which only root may write to. Here another
folder is used, also in the configuration.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from stacks.names import LITE_CONFIGURATION

from ..device.generation import Generation
from ..device.generations import GENERATIONS
from ..device.setup import CoreConfiguration, SetupError, write_json

_FILE_URI = "file://"
_LITE = "aws.greengrass.NucleusLite"
_THING = re.compile(r"[A-Za-z0-9:_-]{1,128}")
_MOST_BYTES = 1 << 20
"""A key, two certificates and a configuration are a few thousand bytes each."""
_PRIVATE, _PUBLIC = 0o600, 0o644


@dataclass(frozen=True)
class SetupArchive:
    """What an archive holds: files by their names, one of which is the core's configuration."""

    path: Path
    files: Mapping[str, bytes]
    generation: Generation
    configuration: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> SetupArchive:
        """Read an archive.

        Raises:
            SetupError: if there is none, or it is not one of ``package``'s for a core that can be
                run here.
        """
        files = _files(path)
        known = {one.configuration_name: one for one in GENERATIONS.values()}
        known[LITE_CONFIGURATION] = GENERATIONS[2]
        name = next((name for name in known if name in files), None)
        if name is None:
            absent = " and ".join(f"no {one.configuration_name}" for one in GENERATIONS.values())
            raise SetupError(f"{path} holds {absent}: it is not an archive of `mli package`")
        try:
            configuration = json.loads(files[name])
        except ValueError as error:
            raise SetupError(f"{path}: {name} is not JSON: {error}") from None
        if not isinstance(configuration, dict):
            raise SetupError(f"{path}: {name} is not an object")
        if _LITE in configuration.get("services", {}):
            raise SetupError(
                f"{path} is for nucleus lite, and this core is a classic one: package it again "
                "without --nucleus lite"
            )
        return cls(path, files, known[name], configuration)

    @property
    def thing_name(self) -> str:
        """The core's thing.

        Raises:
            SetupError: if the configuration names none.
        """
        try:
            known = _THING.fullmatch(self.generation.thing_name(self.configuration))
        except (AttributeError, KeyError, TypeError):
            known = None
        if known is None:
            raise SetupError(f"{self.path}: {self.generation.configuration_name} names no thing")
        return str(known[0])

    def unpack(self, root: Path) -> Path:
        """Unpack into ``root``, over existing files; return the core's configuration file."""
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, content in self.files.items():
            file = root / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.unlink(missing_ok=True)
            file.touch(_PRIVATE if name.endswith(".key") else _PUBLIC)
            file.write_bytes(content)
        moved = _moved(self.configuration, self.generation.device_folder, root)
        return write_json(root / self.generation.configuration_name, moved)

    def install(self, root: Path) -> CoreConfiguration:
        """Unpack into ``root``, over existing files, and return the configuration of its core.

        Raises:
            SetupError: if something is missing from the configuration, or a file that it names.
        """
        file = self.unpack(root)
        configuration = replace(self.generation.read_configuration(file), root=root)
        for needed in (configuration.certificate, configuration.private_key, configuration.root_ca):
            if not needed.is_file():
                raise SetupError(
                    f"{self.path} holds no {needed.name}, and there is no {needed}: package it "
                    "without --without-key, or put the file there"
                )
        return configuration


def _files(path: Path) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(path) as opened:
            members = [member for member in opened.infolist() if not member.is_dir()]
            for member in members:
                parts = PurePosixPath(member.filename).parts
                if ".." in parts or parts[0] == "/" or member.file_size > _MOST_BYTES:
                    raise SetupError(
                        f"{path} holds {member.filename} ({member.file_size} bytes): it is "
                        "not an archive of `mli package`"
                    )
            return {member.filename: opened.read(member) for member in members}
    except FileNotFoundError:
        raise SetupError(
            f"there is no {path}: `mli package NAME` writes it for the core NAME"
        ) from None
    except (zipfile.BadZipFile, OSError) as error:
        raise SetupError(f"{path} cannot be read as a zip archive: {error}") from None


def _moved(value: Any, folder: str, root: Path) -> Any:
    """Return ``value`` with ``root`` instead of ``folder`` in every path, also in file URIs."""
    if isinstance(value, Mapping):
        return {key: _moved(item, folder, root) for key, item in value.items()}
    if isinstance(value, list):
        return [_moved(item, folder, root) for item in value]
    if not isinstance(value, str):
        return value
    scheme = _FILE_URI if value.startswith(_FILE_URI) else ""
    path = PurePosixPath(value.removeprefix(scheme))
    return f"{scheme}{root / path.relative_to(folder)}" if path.is_relative_to(folder) else value
