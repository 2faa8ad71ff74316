"""The content that a core receives: one version of its group."""

from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_greengrass as greengrass
from constructs import Construct


@dataclass(frozen=True)
class DefinitionVersions:
    """The ARNs of the versions of definitions that make up one version of a group."""

    core: str
    function: str
    resource: str
    subscription: str
    logger: str
    connector: str | None


class GroupVersion(Construct):
    """A version of a group. Each change of a definition creates a new one."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        group_id: str,
        versions: DefinitionVersions,
    ) -> None:
        super().__init__(scope, construct_id)
        version = greengrass.CfnGroupVersion(
            self,
            "Resource",
            group_id=group_id,
            core_definition_version_arn=versions.core,
            function_definition_version_arn=versions.function,
            resource_definition_version_arn=versions.resource,
            subscription_definition_version_arn=versions.subscription,
            logger_definition_version_arn=versions.logger,
            connector_definition_version_arn=versions.connector,
        )
        # arn:aws:greengrass:<region>:<account>:/greengrass/groups/<group>/versions/<version>
        self.id = cdk.Fn.select(5, cdk.Fn.split("/", version.ref))
