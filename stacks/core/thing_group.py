"""A core's own thing group, the target of its deployments."""

from aws_cdk import aws_iam as iam
from aws_cdk import aws_iot as iot
from constructs import Construct

from stacks import names
from stacks.core.identity import CoreIdentity
from stacks.custom_resources.provider import CustomResourceProvider


class CoreGroup(Construct):
    """A core's own thing group, whose only member is the core's thing.

    A deployment to a thing travels by a named shadow, which nucleus lite does not read; one to a
    thing group travels by a job, which both nuclei do. So a single core is a fleet of one.
    https://docs.aws.amazon.com/greengrass/v2/developerguide/manage-deployments.html
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, core_name: str, identity: CoreIdentity
    ) -> None:
        super().__init__(scope, construct_id)
        name = names.thing_group_name(core_name)
        group = iot.CfnThingGroup(self, "Resource", thing_group_name=name)
        policy = iam.Policy(
            self,
            "Policy",
            statements=[
                iam.PolicyStatement(
                    sid="Membership",
                    actions=["iot:AddThingToThingGroup", "iot:RemoveThingFromThingGroup"],
                    resources=[group.attr_arn, identity.thing_arn],
                )
            ],
        )
        self.membership = CustomResourceProvider.of(self).resource(
            self,
            "Membership",
            resource_type="Custom::ThingGroupMembership",
            # Not `group.ref`, which is the group's id.
            properties={"ThingName": identity.thing_name, "ThingGroupName": name},
            policy=policy,
        )
        """Wait for it before deploying to the group, so that the core is in it from the start."""
        self.arn = group.attr_arn
