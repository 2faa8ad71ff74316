"""The MLFeedback connector, which chooses and uploads samples on a core of the first generation."""

import aws_cdk as cdk

from inference.feedback.configuration import FeedbackConfigurations
from stacks.v1.connector_definition import Connector, connector_arn, function_arn

NAME = "MLFeedback"


def feedback_connector(
    stack: cdk.Stack, configurations: FeedbackConfigurations, request_limit: int
) -> Connector:
    """Return the connector with these configurations.

    https://docs.aws.amazon.com/greengrass/v1/developerguide/ml-feedback-connector.html
    """
    configurations.require_buckets()
    return Connector(
        id=NAME,
        arn=connector_arn(NAME, 1),
        function_arn=function_arn(NAME),
        parameters={
            "FeedbackConfigurationMap": stack.to_json_string(configurations.to_json()),
            "RequestLimit": request_limit_text(request_limit),
        },
        log_name=NAME,
    )


def request_limit_text(limit: int) -> str:
    """Return the connector's RequestLimit: digits, or empty for no limit."""
    return str(limit) if limit else ""
