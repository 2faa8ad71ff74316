"""The outputs of a deployed V2 stack, for the user and for the commands that set up its cores."""

import aws_cdk as cdk

from stacks.core.identity import CoreIdentity
from stacks.core.nucleus_configuration import NucleusConfiguration

_DEPLOYMENT_PARTS = (
    "targetArn",
    "deploymentName",
    "components",
    "deploymentPolicies",
    "iotJobConfiguration",
)
"""The parts of a deployment that a new one can copy; the service sets the others."""


def add_deployment_outputs(
    stack: cdk.Stack, *, configuration: NucleusConfiguration, target: str, deployment_id: str
) -> None:
    """Add the outputs of a deployment to ``target``, and of its cores' configuration."""
    add_output(
        stack,
        "GreengrassConfig",
        stack.to_json_string({"classic": configuration.classic(), "lite": configuration.lite()}),
        "config.yaml of the core (JSON is YAML): `classic` or `lite`, by its nucleus",
    )
    add_output(
        stack,
        "CommandToRedeploy",
        repeat_command(region=stack.region, deployment_id=deployment_id),
        "Shows the deployment, and creates it again",
    )
    add_output(stack, "DeploymentTarget", target, "Target of the deployment: a thing group")


def add_output(stack: cdk.Stack, name: str, value: str, description: str) -> None:
    """Add an output under its own name, which scripts rely on."""
    cdk.CfnOutput(stack, name, value=value, description=description)


def add_common_outputs(
    stack: cdk.Stack,
    *,
    prediction_topic: str,
    identity: CoreIdentity | None,
    feedback_bucket: str | None,
) -> None:
    """Add the outputs that both generations have."""
    add_output(stack, "PredictionTopic", prediction_topic, "Where predictions arrive")
    if feedback_bucket is not None:
        add_output(stack, "FeedbackBucket", feedback_bucket, "Where samples for retraining arrive")
    if identity is not None and identity.created_certificate is not None:
        add_output(
            stack,
            "CertificateId",
            identity.created_certificate.attr_id,
            "Certificate made from the signing request",
        )


def repeat_command(*, region: str, deployment_id: str) -> str:
    """Return the command that prints a deployment, saves it to a file, and creates it again."""
    parts = ", ".join(f"{part}: {part}" for part in _DEPLOYMENT_PARTS)
    return (
        f"aws greengrassv2 get-deployment --region {region} --deployment-id {deployment_id}"
        f" --output json --query '{{{parts}}}' | tee deployment.json"
        f" && aws greengrassv2 create-deployment --region {region}"
        " --cli-input-json file://deployment.json"
    )
