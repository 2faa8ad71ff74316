"""The configuration file of a V1 core, config.json."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from ..setup import (
    CERTIFICATE,
    PRIVATE_KEY,
    Address,
    CoreConfiguration,
    SetupError,
    member,
    parse_object,
    write_json,
)

_FOLDER = "/greengrass/certs/"


def write_configuration(output: str, root: Path) -> Path:
    """Fill in config.json: the names of both files, and ``root`` instead of /greengrass.

    Raises:
        SetupError: if the output is not that of a V1 core.
    """
    text = output.replace("CERTIFICATE_NAME_HERE", CERTIFICATE)
    text = text.replace("PRIVATE_KEY_FILENAME_HERE", PRIVATE_KEY)
    text = text.replace(f"file://{_FOLDER}", f"file://{root}/")
    configuration = parse_object(text)
    member(configuration, "coreThing")
    return write_json(root / "config.json", configuration)


def read_configuration(file: Path) -> CoreConfiguration:
    """Return what a V1 core's config.json says; the Region is in the thing's ARN.

    Raises:
        SetupError: if something is missing from it.
    """
    document = parse_object(file.read_text())
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
