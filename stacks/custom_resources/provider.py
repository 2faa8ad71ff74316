"""What a template can neither know nor create by itself, by one function per stack."""

from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct, IDependable

from stacks.custom_resources.function import CustomResourceFunction

_ID = "CustomResources"

TIMEOUT = cdk.Duration.minutes(10)
"""Time for Amazon S3 to copy the artifacts of a component, of which Greengrass takes 2 GB."""


class CustomResourceProvider(CustomResourceFunction):
    """One function per stack, behind custom resources of several types.

    It has exactly the permissions that the stack's custom resources attach to its role.
    """

    @classmethod
    def of(cls, scope: Construct) -> "CustomResourceProvider":
        """Return the provider of ``scope``'s stack, created at the first call."""
        stack = cdk.Stack.of(scope)
        found = stack.node.try_find_child(_ID)
        return found if isinstance(found, cls) else cls(stack)

    def __init__(self, stack: cdk.Stack) -> None:
        super().__init__(
            stack,
            _ID,
            module="handler",
            description="Custom resources of a Greengrass core",
            role_description="Custom resources of a Greengrass core: only what its policies allow",
            timeout=TIMEOUT,
        )

    def resource(
        self,
        scope: Construct,
        construct_id: str,
        *,
        resource_type: str,
        properties: Mapping[str, object],
        policy: iam.Policy,
        sees_rollback: bool = False,
    ) -> cdk.CustomResource:
        """Return a lookup in ``scope``; ``policy`` has the permissions that it needs.

        With ``sees_rollback`` it may also ask whether the stack rolls back.
        """
        policy.attach_to_role(self.role)
        resource = self.custom_resource(
            scope, construct_id, resource_type=resource_type, properties=properties
        )
        # Deletion runs in reverse: policy and log group remain until the function has answered.
        resource.node.add_dependency(policy, self.role, self.log_group)
        if sees_rollback:
            resource.node.add_dependency(self._rollback_policy())
        return resource

    def _rollback_policy(self) -> IDependable:
        """Return the one policy of all custom resources that see a rollback."""
        return self.node.try_find_child("Rollback") or iam.Policy(
            self,
            "Rollback",
            roles=[self.role],
            statements=[
                iam.PolicyStatement(
                    sid="SeeRollback",
                    actions=["cloudformation:DescribeStacks"],
                    resources=[cdk.Aws.STACK_ID],
                )
            ],
        )
