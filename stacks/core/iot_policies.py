"""AWS IoT policy documents: what a core's certificate may do on the broker and the data planes.

cdk-nag does not check these; our own tests and docs/permissions.md do.
"""

from collections.abc import Sequence
from typing import Any

from stacks.arns import regional_arn

MAX_POLICY_CHARACTERS = 2_048
"""Largest document that AWS IoT accepts, without white space."""

_CORE_TOPICS = ("greengrass/health/json", "greengrassv2/health/json", "jobs/*", "shadow/*")


def policies_of_core(
    *, thing_name: str, role_alias_arn: str, topics: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Return the policies of a V2 core's certificate by the last part of their names.

    There are two, because one alone could exceed :data:`MAX_POLICY_CHARACTERS`.
    """
    return {
        "CorePolicy": core_policy(thing_name=thing_name, role_alias_arn=role_alias_arn),
        "PublishPolicy": publish_policy(topics),
    }


def core_policy(*, thing_name: str, role_alias_arn: str) -> dict[str, Any]:
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
            # The data plane resolves whatever a deployment names: AWS names no narrower resource.
            ["*"],
        ),
    )


def publish_policy(topics: Sequence[str]) -> dict[str, Any]:
    """Return the permission to publish on exactly these ``topics``."""
    return document(
        allow(["iot:Publish"], [regional_arn("iot", f"topic/{topic}") for topic in topics])
    )


def document(*statements: dict[str, Any]) -> dict[str, Any]:
    """Return a policy document of these statements."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(actions: Sequence[str], resources: Sequence[str]) -> dict[str, Any]:
    """Return the statement that allows ``actions`` on ``resources``."""
    return {"Effect": "Allow", "Action": list(actions), "Resource": list(resources)}
