"""What the commands ask of a generation of Greengrass, so that they need not know which it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ...aws import Clients
from ..stacks.core import CoreStack
from .core_state import CoreState, Deployment
from .layout import Layout, Nucleus


@dataclass(frozen=True)
class Order:
    """The deployment that the core is to carry out, and whether it was created just now."""

    id: str
    is_new: bool


class Generation(Protocol):
    """One generation of Greengrass, as the stack of a core deploys it."""

    def matches(self, stack: CoreStack) -> bool:
        """Return whether a stack is of this generation, by its outputs."""

    def layout(self, stack: CoreStack, nucleus: Nucleus) -> Layout:
        """Return where the files of a stack's core go on its device.

        Raises:
            MliError: if the stack's output is not that of this generation.
        """

    def state(self, clients: Clients, stack: CoreStack) -> CoreState:
        """Ask the cloud what the core last reported."""

    def redeploy(self, clients: Clients, stack: CoreStack, *, again: bool) -> Order:
        """Repeat the latest deployment; one that is still under way is returned instead.

        ``again`` repeats it in any case.

        Raises:
            MliError: if there is nothing to repeat.
        """

    def progress(
        self, clients: Clients, stack: CoreStack, identity: str
    ) -> tuple[Deployment | None, bool]:
        """Return how a deployment goes, if the core knows it, and whether it ever connected.

        Raises:
            MliError: if the core will never carry it out.
        """

    def log_commands(self, state: CoreState) -> tuple[str, ...]:
        """Return the commands that show the core's own log, to type on the device."""
