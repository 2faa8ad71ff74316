"""The configuration files that the set-up of a V2 core needs."""

from dataclasses import dataclass
from typing import Any

NUCLEUS_VERSION = "2.18.1"
"""Version of the classic nucleus in its configuration, which the simulator installs.

https://docs.aws.amazon.com/greengrass/v2/developerguide/greengrass-nucleus-component.html
"""

_CLASSIC_ROOT = "/greengrass/v2"
_LITE_ROOT = "/var/lib/greengrass"
_LITE_CERTIFICATES = "/etc/greengrass/certs"
_DATA_PLANE_PORT = "8443"
HTTPS_PORT = 443
"""AWS IoT takes MQTT and the data plane there too, told apart by ALPN (``x-amzn-mqtt-ca``)."""


@dataclass(frozen=True)
class Network:
    """How a core reaches AWS; ``proxy`` is the URL of a proxy for HTTP, None for none."""

    mqtt_port: int = 8883
    proxy: str | None = None


@dataclass(frozen=True)
class NucleusConfiguration:
    """What both nuclei need: the identity of the core and its endpoints."""

    thing_name: str
    role_alias: str
    region: str
    data_endpoint: str
    credentials_endpoint: str
    network: Network = Network()

    def classic(self) -> dict[str, Any]:
        """Return ``config.yaml`` for ``Greengrass.jar --init-config``.

        https://docs.aws.amazon.com/greengrass/v2/developerguide/manual-installation.html
        https://docs.aws.amazon.com/greengrass/v2/developerguide/configure-greengrass-core-v2.html
        """
        return {
            "system": {**self._system(_CLASSIC_ROOT), "rootpath": _CLASSIC_ROOT},
            "services": {
                "aws.greengrass.Nucleus": {
                    "componentType": "NUCLEUS",
                    "version": NUCLEUS_VERSION,
                    "configuration": {**self._endpoints(), **self._port(), **self._proxy()},
                }
            },
        }

    def lite(self) -> dict[str, Any]:
        """Return nucleus lite's configuration, which `mli package` puts into `config.d`.

        Its ports are fixed: up to 2.6.0 it connects to 8883, whatever the configuration says.
        https://docs.aws.amazon.com/greengrass/v2/developerguide/greengrass-nucleus-lite-component.html
        """
        return {
            "system": {**self._system(_LITE_CERTIFICATES), "rootPath": _LITE_ROOT},
            "services": {
                "aws.greengrass.NucleusLite": {
                    "componentType": "NUCLEUS",
                    "configuration": {
                        **self._endpoints(),
                        **self._proxy(),
                        "greengrassDataPlanePort": _DATA_PLANE_PORT,
                        "runWithDefault": {"posixUser": "gg_component:gg_component"},
                    },
                }
            },
        }

    def _system(self, folder: str) -> dict[str, str]:
        return {
            "certificateFilePath": f"{folder}/device.pem.crt",
            "privateKeyPath": f"{folder}/private.pem.key",
            "rootCaPath": f"{folder}/AmazonRootCA1.pem",
            "thingName": self.thing_name,
        }

    def _endpoints(self) -> dict[str, str]:
        return {
            "awsRegion": self.region,
            "iotRoleAlias": self.role_alias,
            "iotDataEndpoint": self.data_endpoint,
            "iotCredEndpoint": self.credentials_endpoint,
        }

    def _port(self) -> dict[str, Any]:
        if self.network.mqtt_port != HTTPS_PORT:
            return {}
        return {"mqtt": {"port": HTTPS_PORT}, "greengrassDataPlanePort": HTTPS_PORT}

    def _proxy(self) -> dict[str, Any]:
        if self.network.proxy is None:
            return {}
        return {"networkProxy": {"proxy": {"url": self.network.proxy}}}
