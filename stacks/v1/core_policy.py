"""What the certificate of a V1 core may do with Greengrass itself."""

from typing import Any

from stacks.arns import regional_arn
from stacks.core.iot_policies import allow, document


def greengrass_policy(*, thing_name: str, group_id: str) -> dict[str, Any]:
    """Return the deployments' part of AWS's minimal policy of a V1 core, for its own group only.

    https://docs.aws.amazon.com/greengrass/v1/developerguide/device-auth.html#greengrass-policies
    """
    deployments = f"{regional_arn('greengrass', '/greengrass/groups/')}{group_id}/deployments/*"
    connectivity = f"/greengrass/things/{thing_name}/connectivityInfo"
    return document(
        # A core asks for these before it knows its group: AWS gives them no resource.
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
