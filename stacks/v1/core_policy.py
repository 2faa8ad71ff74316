"""What the certificate of a V1 core may do on the broker and with Greengrass itself."""

from typing import Any

from stacks.arns import regional_arn
from stacks.core.iot_policies import allow, document


def broker_policy(*, thing_name: str) -> dict[str, Any]:
    """Return the part of AWS's minimal policy of a V1 core on the broker.

    Together with :func:`greengrass_policy` it would exceed the limit of one document.
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


def greengrass_policy(*, thing_name: str, group_id: str) -> dict[str, Any]:
    """Return the part of AWS's minimal policy of a V1 core on deployments, for its group only.

    https://docs.aws.amazon.com/greengrass/v1/developerguide/device-auth.html#greengrass-policies
    """
    deployments = f"{regional_arn('greengrass', '/greengrass/groups/')}{group_id}/deployments/*"
    connectivity = f"/greengrass/things/{thing_name}/connectivityInfo"
    return document(
        # A core calls these before it knows its group: they take no resource.
        allow(["greengrass:AssumeRoleForGroup", "greengrass:CreateCertificate"], ["*"]),
        allow(
            [
                "greengrass:GetDeployment",
                "greengrass:GetDeploymentArtifacts",
                "greengrass:UpdateCoreDeploymentStatus",
            ],
            [deployments],
        ),
        allow(
            ["greengrass:GetConnectivityInfo", "greengrass:UpdateConnectivityInfo"],
            [
                regional_arn("greengrass", connectivity),
                regional_arn("iot", f"thing/{thing_name}-*"),
            ],
        ),
    )
