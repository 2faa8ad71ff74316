"""The account, the Region and the interface of everything in the local cloud."""

from __future__ import annotations

import os

DEFAULT_REGION = "us-east-1"
REGION_VARIABLE = "LOCAL_CLOUD_REGION"
"""By this variable the parent tells the cloud's process its Region."""
REGION = os.environ.get(REGION_VARIABLE, DEFAULT_REGION)
"""The Region of the cloud that this process is."""
ACCOUNT = "000000000000"
HOST = "127.0.0.1"


def arn(service: str, resource: str, *, account: str = ACCOUNT) -> str:
    """Return the ARN of a ``resource`` of this account and region."""
    return f"arn:aws:{service}:{REGION}:{account}:{resource}"
