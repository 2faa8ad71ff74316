"""The errors that operations answer with, under the names of the Greengrass service model."""

from __future__ import annotations

from ..errors import LocalCoreError


class IpcError(LocalCoreError):
    """An error that the client receives; ``name`` is its shape in the service model."""

    name = "ServiceError"


class ServiceError(IpcError):
    """The nucleus cannot do what was requested."""


class UnauthorizedError(IpcError):
    """The component's accessControl does not allow the operation on the resource."""

    name = "UnauthorizedError"


class ResourceNotFoundError(IpcError):
    """There is no such component or configuration key."""

    name = "ResourceNotFoundError"


class InvalidArgumentsError(IpcError):
    """The request breaks a rule of its operation."""

    name = "InvalidArgumentsError"
