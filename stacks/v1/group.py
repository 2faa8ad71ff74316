"""The group, to which everything else belongs."""

from aws_cdk import aws_greengrass as greengrass
from constructs import Construct


class Group(Construct):
    """A group with its role, and nothing in it: its versions say what it consists of.

    They are resources of their own, not the group's initial one, so that a change makes another
    version and never another group.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, core_name: str, role_arn: str
    ) -> None:
        super().__init__(scope, construct_id)
        self.id = greengrass.CfnGroup(self, "Resource", name=core_name, role_arn=role_arn).attr_id
