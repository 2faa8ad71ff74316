"""What an operation is: a name of the service model, and the function that answers it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from .request import Request
from .stream import Body, EventStream


@dataclass(frozen=True)
class Call:
    """One request of one component. ``events`` matters to subscriptions only."""

    component: str
    request: Request
    events: EventStream


@dataclass(frozen=True)
class Operation:
    """Answers calls with a reply's body, or raises an IpcError."""

    answer: Callable[[Call], Body]
    subscribes: bool = False
    """Whether the stream stays open for events after the reply."""


class Service(Protocol):
    """A group of operations that share their collaborators."""

    def operations(self) -> Mapping[str, Operation]:
        """Return the operations by their names in the service model, without the namespace."""


def all_operations(*services: Service) -> Mapping[str, Operation]:
    """Return the operations of all ``services`` together."""
    return {name: op for service in services for name, op in service.operations().items()}
