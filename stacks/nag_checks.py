"""The rules that every synthesis must pass, beyond CloudFormation's own, which the CDK checks."""

import os

import aws_cdk as cdk

_VALIDATION = "CDK_VALIDATION"
"""The CDK's variable, ``false`` after ``cdk --no-validation``."""


def add_checks(app: cdk.App) -> None:
    """Make ``synth`` fail on a finding of cdk-nag's AwsSolutions rules that is not acknowledged.

    Where the CDK's own validation is off, so are these: loading and applying them takes a
    third of a second.
    """
    if os.environ.get(_VALIDATION) == "false":
        return
    from cdk_nag import AwsSolutionsChecks

    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
