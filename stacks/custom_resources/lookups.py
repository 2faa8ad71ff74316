"""What a template cannot know by itself, looked up during deployment."""

from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.custom_resources.function import CustomResourceFunction

_ID = "Lookups"

TIMEOUT = cdk.Duration.minutes(1)
"""Time for two or three calls, each of which may be retried."""


class CloudLookups(CustomResourceFunction):
    """A function that only reads, one per stack, behind custom resources of several types."""

    @classmethod
    def of(cls, scope: Construct) -> "CloudLookups":
        """Return the lookups of ``scope``'s stack, created at the first call."""
        stack = cdk.Stack.of(scope)
        found = stack.node.try_find_child(_ID)
        return found if isinstance(found, cls) else cls(stack)

    def __init__(self, stack: cdk.Stack) -> None:
        super().__init__(
            stack,
            _ID,
            module="lookups",
            description="Looks up endpoints and component versions for CloudFormation",
            role_description="Reads what the template of a Greengrass core cannot know",
            timeout=TIMEOUT,
        )

    def resource(
        self,
        scope: Construct,
        construct_id: str,
        *,
        resource_type: str,
        properties: Mapping[str, str],
        policy: iam.Policy,
    ) -> cdk.CustomResource:
        """Return a lookup in ``scope``; ``policy`` has the permissions that it needs."""
        policy.attach_to_role(self.role)
        resource = self.custom_resource(
            scope, construct_id, resource_type=resource_type, properties=properties
        )
        # Deletion runs in reverse: policy and log group remain until the function has answered.
        resource.node.add_dependency(policy, self.role, self.log_group)
        return resource
