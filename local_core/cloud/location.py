"""Where everything in the local cloud lives: one account, one region, the loopback interface."""

from __future__ import annotations

REGION = "us-east-1"
ACCOUNT = "000000000000"
HOST = "127.0.0.1"


def arn(service: str, resource: str, *, account: str = ACCOUNT) -> str:
    """Return the ARN of a ``resource`` of this account and region."""
    return f"arn:aws:{service}:{REGION}:{account}:{resource}"
