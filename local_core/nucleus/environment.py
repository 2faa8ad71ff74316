"""The environment that a component's scripts run in: a device's, not that of our user."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

_KEPT = frozenset(
    {
        *("HOME", "LANG", "LC_ALL", "TMPDIR", "TZ"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
        *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    }
)
"""What a script needs of this machine: its locale, certificates and proxies."""

_KEPT_PREFIX = "PIP_"
"""Where packages come from."""


def base_environment(own: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the part of the environment ``own`` that a component inherits.

    ``python3`` is the interpreter that runs this process; nothing else of its virtual environment,
    such as ``VIRTUAL_ENV`` or ``PYTHONPATH``, reaches the component.
    """
    kept = {
        name: value
        for name, value in own.items()
        if name.upper() in _KEPT or name.startswith(_KEPT_PREFIX)
    }
    path = own.get("PATH", os.defpath)
    return {**kept, "PATH": os.pathsep.join([str(Path(sys.executable).parent), path])}
