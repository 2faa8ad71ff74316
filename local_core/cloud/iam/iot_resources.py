"""Resources of AWS IoT's actions that ministack's table lacks.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsiot.html
"""

from __future__ import annotations

from collections.abc import Callable

from .. import location

Resource = Callable[..., str]
"""Takes service, method and path of a request, and more; returns the ARN of what it is for."""

_TARGETS_OF_A_POLICY = "/policy-targets/"


def completed(inner: Resource) -> Resource:
    """Return ``inner`` with the resource of ListTargetsForPolicy, for which it returns ``*``."""

    def resource(service: str, method: str, path: str, *request: object) -> str:
        if service == "iot" and path.startswith(_TARGETS_OF_A_POLICY):
            return location.arn("iot", f"policy/{path.removeprefix(_TARGETS_OF_A_POLICY)}")
        return inner(service, method, path, *request)

    return resource
