"""The thing group of a fleet, and what keeps it from being deleted while it has members."""

from aws_cdk import aws_iam as iam
from aws_cdk import aws_iot as iot
from constructs import Construct, IDependable

from stacks.arns import regional_arn
from stacks.custom_resources.provider import CustomResourceProvider


class FleetGroup(Construct):
    """A thing group whose members do not belong to the stack.

    The stack cannot be deleted while there are members, or certificates with the ``claim_policy``,
    if there is one: more cores could join with them, and AWS IoT does not delete a policy that is
    attached. Members get their AWS credentials by its role alias, and download artifacts and write
    samples by its role: without them, a core only continues with what it has.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, name: str, claim_policy: str | None = None
    ) -> None:
        super().__init__(scope, construct_id)
        group = iot.CfnThingGroup(self, "Resource", thing_group_name=name)
        statements = [
            iam.PolicyStatement(
                sid="ListMembers",
                actions=["iot:ListThingsInThingGroup"],
                resources=[group.attr_arn],
            )
        ]
        properties = {"ThingGroupName": name}
        if claim_policy is not None:
            properties["ClaimPolicyName"] = claim_policy
            statements.append(
                iam.PolicyStatement(
                    sid="ListClaims",
                    actions=["iot:ListTargetsForPolicy"],
                    resources=[regional_arn("iot", f"policy/{claim_policy}")],
                )
            )
        self._members = CustomResourceProvider.of(self).resource(
            self,
            "Members",
            resource_type="Custom::FleetMembers",
            properties=properties,
            policy=iam.Policy(self, "Policy", statements=statements),
        )
        self._members.node.add_dependency(group)
        self.arn = group.attr_arn

    def keep(self, *needed: IDependable) -> None:
        """Let nothing of this be deleted before the group is known to be empty."""
        # CloudFormation deletes in the reverse order of dependencies.
        self._members.node.add_dependency(*needed)
