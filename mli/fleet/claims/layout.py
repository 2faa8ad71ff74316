"""The set-up archive with which any device becomes a core of its fleet, by nucleus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stacks import names

from ...device.certificates.keyfiles import CERTIFICATE, PRIVATE_KEY, ROOT_CA
from ...device.generations.layout import Layout, Nucleus, network_notes, section
from ...device.stacks.fleet import FleetStack
from ...device.stacks.outputs import output_of

PLUGIN = "aws.greengrass.FleetProvisioningByClaim"
PLUGIN_JAR = "FleetProvisioningByClaim.jar"
PREPARE = "prepare.sh"

_CERTIFICATE, _PRIVATE_KEY = f"claim/{CERTIFICATE}", f"claim/{PRIVATE_KEY}"

_PLUGIN_URL = (
    "https://d2s8p88vqu9w66.cloudfront.net/releases/"
    "aws-greengrass-FleetProvisioningByClaim/fleetprovisioningbyclaim-latest.jar"
)
"""https://docs.aws.amazon.com/greengrass/v2/developerguide/fleet-provisioning.html"""
_NETWORK = ("mqtt", "greengrassDataPlanePort", "networkProxy")
"""What a nucleus needs besides its identity, which the plugin gives it."""
_NOT_PREPARED = names.CORE_PLACEHOLDER
"""The core's name until ``prepare.sh`` has replaced it; no core can have this one."""


@dataclass(frozen=True)
class ClaimLayout(Layout):
    """A layout whose certificate and key are the claim's, for any device: a script names it."""

    def files(
        self, *, certificate: bytes, private_key: bytes | None, root_ca: bytes
    ) -> dict[str, bytes]:
        """Return the content of each file, also of the script."""
        files = super().files(certificate=certificate, private_key=private_key, root_ca=root_ca)
        return {**files, PREPARE: (Path(__file__).parent / PREPARE).read_bytes()}

    def commands(self, archive: str, *, with_key: bool = True) -> tuple[str, ...]:
        """Return the commands for each device, with the archive in the current folder."""
        unpack, *start = super().commands(archive, with_key=with_key)
        prepare = f"sudo sh {self.folder}/{PREPARE}    # the host's name; or: {PREPARE} NAME"
        return (unpack, prepare, *start)


def claim_layout(fleet: FleetStack, nucleus: Nucleus) -> ClaimLayout:
    """Lay out the archive of a fleet.

    Raises:
        MliError: if the outputs of its stack are not those of this version.
    """
    stack = names.fleet_stack_name(fleet.name)
    template = output_of(fleet.outputs, "ProvisioningTemplate", stack)
    configuration = fleet.configuration_of(_NOT_PREPARED)
    made = (_classic if nucleus == "classic" else _lite)(section(configuration, nucleus), template)
    return replace(made, notes=network_notes(configuration, nucleus))


def _classic(given: Mapping[str, Any], template: str) -> ClaimLayout:
    """Lay out the plugin's archive: the device has made its key, and asks by a signing request.

    The plugin gives ``thingCert.crt`` and ``privKey.key`` to the nucleus, with no choice of names.
    https://docs.aws.amazon.com/greengrass/v2/developerguide/fleet-provisioning-configuration.html
    """
    root = str(given["system"]["rootpath"])
    nucleus = given["services"]["aws.greengrass.Nucleus"]
    endpoints = nucleus["configuration"]
    plugin = {
        "rootPath": root,
        "awsRegion": endpoints["awsRegion"],
        "iotDataEndpoint": endpoints["iotDataEndpoint"],
        "iotCredentialEndpoint": endpoints["iotCredEndpoint"],
        "iotRoleAlias": endpoints["iotRoleAlias"],
        "provisioningTemplate": template,
        "templateParameters": {names.CORE_NAME_PARAMETER: _NOT_PREPARED},
        "claimCertificatePath": f"{root}/{_CERTIFICATE}",
        "claimCertificatePrivateKeyPath": f"{root}/{_PRIVATE_KEY}",
        "rootCaPath": f"{root}/{ROOT_CA}",
        "csrPath": f"{root}/device.csr",
        "csrPrivateKeyPath": f"{root}/privKey.key",
    }
    network = {key: endpoints[key] for key in _NETWORK if key in endpoints}
    if "mqtt" in network:
        plugin["mqttPort"] = network["mqtt"]["port"]
    if "networkProxy" in network:
        plugin["proxyUrl"] = network["networkProxy"]["proxy"]["url"]
    return ClaimLayout(
        folder=root,
        configuration_name="config.yaml",
        configuration={
            "services": {
                "aws.greengrass.Nucleus": {
                    "componentType": "NUCLEUS",
                    "version": nucleus["version"],
                    **({"configuration": network} if network else {}),
                },
                PLUGIN: {"configuration": plugin},
            }
        },
        certificate=_CERTIFICATE,
        private_key=_PRIVATE_KEY,
        root_ca=ROOT_CA,
        start=(
            f"curl -fsSLo {PLUGIN_JAR} {_PLUGIN_URL}",
            (
                f"sudo -E java -Droot={root} -Dlog.store=FILE -jar GreengrassInstaller/lib/"
                f"Greengrass.jar --trusted-plugin {PLUGIN_JAR} --init-config {root}/config.yaml "
                "--component-default-user ggc_user:ggc_group --setup-system-service true"
            ),
        ),
    )


def _lite(given: Mapping[str, Any], template: str) -> ClaimLayout:
    """Lay out nucleus lite's archive, whose own tool makes the key and fills in what is empty.

    https://github.com/aws-greengrass/aws-greengrass-lite (docs/fleet_provisioning)
    """
    folder = "/etc/greengrass"
    nucleus = given["services"]["aws.greengrass.NucleusLite"]
    endpoints = nucleus["configuration"]
    later = {"iotDataEndpoint": "", "iotCredEndpoint": ""}
    identity = ("certificateFilePath", "privateKeyPath", "rootCaPath", "thingName")
    provisioning = {
        "iotDataEndpoint": endpoints["iotDataEndpoint"],
        "iotCredEndpoint": endpoints["iotCredEndpoint"],
        "rootCaPath": f"{folder}/certs/{ROOT_CA}",
        "claimCertPath": f"{folder}/{_CERTIFICATE}",
        "claimKeyPath": f"{folder}/{_PRIVATE_KEY}",
        "templateName": template,
        "templateParams": {names.CORE_NAME_PARAMETER: _NOT_PREPARED},
    }
    return ClaimLayout(
        folder=folder,
        configuration_name=names.LITE_CONFIGURATION,
        configuration={
            "system": {**dict.fromkeys(identity, ""), "rootPath": given["system"]["rootPath"]},
            "services": {
                "aws.greengrass.NucleusLite": {**nucleus, "configuration": {**endpoints, **later}},
                "aws.greengrass.fleet_provisioning": {"configuration": provisioning},
            },
        },
        certificate=_CERTIFICATE,
        private_key=_PRIVATE_KEY,
        root_ca=f"certs/{ROOT_CA}",
        start=(
            f"sudo chown -R ggcore:ggcore {folder}",
            "sudo systemctl reset-failed 'ggl.*'",
            "sudo systemctl restart greengrass-lite.target",
            "sudo fleet-provisioning    # must end with: your device is now provisioned",
            "sudo systemctl restart greengrass-lite.target",
            "systemctl is-active greengrass-lite.target    # must print: active",
        ),
    )
