"""The MLFeedback connector, which chooses and uploads samples on a core of the first generation."""

import aws_cdk as cdk
from aws_cdk import aws_greengrass as greengrass
from constructs import Construct

from inference.feedback.configuration import FeedbackConfigurations

CONNECTOR_ARN = "arn:${AWS::Partition}:greengrass:${AWS::Region}::/connectors/MLFeedback/versions/1"

FUNCTION_ARN = "arn:${AWS::Partition}:lambda:${AWS::Region}:aws:function:MLFeedback"
"""The name with which a function on the core invokes the connector."""


class FeedbackConnector(Construct):
    """A definition with one connector.

    https://docs.aws.amazon.com/greengrass/v1/developerguide/ml-feedback-connector.html
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        core_name: str,
        configurations: FeedbackConfigurations,
        request_limit: int,
    ) -> None:
        super().__init__(scope, construct_id)
        configurations.require_buckets()
        self.connector_arn = cdk.Fn.sub(CONNECTOR_ARN)
        self.function_arn = cdk.Fn.sub(FUNCTION_ARN)
        definition = greengrass.CfnConnectorDefinition(
            self, "Resource", name=f"{core_name}_Connectors"
        )
        version = greengrass.CfnConnectorDefinitionVersion(
            self,
            "Version",
            connector_definition_id=definition.attr_id,
            connectors=[
                greengrass.CfnConnectorDefinitionVersion.ConnectorProperty(
                    id="MLFeedback",
                    connector_arn=self.connector_arn,
                    parameters={
                        "FeedbackConfigurationMap": cdk.Stack.of(self).to_json_string(
                            configurations.to_json()
                        ),
                        "RequestLimit": request_limit_text(request_limit),
                    },
                )
            ],
        )
        self.version_arn = version.ref


def request_limit_text(limit: int) -> str:
    """Return the connector's RequestLimit: digits, or empty for no limit."""
    return str(limit) if limit else ""
