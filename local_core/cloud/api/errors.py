"""The error by which a service refuses a request."""

from __future__ import annotations

from ...errors import LocalCoreError


class ApiError(LocalCoreError):
    """A request that the service refuses: its error code, the reason, and the HTTP status.

    CloudFormation shows its text as the reason why a resource failed.
    """

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{message} ({code})")
        self.code = code
        self.message = message
        self.status = status
