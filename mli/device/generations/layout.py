"""Where each file of a core goes on its device."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from ...errors import MliError
from ..certificates.keyfiles import CERTIFICATE, PRIVATE_KEY, ROOT_CA

Nucleus = Literal["classic", "lite"]


@dataclass(frozen=True)
class Layout:
    """A device's files: the configuration's name and content, and the names of the other three.

    ``folder`` is where the archive is unpacked, ``start`` the commands that follow. ``notes`` are
    settings that this nucleus does not have.
    """

    folder: str
    configuration_name: str
    configuration: Mapping[str, Any]
    certificate: str
    private_key: str
    root_ca: str
    start: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def files(
        self, *, certificate: bytes, private_key: bytes | None, root_ca: bytes
    ) -> dict[str, bytes]:
        """Return the content of each file; a key that stays on its device is None."""
        text = json.dumps(self.configuration, indent=2, sort_keys=True) + "\n"
        files = {
            self.configuration_name: text.encode(),
            self.certificate: certificate,
            self.root_ca: root_ca,
        }
        return files if private_key is None else {**files, self.private_key: private_key}

    def commands(self, archive: str, *, with_key: bool = True) -> tuple[str, ...]:
        """Return the commands for the device, with the archive in the current folder.

        Without its key in the archive, the device's own goes where the configuration names it.
        """
        unpack = f"sudo unzip -o {shlex.quote(archive)} -d {self.folder}"
        place = f"{self.folder}/{self.private_key}"
        own = f"sudo install -m 600 KEY {place}    # if the archive has no key; KEY is the device's"
        return (unpack, *(() if with_key else (own,)), *self.start)


def next_steps(archive: Path, commands: Sequence[str]) -> str:
    """Return for people how an archive gets to its device, and what is typed there."""
    copy = f"scp {shlex.quote(str(archive))} DEVICE:"
    steps = "\n".join(f"  {command}" for command in (copy, *commands))
    return f"Next, the first here and the others on the device:\n{steps}"


def check_names(layout: Layout) -> None:
    """Return if the three files have the names that this project gives them.

    Raises:
        MliError: if not, or if a placeholder is left.
    """
    found = [
        PurePosixPath(n).name for n in (layout.certificate, layout.private_key, layout.root_ca)
    ]
    if found != [CERTIFICATE, PRIVATE_KEY, ROOT_CA] or "_HERE" in json.dumps(layout.configuration):
        raise MliError(
            "GreengrassConfig is from another version of this project: deploy the stack again"
        )


def network_notes(configuration: Mapping[str, Any], nucleus: Nucleus) -> tuple[str, ...]:
    """Return what nucleus lite cannot do of what ``mqttPort`` and ``networkProxy`` say."""
    if nucleus != "lite":
        return ()
    services = section(configuration, "classic")["services"]
    wanted = services["aws.greengrass.Nucleus"]["configuration"]
    notes = []
    if "mqtt" in wanted:
        notes.append(
            f"mqttPort={wanted['mqtt']['port']} has no effect: nucleus lite, up to 2.6.0, connects "
            "to the ports 8883 and 8443 only"
        )
    if "networkProxy" in wanted:
        url = str(wanted["networkProxy"]["proxy"]["url"])
        first = "2.3.0" if url.startswith("https:") else "2.1.0"
        notes.append(f"the proxy {url} needs nucleus lite {first} or newer")
    return tuple(notes)


def section(document: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return the object ``key`` of a configuration.

    Raises:
        MliError: if there is none.
    """
    part = document.get(key)
    if not isinstance(part, dict):
        raise MliError(f"the output GreengrassConfig has no {key}: deploy the stack again")
    return part


def path_below(root: str, holder: Mapping[str, Any], key: str) -> str:
    """Return the path ``key`` of a configuration, relative to ``root``.

    Raises:
        MliError: if it is not below ``root``.
    """
    path = PurePosixPath(str(holder.get(key, "")).removeprefix("file://"))
    try:
        return str(path.relative_to(root))
    except ValueError:
        raise MliError(f"GreengrassConfig: {key} is {path}, not below {root}") from None
