"""Resets a group's deployments before the group is deleted, which CloudFormation cannot do."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks import arns
from stacks.custom_resources.function import CustomResourceFunction
from stacks.nag_acknowledgments import acknowledge_wildcards

TIMEOUT = cdk.Duration.minutes(5)
"""A forced reset does not wait for the core: it takes seconds."""


class DeploymentsReset(CustomResourceFunction):
    """A function with the custom resource whose deletion resets the group.

    The resource depends on the group, so CloudFormation deletes it first. If another group replaces
    this one, the new policy exists beside the old one until the old group is deleted, because its
    name contains the group's id. So the reset of the old group is still permitted.
    """

    def __init__(self, scope: Construct, construct_id: str, *, group_id: str) -> None:
        super().__init__(
            scope,
            construct_id,
            module="deployments_reset",
            description="Resets the deployments of a Greengrass group before it is deleted",
            role_description="Resets the deployments of one Greengrass group",
            timeout=TIMEOUT,
            inline_log_policy=True,
        )
        policy = self._policy(group_id)
        self.resource = self.custom_resource(
            self,
            "Resource",
            resource_type="Custom::GreengrassDeploymentsReset",
            properties={"GroupId": group_id},
        )
        # Deletion runs in reverse: the reset is complete before its permission is deleted.
        self.resource.node.add_dependency(policy)

    def _policy(self, group_id: str) -> iam.Policy:
        """Return the permission to reset this group and to read the state of the reset."""
        group = f"{arns.regional_arn('greengrass', '/greengrass/groups/')}{group_id}"
        deployments = f"{group}/deployments/*"
        policy = iam.Policy(
            self,
            "Policy",
            policy_name=f"ResetDeployments-{group_id}",
            roles=[self.role],
            statements=[
                iam.PolicyStatement(actions=["greengrass:ResetDeployments"], resources=[group]),
                iam.PolicyStatement(
                    actions=["greengrass:GetDeploymentStatus"], resources=[deployments]
                ),
            ],
        )
        acknowledge_wildcards(
            policy,
            [deployments],
            "A reset is a deployment, whose id the service gives when it begins.",
        )
        return policy
