"""The last number of a component's version, so that earlier content can be deployed again."""

from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks import arns
from stacks.custom_resources.provider import CustomResourceProvider


class ComponentRevision(Construct):
    """The first free number after a version's content numbers.

    A component's version is immutable and outlives its stack, so content that was deployed before,
    by this stack or by one that was deleted, would collide with its own version. The number is
    looked up only when the content changes.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, component_name: str, content_version: str
    ) -> None:
        super().__init__(scope, construct_id)
        component_arn = arns.regional_arn("greengrass", f"components:{component_name}")
        policy = iam.Policy(
            self,
            "Policy",
            statements=[
                iam.PolicyStatement(
                    sid="ListVersions",
                    actions=["greengrass:ListComponentVersions"],
                    resources=[component_arn],
                )
            ],
        )
        found = CustomResourceProvider.of(self).resource(
            self,
            "Resource",
            resource_type="Custom::ComponentRevision",
            properties={"ComponentArn": component_arn, "ContentVersion": content_version},
            policy=policy,
        )
        self.number = found.get_att_string("Revision")
