"""Where the samples of a core or a fleet lie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from inference.feedback.configuration import FeedbackConfiguration, FeedbackConfigurations
from stacks import names

from ..aws import Clients
from ..device.stacks.core import CoreStack
from ..device.stacks.fleet import FleetStack
from ..device.stacks.outputs import StackNotFoundError
from ..errors import MliError
from ..view.reasons import configurations_of

_BUCKET, _TARGET = "FeedbackBucket", "DeploymentTarget"


@dataclass(frozen=True)
class Place:
    """A prefix in a bucket, with the configurations that keep samples there, if they are known."""

    bucket: str
    prefix: str
    configurations: tuple[FeedbackConfiguration, ...] = ()


@dataclass(frozen=True)
class Owner:
    """The core or fleet of a name. ``core`` is empty for a fleet, ``fleet`` for another core."""

    core: str
    fleet: str
    places: tuple[Place, ...]

    @property
    def thing(self) -> str:
        """The folder of a core of a fleet below each prefix; empty for all others."""
        return names.thing_name(self.core) if self.core and self.fleet else ""


def find_owner(clients: Clients, name: str, prefixes: Sequence[str] = ()) -> Owner:
    """Return the core or fleet called ``name``, with the places that its deployment names.

    With ``prefixes``, the places are those in its bucket, such as those of earlier configurations.

    Raises:
        MliError: if there is neither, or it keeps no samples.
    """
    stack = _stack_of(clients, name)
    bucket = stack.outputs.get(_BUCKET)
    core, fleet = (stack.core_name, stack.fleet) if isinstance(stack, CoreStack) else ("", name)
    if prefixes:
        if bucket is None:
            raise MliError(f"{name}: --prefix needs the bucket of a stack, and its stack has none")
        return Owner(core, fleet, tuple(Place(bucket, one.strip("/")) for one in prefixes))
    component = names.fleet_component_name(fleet) if fleet else names.component_name(core)
    target = stack.outputs.get(_TARGET)  # Greengrass V1 has none
    known = configurations_of(clients, target, component) if target is not None else None
    owner = Owner(core, fleet, ())
    places = tuple(_places(known, bucket, owner.thing))
    if not places:
        raise MliError(
            f"{name} keeps no samples: it was deployed with feedback=false; "
            "deploy it with -c feedback=true"
        )
    return Owner(core, fleet, places)


def _stack_of(clients: Clients, name: str) -> CoreStack | FleetStack:
    try:
        return CoreStack.find(clients, name)
    except StackNotFoundError as error:
        try:
            return FleetStack.find(clients, name)
        except StackNotFoundError:
            raise error from None


def _places(
    known: FeedbackConfigurations | None, bucket: str | None, thing: str
) -> Iterator[Place]:
    """Yield each place once; without a known configuration, the whole bucket."""
    found: dict[tuple[str, str], list[FeedbackConfiguration]] = {}
    for one in known.all if known is not None else ():
        own = one.bucket or bucket
        if own is not None:
            prefix = "/".join(filter(None, (one.prefix, thing)))
            found.setdefault((own, prefix), []).append(one)
    if not found and bucket is not None:
        yield Place(bucket, "")
    for (own, prefix), configurations in found.items():
        yield Place(own, prefix, tuple(configurations))
