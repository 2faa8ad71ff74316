"""AWS's connectors in the group: they are functions of AWS, which the core downloads."""

from collections.abc import Sequence
from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_greengrass as greengrass
from constructs import Construct


@dataclass(frozen=True)
class Connector:
    """A connector of AWS with its parameters.

    ``function_arn`` is the name with which a function on the core invokes it, ``log_name`` that of
    its log groups below the account ``aws``.
    """

    id: str
    arn: str
    function_arn: str
    parameters: dict[str, str]
    log_name: str


class ConnectorDefinition(Construct):
    """A definition with these connectors."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        core_name: str,
        connectors: Sequence[Connector],
    ) -> None:
        super().__init__(scope, construct_id)
        definition = greengrass.CfnConnectorDefinition(
            self, "Resource", name=f"{core_name}_Connectors"
        )
        version = greengrass.CfnConnectorDefinitionVersion(
            self,
            "Version",
            connector_definition_id=definition.attr_id,
            connectors=[
                greengrass.CfnConnectorDefinitionVersion.ConnectorProperty(
                    id=one.id, connector_arn=one.arn, parameters=one.parameters
                )
                for one in connectors
            ],
        )
        self.version_arn = version.ref


def connector_arn(name: str, version: int) -> str:
    """Return the ARN of a connector of AWS."""
    place = "arn:${AWS::Partition}:greengrass:${AWS::Region}::/connectors"
    return cdk.Fn.sub(f"{place}/{name}/versions/{version}")


def function_arn(name: str) -> str:
    """Return the ARN of a connector's function, which is of the account ``aws``."""
    return cdk.Fn.sub("arn:${AWS::Partition}:lambda:${AWS::Region}:aws:function:" + name)
