"""What lets a fleet be deployed again after its first deployment has failed."""

from collections.abc import Iterable

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct, IConstruct

from stacks.custom_resources.provider import CustomResourceProvider


class LiftedProtection(Construct):
    """Lifts the stack's termination protection when its creation is undone, and only then.

    The CDK CLI sets the protection before it creates the stack, and when the creation has failed,
    the next `cdk deploy` begins with the deletion.
    """

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        self._provider = CustomResourceProvider.of(self)
        statement = iam.PolicyStatement(
            sid="LiftProtection",
            actions=["cloudformation:UpdateTerminationProtection"],
            resources=[cdk.Aws.STACK_ID],
        )
        self._resource = self._provider.resource(
            self,
            "Resource",
            resource_type="Custom::FleetProtection",
            properties={"Stack": cdk.Aws.STACK_ID},
            policy=iam.Policy(self, "Policy", statements=[statement]),
            sees_rollback=True,
        )

    def come_before(self, others: Iterable[IConstruct]) -> None:
        """Let the others be created after this, so that their failure undoes this too."""
        for other in others:
            if other not in (self, self._provider):
                other.node.add_dependency(self._resource)
