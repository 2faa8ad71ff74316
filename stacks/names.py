"""Names of what a core or a fleet owns in the cloud, all derived from its own name."""

import hashlib
from dataclasses import dataclass

from inference import names as device_names

CORE_PLACEHOLDER = "<coreName>"
"""Stands for a core's name in the outputs of a fleet's stack."""

CORE_NAME_PARAMETER = "CoreName"
"""The parameter of a fleet's provisioning template, by which a device names itself."""

_LONGEST_TEMPLATE_NAME = 36
_OF_SIMULATOR = "-Simulator"

LITE_CONFIGURATION = "config.d/zz-mli.yaml"
"""The configuration of nucleus lite, below ``/etc/greengrass``.

The nucleus reads the files of ``config.d`` after ``config.yaml``, in the order of their names.
AWS's Debian package has ``greengrass-lite.yaml`` there, which lets components run as ``ggcore``,
the owner of the private key: the name sorts after it, so that ``gg_component`` wins.
"""


def thing_name(core_name: str) -> str:
    """Return the name of the core's thing."""
    return core_name + device_names.THING_SUFFIX


def core_of_thing(thing: str) -> str | None:
    """Return the core whose thing has this name, None for the thing of anything else."""
    suffix = device_names.THING_SUFFIX
    return thing.removesuffix(suffix) if thing.endswith(suffix) else None


def stack_name(core_name: str) -> str:
    """Return the core's stack name, so that several cores can live in one account.

    CloudFormation allows no underscores there. They become hyphens, and a digest distinguishes
    ``a_b`` from ``a-b``: with the same name, the second stack would replace the first. So it does
    a core that is called like the simulator of another core.
    """
    return _stack_name("DlrInference", core_name, distinct=core_name.endswith(_OF_SIMULATOR))


def simulator_stack_name(core_name: str) -> str:
    """Return the name of the stack with the core's EC2 instance, which no core's stack can have."""
    return stack_name(core_name) + _OF_SIMULATOR


def fleet_stack_name(fleet_name: str) -> str:
    """Return the name of a fleet's stack, which no core's stack can have."""
    return _stack_name("DlrInferenceFleet", fleet_name)


def _stack_name(kind: str, owner: str, *, distinct: bool = False) -> str:
    if "_" not in owner and not distinct:
        return f"{kind}-{owner}"
    digest = hashlib.sha256(owner.encode()).hexdigest()[:6]
    return f"{kind}-{owner.replace('_', '-')}-{digest}"


def component_name(core_name: str) -> str:
    """Return the name of the core's own component, so that versions of two cores never collide."""
    return f"DlrInference.{core_name}"


def fleet_component_name(fleet_name: str) -> str:
    """Return the name of a fleet's component, which no core's component can have."""
    return f"DlrInferenceFleet.{fleet_name}"


def thing_group_name(core_name: str) -> str:
    """Return the name of the core's own thing group, the target of its deployments."""
    return f"{core_name}_Group"


def role_alias_name(core_name: str) -> str:
    """Return the name of the role alias with which the core requests AWS credentials."""
    return f"{core_name}_CoreRoleAlias"


def fleet_role_alias_name(fleet_name: str) -> str:
    """Return the name of the role alias that the cores of a fleet share."""
    return f"{fleet_name}_FleetRoleAlias"


def rule_name(stack: str) -> str:
    """Return the name of a stack's rule of AWS IoT, in which a hyphen is not allowed."""
    return stack.replace("-", "_")


def provisioning_template_name(fleet_name: str) -> str:
    """Return the name of a fleet's provisioning template, for which AWS IoT allows 36 characters.

    A longer fleet name is cut, and a digest distinguishes it from others that begin alike.
    https://docs.aws.amazon.com/iot/latest/apireference/API_CreateProvisioningTemplate.html
    """
    if len(fleet_name) <= _LONGEST_TEMPLATE_NAME:
        return fleet_name
    digest = hashlib.sha256(fleet_name.encode()).hexdigest()[:8]
    return f"{fleet_name[: _LONGEST_TEMPLATE_NAME - len(digest) - 1]}-{digest}"


def claim_policy_name(fleet_name: str) -> str:
    """Return the name of the policy of a fleet's claim certificates."""
    return f"{fleet_name}_ClaimPolicy"


def canary_group_name(fleet_name: str) -> str:
    """Return the name of the thing group whose cores get each deployment of a fleet first."""
    return f"{fleet_name}-canary"


def action_rule_name(stack: str, action: str) -> str:
    """Return the name of the rule of an action, at most 128 characters, which no other rule has."""
    return _further_rule_name(stack, action, kind=action)


def metrics_rule_name(stack: str) -> str:
    """Return the name of the rule that makes metrics, which no rule of an action has."""
    return _further_rule_name(stack, "Metrics", kind="all metrics")


def _further_rule_name(stack: str, purpose: str, *, kind: str) -> str:
    """The digest distinguishes it from the rule of a stack that is called like both together."""
    digest = hashlib.sha256(f"{stack} {kind}".encode()).hexdigest()[:6]
    return f"{rule_name(stack)}_{purpose}_{digest}"


@dataclass(frozen=True)
class StackNames:
    """The names of what one stack owns.

    ``core`` is the name of its core in configuration and topics, ``*`` for all cores of a fleet,
    and ``owner`` is what a person calls the core or fleet.
    """

    core: str
    owner: str
    stack: str
    component: str
    thing_group: str
    role_alias: str

    @classmethod
    def of_core(cls, core_name: str) -> "StackNames":
        """Return the names of a core's stack."""
        return cls(
            core=core_name,
            owner=f"Greengrass core {core_name}",
            stack=stack_name(core_name),
            component=component_name(core_name),
            thing_group=thing_group_name(core_name),
            role_alias=role_alias_name(core_name),
        )

    @classmethod
    def of_fleet(cls, fleet_name: str) -> "StackNames":
        """Return the names of a fleet's stack, whose thing group has the fleet's own name."""
        return cls(
            core=device_names.ANY_CORE,
            owner=f"Greengrass fleet {fleet_name}",
            stack=fleet_stack_name(fleet_name),
            component=fleet_component_name(fleet_name),
            thing_group=fleet_name,
            role_alias=fleet_role_alias_name(fleet_name),
        )


def published_topics(
    core_name: str, *, feedback: bool = True, previews: bool = False
) -> tuple[str, ...]:
    """Return every topic on which the core publishes, predictions first, those of feedback last."""
    own: tuple[str, ...] = (
        device_names.prediction_topic(core_name),
        device_names.telemetry_topic(core_name),
    )
    if previews:
        own = (*own, device_names.preview_topic(core_name))
    if not feedback:
        return own
    return (
        *own,
        device_names.FEEDBACK_PREDICTION_TOPIC,
        device_names.FEEDBACK_STATUS_TOPIC,
    )
