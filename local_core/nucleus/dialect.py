"""What the classic nucleus and releases of nucleus lite do differently, beside their IPC.

The classic nucleus: ``GenericExternalService`` and ``DeploymentService`` of aws-greengrass-nucleus.
Nucleus lite: as observed with its releases 2.6.0 and 2.5.1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from stacks.core.nucleus_configuration import NUCLEUS_VERSION

from ..ipc import dialect as ipc


class Restart(Enum):
    """When a deployment restarts a component whose version and install script stay."""

    WHEN_SCRIPTS_CHANGE = "its interpolated scripts or their Setenv change"
    ALWAYS = "at every deployment"
    NEVER = "never"


@dataclass(frozen=True)
class Nucleus:
    """The behaviour of one nucleus."""

    name: str
    version: str
    ipc: ipc.Dialect
    restart: Restart
    rolls_back: bool
    """Whether a failed deployment is rolled back if it asks for that."""
    reset_ends_subscriptions: bool
    """Whether ``reset: [""]`` deletes the component's subscription to its configuration."""
    runs_while_installing: bool
    """Whether ``install`` and ``run`` start at the same time when the nucleus itself starts."""
    reads_shadows: bool
    """Whether it takes deployments to its thing, which travel by a named shadow."""
    reports_details: bool
    """Whether its reports on jobs carry the reason of a failure."""
    most_job_bytes: int | None = None
    """The longest job document that it can carry out; a longer one fails."""
    most_packet_bytes: int | None = None
    """The longest job document that it can receive; a longer one ends the connection."""

    @property
    def is_lite(self) -> bool:
        """Whether this is nucleus lite."""
        return self.ipc is ipc.LITE


CLASSIC = Nucleus(
    name="classic",
    version=NUCLEUS_VERSION,
    ipc=ipc.CLASSIC,
    restart=Restart.WHEN_SCRIPTS_CHANGE,
    rolls_back=True,
    reset_ends_subscriptions=False,
    runs_while_installing=False,
    reads_shadows=True,
    reports_details=True,
)
LITE = Nucleus(
    name="lite",
    version="2.6.0",
    ipc=ipc.LITE,
    restart=Restart.ALWAYS,
    rolls_back=False,
    reset_ends_subscriptions=False,
    runs_while_installing=True,
    reads_shadows=False,
    reports_details=False,
    most_job_bytes=3_286,
    most_packet_bytes=5_000,
)
LITE_2_5_1 = replace(
    LITE,
    name="lite-2.5.1",
    version="2.5.1",
    restart=Restart.NEVER,
    reset_ends_subscriptions=True,
)
NUCLEI = {one.name: one for one in (CLASSIC, LITE, LITE_2_5_1)}
"""Every nucleus by its name."""
