"""Names of what a core owns in the cloud, all derived from the core's name."""

import hashlib

from inference import names as device_names

THING_GROUP_PATTERN = r"[a-zA-Z0-9_-]{1,128}"
"""The names of thing groups that AWS IoT Greengrass deploys to; AWS IoT also accepts a colon."""

LITE_CONFIGURATION = "config.d/zz-mli.yaml"
"""The configuration of nucleus lite, below ``/etc/greengrass``.

The nucleus reads the files of ``config.d`` after ``config.yaml``, in the order of their names.
AWS's Debian package has ``greengrass-lite.yaml`` there, which lets components run as ``ggcore``,
the owner of the private key: the name sorts after it, so that ``gg_component`` wins.
"""


def thing_name(core_name: str) -> str:
    """Return the name of the core's thing."""
    return f"{core_name}_Core"


def stack_name(core_name: str) -> str:
    """Return the core's stack name, so that several cores can live in one account.

    CloudFormation allows no underscores there. They become hyphens, and a digest distinguishes
    ``a_b`` from ``a-b``: with the same name, the second stack would replace the first.
    """
    if "_" not in core_name:
        return f"DlrInference-{core_name}"
    digest = hashlib.sha256(core_name.encode()).hexdigest()[:6]
    return f"DlrInference-{core_name.replace('_', '-')}-{digest}"


def simulator_stack_name(core_name: str) -> str:
    """Return the name of the stack with the core's EC2 instance."""
    return f"{stack_name(core_name)}-Simulator"


def component_name(core_name: str) -> str:
    """Return the name of the core's own component, so that versions of two cores never collide."""
    return f"DlrInference.{core_name}"


def thing_group_name(core_name: str) -> str:
    """Return the name of the core's own thing group, the target of its deployments."""
    return f"{core_name}_Group"


def role_alias_name(core_name: str) -> str:
    """Return the name of the role alias with which the core requests AWS credentials."""
    return f"{core_name}_CoreRoleAlias"


def published_topics(core_name: str, *, feedback: bool = True) -> tuple[str, ...]:
    """Return every topic on which the core publishes, predictions first, those of feedback last."""
    own = (device_names.prediction_topic(core_name), device_names.telemetry_topic(core_name))
    if not feedback:
        return own
    return (
        *own,
        device_names.FEEDBACK_PREDICTION_TOPIC,
        device_names.FEEDBACK_STATUS_TOPIC,
    )
