"""AWS IoT policy documents: what a core's certificate may do on the broker and the data planes.

cdk-nag does not look into these; our own tests and docs/permissions.md do.
"""

from collections.abc import Sequence
from typing import Any

from stacks.arns import regional_arn

MAX_POLICY_CHARACTERS = 2_048
"""Largest document that AWS IoT takes, white space not counted."""

_CORE_TOPICS = ("greengrass/health/json", "greengrassv2/health/json", "jobs/*", "shadow/*")


def v2_core_policy(*, thing_name: str, role_alias_arn: str) -> dict[str, Any]:
    """Return AWS's minimal policy of a V2 core.

    https://docs.aws.amazon.com/greengrass/v2/developerguide/device-auth.html
    """
    # A core opens several connections and named shadows, each under its name and a suffix.
    topics = [f"$aws/things/{thing_name}*/{topic}" for topic in _CORE_TOPICS]
    filters = [topic for topic in topics if topic.endswith("/*")]
    return document(
        allow(["iot:Connect"], [regional_arn("iot", f"client/{thing_name}*")]),
        allow(["iot:Publish", "iot:Receive"], [regional_arn("iot", f"topic/{t}") for t in topics]),
        allow(["iot:Subscribe"], [regional_arn("iot", f"topicfilter/{t}") for t in filters]),
        allow(["iot:AssumeRoleWithCertificate"], [role_alias_arn]),
        allow(
            [
                "greengrass:GetComponentVersionArtifact",
                "greengrass:GetDeploymentConfiguration",
                "greengrass:ListThingGroupsForCoreDevice",
                "greengrass:ResolveComponentCandidates",
            ],
            # The data plane resolves whatever a deployment names: AWS gives no narrower resource.
            ["*"],
        ),
    )


def v1_core_policy(*, thing_name: str) -> dict[str, Any]:
    """Return the broker's part of AWS's minimal policy of a V1 core.

    The other part is in :mod:`stacks.v1.core_policy`: together they exceed what one may hold.
    https://docs.aws.amazon.com/greengrass/v1/developerguide/device-auth.html#greengrass-policies
    """
    # A core connects as its thing, and as its thing with a suffix for its deployment agent.
    things = [f"{thing_name}-*", thing_name]
    topics = [f"$aws/things/{thing_name}-*", f"$aws/things/{thing_name}/*"]
    return document(
        allow(["iot:Connect"], [regional_arn("iot", f"client/{name}") for name in things]),
        allow(["iot:Publish", "iot:Receive"], [regional_arn("iot", f"topic/{t}") for t in topics]),
        allow(["iot:Subscribe"], [regional_arn("iot", f"topicfilter/{t}") for t in topics]),
        allow(
            ["iot:DeleteThingShadow", "iot:GetThingShadow", "iot:UpdateThingShadow"],
            [regional_arn("iot", f"thing/{name}") for name in things],
        ),
    )


def publish_policy(topics: Sequence[str]) -> dict[str, Any]:
    """Return leave to publish on exactly these ``topics``."""
    return document(
        allow(["iot:Publish"], [regional_arn("iot", f"topic/{topic}") for topic in topics])
    )


def document(*statements: dict[str, Any]) -> dict[str, Any]:
    """Return a policy document of these statements."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(actions: Sequence[str], resources: Sequence[str]) -> dict[str, Any]:
    """Return the statement that allows ``actions`` on ``resources``."""
    return {"Effect": "Allow", "Action": list(actions), "Resource": list(resources)}
