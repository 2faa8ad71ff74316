"""Sets a core up as a user does on a real device, and reads what was set up.

The key and the certificate come from AWS IoT, the configuration from the stack's output
``GreengrassConfig``. Apart from them a core knows only the address of its cloud's API.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import LocalCoreError

CERTIFICATE = "device.pem.crt"
PRIVATE_KEY = "private.pem.key"
ROOT_CA = "AmazonRootCA1.pem"


class SetupError(LocalCoreError):
    """A configuration that no core can start with, with the reason."""


@dataclass(frozen=True)
class Certificate:
    """A certificate of AWS IoT with its files; only this user can read the key."""

    id: str
    arn: str
    certificate: Path
    private_key: Path
    root_ca: Path


_ENDPOINT = re.compile(
    r"(?P<host>[\w-]{1,63}(?:\.[\w-]{1,63})*\.?)(?::(?P<port>\d{1,5}))?", re.ASCII
)
"""Labels of a host name have at most 63 characters: RFC 1035, section 2.3.4."""


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

        Raises:
            SetupError: if it is anything else.
        """
        match = _ENDPOINT.fullmatch(endpoint)
        port = int(match["port"] or default_port) if match else 0
        if match is None or not 1 <= port <= 65_535:
            raise SetupError(f"the endpoint {endpoint!r} is not HOST or HOST:PORT")
        return cls(match["host"], port)


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
    """Create a key and an active certificate in AWS IoT, and write both into ``folder``.

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


def parse_object(text: str) -> dict[str, Any]:
    """Return the JSON object that a configuration is.

    Raises:
        SetupError: if it is not one.
    """
    try:
        document = json.loads(text)
    except ValueError as error:
        raise SetupError(f"GreengrassConfig is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise SetupError("GreengrassConfig is not an object")
    return document


def member(document: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return the object below ``key`` of a configuration.

    Raises:
        SetupError: if it is not one.
    """
    found = document.get(key)
    if not isinstance(found, dict):
        raise SetupError(f"GreengrassConfig has no {key}: is it of the other generation?")
    return found


def write_json(file: Path, document: Mapping[str, Any]) -> Path:
    """Write a configuration; return its file."""
    file.write_text(json.dumps(document, indent=2) + "\n")
    return file


def _write_private(file: Path, text: str) -> None:
    """Write a file that only this user can read, from its creation on."""
    file.unlink(missing_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as opened:
        opened.write(text)
