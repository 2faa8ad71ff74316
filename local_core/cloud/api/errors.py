"""How a service says no."""

from __future__ import annotations

from ...errors import LocalCoreError


class ApiError(LocalCoreError):
    """A request that the service refuses: its error code, the reason, and the HTTP status.

    Its text is what CloudFormation shows as the reason of a failed resource.
    """

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{message} ({code})")
        self.code = code
        self.message = message
        self.status = status
