"""Where each file of a V2 core goes on its device, by nucleus."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stacks.names import LITE_CONFIGURATION

from ..layout import Layout, Nucleus, network_notes, path_below, section

_ROOTS: Mapping[Nucleus, str] = {"classic": "/greengrass/v2", "lite": "/etc/greengrass"}
_CONFIGURATIONS: Mapping[Nucleus, str] = {
    "classic": "config.yaml",
    "lite": LITE_CONFIGURATION,
}
_START: Mapping[Nucleus, tuple[str, ...]] = {
    "classic": (
        (
            "sudo -E java -Droot=/greengrass/v2 -Dlog.store=FILE -jar GreengrassInstaller/lib/"
            "Greengrass.jar --init-config /greengrass/v2/config.yaml "
            "--component-default-user ggc_user:ggc_group --setup-system-service true"
        ),
    ),
    "lite": (
        "sudo chown -R ggcore:ggcore /etc/greengrass",
        # A restart of the target leaves units stopped that failed before, and exits with 0.
        "sudo systemctl reset-failed 'ggl.*'",
        "sudo systemctl restart greengrass-lite.target",
        "systemctl is-active greengrass-lite.target    # must print: active",
        "systemctl --failed 'ggl.*'    # must list 0 units",
    ),
}


def v2_layout(configuration: Mapping[str, Any], nucleus: Nucleus) -> Layout:
    """Lay out a V2 core: its configuration (JSON is YAML) and its certificates.

    Raises:
        MliError: if ``configuration`` is not that of a V2 core.
    """
    chosen = section(configuration, nucleus)
    system = section(chosen, "system")
    root = _ROOTS[nucleus]
    return Layout(
        folder=root,
        configuration_name=_CONFIGURATIONS[nucleus],
        configuration=chosen,
        certificate=path_below(root, system, "certificateFilePath"),
        private_key=path_below(root, system, "privateKeyPath"),
        root_ca=path_below(root, system, "rootCaPath"),
        start=_START[nucleus],
        notes=network_notes(configuration, nucleus),
    )
