"""What a component's environment must say because its cloud is not AWS's, but on this machine."""

from __future__ import annotations

import os
from collections.abc import Mapping


def component_surroundings(endpoint: str, own: Mapping[str, str] = os.environ) -> Mapping[str, str]:
    """Return variables by which AWS's SDKs find the cloud at ``endpoint``, and nothing else.

    On a device none of them is needed: the endpoints are AWS's by the Region's name, and the user
    of components has no configuration of the SDKs in a home folder.
    """
    beyond = [
        part for part in (own.get("NO_PROXY") or own.get("no_proxy") or "").split(",") if part
    ]
    without_proxy = ",".join([*beyond, "127.0.0.1", "localhost"])
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ENDPOINT_URL_S3": endpoint,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": without_proxy,
        "no_proxy": without_proxy,
    }
