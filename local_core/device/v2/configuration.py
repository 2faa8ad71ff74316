"""The configuration file of a V2 core's nucleus, config.yaml."""

from __future__ import annotations

from pathlib import Path

from ..setup import Address, CoreConfiguration, SetupError, member, parse_object, write_json

_TLS_PORTS = {"mqtt": 8883, "https": 443}
_NUCLEUS = "aws.greengrass.Nucleus"
_FOLDER = "/greengrass/v2/"


def write_configuration(output: str, root: Path) -> Path:
    """Fill in the nucleus's config.yaml (JSON is YAML), whose certificate is in ``root``.

    The output is for a core in /greengrass/v2, which only root may write to: here it is ``root``.

    Raises:
        SetupError: if the output is not that of a V2 core.
    """
    configuration = member(parse_object(output), "classic")
    system = member(configuration, "system")
    for key, value in system.items():
        text = str(value)
        if f"{text}/" == _FOLDER:
            system[key] = str(root)
        elif text.startswith(_FOLDER):
            system[key] = str(root / text.removeprefix(_FOLDER))
    return write_json(root / "config.yaml", configuration)


def read_configuration(file: Path) -> CoreConfiguration:
    """Return what the nucleus's configuration file says.

    Raises:
        SetupError: if something is missing from it.
    """
    document = parse_object(file.read_text())
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
