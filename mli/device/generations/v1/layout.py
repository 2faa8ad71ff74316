"""Where each file of a V1 core goes on its device."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ...certificates.keyfiles import CERTIFICATE, PRIVATE_KEY
from ..layout import Layout, path_below, section

_ROOT = "/greengrass"
_PLACEHOLDERS = {
    "CERTIFICATE_NAME_HERE": CERTIFICATE,
    "PRIVATE_KEY_FILENAME_HERE": PRIVATE_KEY,
}
_START = ("sudo /greengrass/ggc/core/greengrassd restart",)


def v1_layout(configuration: Mapping[str, Any]) -> Layout:
    """Lay out a V1 core: ``certs/`` and ``config/config.json``, as the seed system's guide does.

    Raises:
        MliError: if ``configuration`` is not that of a V1 core.
    """
    text = json.dumps(configuration)
    for placeholder, name in _PLACEHOLDERS.items():
        text = text.replace(placeholder, name)
    filled = json.loads(text)
    section(filled, "coreThing")
    crypto = section(filled, "crypto")
    principal = section(section(crypto, "principals"), "IoTCertificate")
    return Layout(
        folder=_ROOT,
        configuration_name="config/config.json",
        configuration=filled,
        certificate=path_below(_ROOT, principal, "certificatePath"),
        private_key=path_below(_ROOT, principal, "privateKeyPath"),
        root_ca=path_below(_ROOT, crypto, "caPath"),
        start=_START,
    )
