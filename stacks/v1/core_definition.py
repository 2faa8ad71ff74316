"""Which thing is the group's core."""

from aws_cdk import aws_greengrass as greengrass
from constructs import Construct

from stacks import names


class CoreDefinition(Construct):
    """A definition with one core: the thing and the certificate by which it connects."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        core_name: str,
        thing_arn: str,
        certificate_arn: str,
    ) -> None:
        super().__init__(scope, construct_id)
        definition = greengrass.CfnCoreDefinition(self, "Resource", name=f"{core_name}_Core")
        version = greengrass.CfnCoreDefinitionVersion(
            self,
            "Version",
            core_definition_id=definition.attr_id,
            cores=[
                greengrass.CfnCoreDefinitionVersion.CoreProperty(
                    id=names.thing_name(core_name),
                    thing_arn=thing_arn,
                    certificate_arn=certificate_arn,
                    sync_shadow=False,
                )
            ],
        )
        self.version_arn = version.ref
