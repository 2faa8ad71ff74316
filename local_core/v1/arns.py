"""The ARNs of what exchanges messages on a V1 core."""

from __future__ import annotations

import re

CLOUD = "cloud"
"""AWS IoT Core, as the source or the target of a subscription."""
ROUTER = "arn:aws:lambda:::function:GGRouter"

_CONNECTOR = re.compile(r"arn:[a-z-]+:greengrass:([a-z0-9-]+)::/connectors/([\w-]+)/versions/(\d+)")


def connector_name(connector_arn: str) -> str:
    """Return the name in a connector's ARN, such as MLFeedback.

    Raises:
        ValueError: if it is not the ARN of a connector.
    """
    return _parts(connector_arn)[1]


def connector_region(connector_arn: str) -> str:
    """Return the Region in a connector's ARN.

    Raises:
        ValueError: if it is not the ARN of a connector.
    """
    return _parts(connector_arn)[0]


def connector_function(connector_arn: str) -> str:
    """Return the ARN by which functions invoke a connector.

    Raises:
        ValueError: if it is not the ARN of a connector.
    """
    region, name = _parts(connector_arn)
    return f"arn:aws:lambda:{region}:aws:function:{name}"


def short(arn: str) -> str:
    """Return the distinguishing end of an ARN, for a log."""
    return arn.rsplit(":function:", 1)[-1].rsplit(":/", 1)[-1]


def _parts(connector_arn: str) -> tuple[str, str]:
    match = _CONNECTOR.fullmatch(connector_arn)
    if match is None:
        raise ValueError(f"{connector_arn!r} is not the ARN of a connector")
    return match[1], match[2]
