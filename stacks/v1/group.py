"""The group, to which everything else belongs."""

from aws_cdk import aws_greengrass as greengrass
from constructs import Construct


class Group(Construct):
    """A group with its role and no content, which its versions define.

    Versions are resources of their own, and not the group's initial version, so that a change
    creates a new version and never a new group.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, core_name: str, role_arn: str
    ) -> None:
        super().__init__(scope, construct_id)
        self.id = greengrass.CfnGroup(self, "Resource", name=core_name, role_arn=role_arn).attr_id
