"""The archive that ``mli fleet claim`` writes: a device that provisions itself, then is a core.

What the classic nucleus and its plugin FleetProvisioningByClaim do, with ``prepare.sh`` as on a
device.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stacks.names import thing_name

from ..device.provisioning import ClaimHolder
from ..device.setup import (
    Address,
    Certificate,
    CoreConfiguration,
    SetupError,
    member,
    parse_object,
    write_json,
)
from .setup import SetupArchive

_PLUGIN = "aws.greengrass.FleetProvisioningByClaim"
_NUCLEUS = "aws.greengrass.Nucleus"
_PREPARE = "prepare.sh"
_CERTIFICATE, _KEY = "thingCert.crt", "privKey.key"
_EFFECTIVE = "config/effectiveConfig.yaml"
"""Where the nucleus keeps the configuration that it has; it is not provisioned again then."""
_MQTTS = 8883
_SECONDS = 60.0


@dataclass(frozen=True)
class ClaimArchive:
    """An archive with a claim, the same for all devices of a fleet."""

    setup: SetupArchive

    @classmethod
    def of(cls, setup: SetupArchive) -> ClaimArchive | None:
        """Return the archive as one with a claim, None if it has a core's own certificate."""
        services = setup.configuration.get("services")
        return cls(setup) if isinstance(services, Mapping) and _PLUGIN in services else None

    def install(self, root: Path, core_name: str) -> CoreConfiguration:
        """Make the device with the disk ``root`` the core of this name, unless it is that already.

        Raises:
            SetupError: if the archive is damaged, the name refused, or the disk another core's.
            ProvisioningError: if the cloud does not make it one.
        """
        effective = root / _EFFECTIVE
        if not effective.exists():
            file = self.setup.unpack(root)
            self._prepare(root, core_name)
            self._provision(parse_object(file.read_text()), root)
        generation = self.setup.generation
        configuration = replace(generation.read_configuration(effective), root=root)
        if configuration.thing_name != thing_name(core_name):
            raise SetupError(
                f"the device in {root} is {configuration.thing_name} already: give another --folder"
            )
        return configuration

    def _prepare(self, root: Path, core_name: str) -> None:
        """Run the archive's own script, as the user does on the device."""
        if not (root / _PREPARE).is_file():
            raise SetupError(f"{self.setup.path} holds no {_PREPARE}")
        done = subprocess.run(
            ["sh", _PREPARE, core_name],
            cwd=root,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            raise SetupError(done.stderr.strip().splitlines()[-1])

    def _provision(self, configuration: Mapping[str, Any], root: Path) -> None:
        """Ask the cloud, then write what the nucleus would: the certificate, and who it is."""
        plugin = member(member(member(configuration, "services"), _PLUGIN), "configuration")
        try:
            holder = _holder(plugin)
            request = Path(plugin["csrPath"]).read_text()
            endpoints = {
                "awsRegion": plugin["awsRegion"],
                "iotDataEndpoint": plugin["iotDataEndpoint"],
                "iotCredEndpoint": plugin["iotCredentialEndpoint"],
                "iotRoleAlias": plugin["iotRoleAlias"],
            }
        except KeyError as error:
            raise SetupError(f"{self.setup.path}: {_PLUGIN} has no {error}") from None
        thing, certificate = holder.provision(request)
        (root / _CERTIFICATE).write_text(certificate)
        effective = root / _EFFECTIVE
        effective.parent.mkdir(exist_ok=True)
        draft = write_json(
            effective.with_suffix(".new"),
            {
                "system": {
                    "certificateFilePath": str(root / _CERTIFICATE),
                    "privateKeyPath": str(root / _KEY),
                    "rootCaPath": plugin["rootCaPath"],
                    "rootpath": str(root),
                    "thingName": thing,
                },
                "services": {_NUCLEUS: {"componentType": "NUCLEUS", "configuration": endpoints}},
            },
        )
        draft.replace(effective)


def _holder(plugin: Mapping[str, Any]) -> ClaimHolder:
    claim = Certificate(
        id="",
        arn="",
        certificate=Path(plugin["claimCertificatePath"]),
        private_key=Path(plugin["claimCertificatePrivateKeyPath"]),
        root_ca=Path(plugin["rootCaPath"]),
    )
    return ClaimHolder(
        broker=Address.parse(plugin["iotDataEndpoint"], _MQTTS),
        claim=claim,
        template=plugin["provisioningTemplate"],
        parameters=plugin["templateParameters"],
    )
