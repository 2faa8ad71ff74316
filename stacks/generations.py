"""The two generations of AWS IoT Greengrass, behind one interface.

Everything that only the first generation needs is in :mod:`stacks.v1`. To remove that generation,
delete that folder, its entry in :data:`GENERATIONS`, its number in
:func:`stacks.context.values.greengrass_version`, and the handler ``deployments_reset`` of
:mod:`stacks.custom_resources`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import aws_cdk as cdk
from constructs import Construct

from inference.model.profiles.profile import load_profile
from stacks.context.rules import Rules
from stacks.context.settings import Settings
from stacks.core.inference_stack import InferenceStack
from stacks.simulator.set_up import V2_SET_UP, SetUpScript
from stacks.v1.rules import refused_by_v1, refused_by_v2
from stacks.v1.simulator import V1_SET_UP


class StackMaker(Protocol):
    """Adds the stack of one core, or of a fleet, to an app."""

    def __call__(self, scope: Construct, *, settings: Settings) -> cdk.Stack:
        """Return the stack of what ``settings`` describe."""


@dataclass(frozen=True)
class Generation:
    """What differs between the generations of Greengrass.

    ``rules`` are those that no other generation has. ``simulator`` sets up an EC2 instance as a
    core.
    """

    stack: StackMaker
    rules: Rules
    simulator: SetUpScript


# Each stack imports its own modules only: those of the CDK are large.


def _v1_stack(scope: Construct, *, settings: Settings) -> cdk.Stack:
    from stacks.v1.group_stack import GreengrassGroupStack

    return GreengrassGroupStack(scope, settings=settings)


def _v2_stack(scope: Construct, *, settings: Settings) -> cdk.Stack:
    if settings.fleet_name is None:
        from stacks.core.stack import GreengrassCoreStack

        core = GreengrassCoreStack(scope, settings=settings)
        _watch(core, settings)
        core.deploy_last()
        return core
    from stacks.fleet.stack import GreengrassFleetStack

    fleet = GreengrassFleetStack(scope, settings=settings)
    fleet.keep(*_watch(fleet, settings))
    fleet.deploy_last()
    return fleet


def _watch(stack: InferenceStack, settings: Settings) -> list[Construct]:
    """Add what watches cores in the cloud, as far as the settings ask for it, and return it."""
    found: list[Construct] = []
    if settings.dashboard or settings.alarm_email is not None:
        from stacks.monitoring.monitoring import Monitoring

        found.append(
            Monitoring(
                stack, "Monitoring", settings=settings, telemetry_table=stack.telemetry_table
            )
        )
    if settings.actions:
        from stacks.actions.actions import LabelActions

        labels = settings.inference.classes or load_profile(settings.model_profile).labels or ()
        found.append(
            LabelActions(
                stack,
                "Actions",
                own=settings.names,
                actions=settings.actions,
                published=labels,
            )
        )
    return found


GENERATIONS: Mapping[int, Generation] = {
    1: Generation(stack=_v1_stack, rules=refused_by_v1, simulator=V1_SET_UP),
    2: Generation(stack=_v2_stack, rules=refused_by_v2, simulator=V2_SET_UP),
}
"""Each generation by the number that the context key greengrassVersion gives."""


def read_settings(context: Mapping[str, object]) -> Settings:
    """Parse an app's context by the rules of all generations.

    Raises:
        ConfigurationError: with every fault, as :meth:`Settings.from_context` says.
    """
    rules = {number: generation.rules for number, generation in GENERATIONS.items()}
    return Settings.from_context(context, generation_rules=rules)
