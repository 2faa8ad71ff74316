"""Where each file of a core goes on its device, by generation and nucleus."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Literal

from ..cli.output import ToolError
from .keyfiles import CERTIFICATE, PRIVATE_KEY, ROOT_CA

Nucleus = Literal["classic", "lite"]

_V1_ROOT = "/greengrass"
_V2_ROOTS: Mapping[Nucleus, str] = {"classic": "/greengrass/v2", "lite": "/etc/greengrass"}
_V1_PLACEHOLDERS = {
    "CERTIFICATE_NAME_HERE": CERTIFICATE,
    "PRIVATE_KEY_FILENAME_HERE": PRIVATE_KEY,
}
_V1_START = ("sudo /greengrass/ggc/core/greengrassd restart",)
_V2_START: Mapping[Nucleus, tuple[str, ...]] = {
    "classic": (
        (
            "sudo -E java -Droot=/greengrass/v2 -Dlog.store=FILE -jar GreengrassInstaller/lib/"
            "Greengrass.jar --init-config /greengrass/v2/config.yaml "
            "--component-default-user ggc_user:ggc_group --setup-system-service true"
        ),
    ),
    "lite": (
        "sudo chown -R ggcore:ggcore /etc/greengrass",
        "sudo systemctl restart greengrass-lite.target",
    ),
}


@dataclass(frozen=True)
class Layout:
    """A device's files: the configuration's name and text, and the names of the other three.

    ``folder`` is where the archive is unpacked, ``start`` the commands that follow.
    """

    folder: str
    configuration_name: str
    configuration: Mapping[str, Any]
    certificate: str
    private_key: str
    root_ca: str
    start: tuple[str, ...]

    def files(
        self, *, certificate: bytes, private_key: bytes | None, root_ca: bytes
    ) -> dict[str, bytes]:
        """Return the content of each file; a key that stays on its device is None."""
        text = json.dumps(self.configuration, indent=2, sort_keys=True) + "\n"
        made = {
            self.configuration_name: text.encode(),
            self.certificate: certificate,
            self.root_ca: root_ca,
        }
        return made if private_key is None else {**made, self.private_key: private_key}

    def commands(self, archive: str) -> tuple[str, ...]:
        """Return what to say on the device, where the archive lies in the current folder."""
        return (f"sudo unzip -o {archive} -d {self.folder}", *self.start)


def v1_layout(configuration: Mapping[str, Any]) -> Layout:
    """Lay out a V1 core: ``certs/`` and ``config/config.json``, as the seed system's guide.

    Raises:
        ToolError: if ``configuration`` is no V1 core's.
    """
    text = json.dumps(configuration)
    for placeholder, name in _V1_PLACEHOLDERS.items():
        text = text.replace(placeholder, name)
    filled = json.loads(text)
    _part(filled, "coreThing")
    crypto = _part(filled, "crypto")
    principal = _part(_part(crypto, "principals"), "IoTCertificate")
    return Layout(
        folder=_V1_ROOT,
        configuration_name="config/config.json",
        configuration=filled,
        certificate=_below(_V1_ROOT, principal, "certificatePath"),
        private_key=_below(_V1_ROOT, principal, "privateKeyPath"),
        root_ca=_below(_V1_ROOT, crypto, "caPath"),
        start=_V1_START,
    )


def v2_layout(configuration: Mapping[str, Any], nucleus: Nucleus) -> Layout:
    """Lay out a V2 core: ``config.yaml`` (JSON is YAML) and its certificates.

    Raises:
        ToolError: if ``configuration`` is no V2 core's.
    """
    chosen = _part(configuration, nucleus)
    system = _part(chosen, "system")
    root = _V2_ROOTS[nucleus]
    return Layout(
        folder=root,
        configuration_name="config.yaml",
        configuration=chosen,
        certificate=_below(root, system, "certificateFilePath"),
        private_key=_below(root, system, "privateKeyPath"),
        root_ca=_below(root, system, "rootCaPath"),
        start=_V2_START[nucleus],
    )


def for_thing(configuration: Mapping[str, Any], thing_name: str) -> dict[str, Any]:
    """Return a V2 core's configuration with another thing: the rest is common to a fleet."""
    return {
        nucleus: {**part, "system": {**_part(part, "system"), "thingName": thing_name}}
        for nucleus, part in configuration.items()
    }


def check_names(layout: Layout) -> None:
    """Return if the three files bear the names that this project gives them.

    Raises:
        ToolError: if not, or if a placeholder is left.
    """
    found = [
        PurePosixPath(n).name for n in (layout.certificate, layout.private_key, layout.root_ca)
    ]
    if found != [CERTIFICATE, PRIVATE_KEY, ROOT_CA] or "_HERE" in json.dumps(layout.configuration):
        raise ToolError("GreengrassConfig is of another version of this project: deploy again")


def _part(document: Mapping[str, Any], key: str) -> dict[str, Any]:
    part = document.get(key)
    if not isinstance(part, dict):
        raise ToolError(f"the output GreengrassConfig has no {key}: deploy the stack again")
    return part


def _below(root: str, holder: Mapping[str, Any], key: str) -> str:
    path = PurePosixPath(str(holder.get(key, "")).removeprefix("file://"))
    try:
        return str(path.relative_to(root))
    except ValueError:
        raise ToolError(f"GreengrassConfig: {key} is {path}, not below {root}") from None
