"""The rules that every synthesis must pass, beyond CloudFormation's own, which the CDK checks."""

import aws_cdk as cdk
from cdk_nag import AwsSolutionsChecks


def add_checks(app: cdk.App) -> None:
    """Make ``synth`` fail on a finding of cdk-nag's AwsSolutions rules that is not acknowledged."""
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
