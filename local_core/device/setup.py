"""Sets a core up as a user does on a real device, and reads what was set up.

The key and the certificate come from AWS IoT, the configuration from the stack's output
``GreengrassConfig``. A core is told nothing else but where the API of its cloud is.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from ..errors import LocalCoreError

CERTIFICATE = "device.pem.crt"
PRIVATE_KEY = "private.pem.key"
ROOT_CA = "AmazonRootCA1.pem"

_TLS_PORTS = {"mqtt": 8883, "https": 443}
_NUCLEUS = "aws.greengrass.Nucleus"
_V2_FOLDER = "/greengrass/v2/"
_V1_FOLDER = "/greengrass/certs/"


class SetupError(LocalCoreError):
    """A configuration that no core can start with, with the reason."""


@dataclass(frozen=True)
class Certificate:
    """A certificate of AWS IoT with its files: the key is this user's alone."""

    id: str
    arn: str
    certificate: Path
    private_key: Path
    root_ca: Path


@dataclass(frozen=True)
class Address:
    """A host and a port."""

    host: str
    port: int

    @classmethod
    def parse(cls, endpoint: str, default_port: int) -> Address:
        """Read an endpoint as DescribeEndpoint returns it.

        AWS's is a host name alone, at the usual port. A local cloud's has a port, since another
        program may hold the usual one.
        """
        host, _, port = endpoint.partition(":")
        return cls(host, int(port) if port else default_port)


@dataclass(frozen=True)
class CoreConfiguration:
    """What a core knows from its configuration file. ``role_alias`` is empty in V1."""

    thing_name: str
    region: str
    root: Path
    certificate: Path
    private_key: Path
    root_ca: Path
    broker: Address
    role_alias: str = ""
    credential_provider: Address | None = None


def create_certificate(iot: Any, folder: Path, root_ca: Path) -> Certificate:
    """Have AWS IoT make a key and an active certificate, and write both into ``folder``.

    ``iot`` is a client of AWS IoT, ``root_ca`` the certificate of the authority of its endpoints.
    """
    made = iot.create_keys_and_certificate(setAsActive=True)
    folder.mkdir(parents=True, exist_ok=True)
    certificate = Certificate(
        id=made["certificateId"],
        arn=made["certificateArn"],
        certificate=folder / CERTIFICATE,
        private_key=folder / PRIVATE_KEY,
        root_ca=folder / ROOT_CA,
    )
    certificate.certificate.write_text(made["certificatePem"])
    _write_private(certificate.private_key, made["keyPair"]["PrivateKey"])
    shutil.copyfile(root_ca, certificate.root_ca)
    return certificate


def write_v2_configuration(output: str, root: Path) -> Path:
    """Fill in the nucleus's config.yaml (JSON is YAML), whose certificate is in ``root``.

    The output is for a core in /greengrass/v2, which only root may write to: here it is ``root``.

    Raises:
        SetupError: if the output is none of a V2 core's.
    """
    configuration = _part(_parse(output), "classic")
    system = _part(configuration, "system")
    for key, value in system.items():
        text = str(value)
        if f"{text}/" == _V2_FOLDER:
            system[key] = str(root)
        elif text.startswith(_V2_FOLDER):
            system[key] = str(root / text.removeprefix(_V2_FOLDER))
    return _write_json(root / "config.yaml", configuration)


def write_v1_configuration(output: str, root: Path) -> Path:
    """Fill in config.json: the names of both files, and ``root`` instead of /greengrass.

    Raises:
        SetupError: if the output is none of a V1 core's.
    """
    text = output.replace("CERTIFICATE_NAME_HERE", CERTIFICATE)
    text = text.replace("PRIVATE_KEY_FILENAME_HERE", PRIVATE_KEY)
    text = text.replace(f"file://{_V1_FOLDER}", f"file://{root}/")
    configuration = _parse(text)
    _part(configuration, "coreThing")
    return _write_json(root / "config.json", configuration)


def read_v2_configuration(file: Path) -> CoreConfiguration:
    """Return what the nucleus's configuration file says.

    Raises:
        SetupError: if something is missing from it.
    """
    document = _parse(file.read_text())
    try:
        system = document["system"]
        nucleus = document["services"][_NUCLEUS]["configuration"]
        return CoreConfiguration(
            thing_name=system["thingName"],
            region=nucleus["awsRegion"],
            root=Path(system["rootpath"]),
            certificate=Path(system["certificateFilePath"]),
            private_key=Path(system["privateKeyPath"]),
            root_ca=Path(system["rootCaPath"]),
            broker=Address.parse(nucleus["iotDataEndpoint"], _TLS_PORTS["mqtt"]),
            role_alias=nucleus["iotRoleAlias"],
            credential_provider=Address.parse(nucleus["iotCredEndpoint"], _TLS_PORTS["https"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise SetupError(f"{file} has no usable {error.args[0]}") from None


def read_v1_configuration(file: Path) -> CoreConfiguration:
    """Return what a V1 core's config.json says; the Region is in the thing's ARN.

    Raises:
        SetupError: if something is missing from it.
    """
    document = _parse(file.read_text())
    try:
        thing, crypto = document["coreThing"], document["crypto"]
        arn = thing["thingArn"].split(":")
        principal = crypto["principals"]["IoTCertificate"]
        return CoreConfiguration(
            thing_name=arn[5].removeprefix("thing/"),
            region=arn[3],
            root=file.parent,
            certificate=_file(principal["certificatePath"]),
            private_key=_file(principal["privateKeyPath"]),
            root_ca=_file(crypto["caPath"]),
            broker=Address.parse(thing["iotHost"], int(thing["iotMqttPort"])),
        )
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise SetupError(f"{file} has no usable {error.args[0]}") from None


def _file(uri: str) -> Path:
    parts = urlsplit(uri)
    if parts.scheme != "file":
        raise ValueError(f"file:// path: {uri!r}")
    return Path(unquote(parts.path))


def _parse(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except ValueError as error:
        raise SetupError(f"GreengrassConfig is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise SetupError("GreengrassConfig is not an object")
    return document


def _part(document: Mapping[str, Any], key: str) -> dict[str, Any]:
    part = document.get(key)
    if not isinstance(part, dict):
        raise SetupError(f"GreengrassConfig has no {key}: is it of the other generation?")
    return part


def _write_json(file: Path, document: Mapping[str, Any]) -> Path:
    file.write_text(json.dumps(document, indent=2) + "\n")
    return file


def _write_private(file: Path, text: str) -> None:
    """Write a file that nobody else can read, not even for a moment."""
    file.unlink(missing_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as opened:
        opened.write(text)
