"""The account, the Region and the interface of everything in the local cloud."""

from __future__ import annotations

REGION = "us-east-1"
ACCOUNT = "000000000000"
HOST = "127.0.0.1"


def arn(service: str, resource: str, *, account: str = ACCOUNT) -> str:
    """Return the ARN of a ``resource`` of this account and region."""
    return f"arn:aws:{service}:{REGION}:{account}:{resource}"
