"""What the core, its functions and its connectors may do in AWS."""

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks import arns
from stacks.context.model_source import TrainingJob
from stacks.core.feedback_bucket import FeedbackBucket
from stacks.nag_acknowledgments import acknowledge_wildcards
from stacks.v1.connector_definition import Connector

_SYSTEM_LOGS = "log-group:/aws/greengrass/GreengrassSystem/*"
_FUNCTION_LOGS = "log-group:/aws/greengrass/Lambda/${AWS::Region}"


class GroupRole(Construct):
    """The group role: write the core's logs, and feedback samples below their prefixes.

    With a ``training_job``, the connector that uses its model may also describe it.

    https://docs.aws.amazon.com/greengrass/v1/developerguide/group-role.html
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        core_name: str,
        function_name: str,
        samples: FeedbackBucket | None,
        connectors: Sequence[Connector],
        training_job: TrainingJob | None,
    ) -> None:
        super().__init__(scope, construct_id)
        own = arns.regional_arn("logs", f"{_FUNCTION_LOGS}/${{AWS::AccountId}}/")
        logs = [
            arns.regional_arn("logs", _SYSTEM_LOGS),
            f"{own}{function_name}",
            f"{own}{function_name}:*",
        ]
        for connector in connectors:
            # It is a function too, of an account of AWS that is called `aws`.
            logs += [
                arns.regional_arn("logs", f"{_FUNCTION_LOGS}/aws/{name}")
                for name in (connector.log_name, f"{connector.log_name}:*")
            ]
        statements = [
            iam.PolicyStatement(
                actions=[
                    "logs:CreateLogGroup",
                    "logs:CreateLogStream",
                    "logs:DescribeLogStreams",
                    "logs:PutLogEvents",
                ],
                resources=logs,
            )
        ]
        if samples is not None:
            statements += samples.write_statements()
        if training_job is not None:
            statements.append(
                iam.PolicyStatement(
                    actions=["sagemaker:DescribeTrainingJob"], resources=[training_job.arn]
                )
            )
        role = iam.Role(
            self,
            "Resource",
            description=f"What the Greengrass group of {core_name} may do in AWS",
            assumed_by=_groups_of_this_account(),
            inline_policies={"Group": iam.PolicyDocument(statements=statements)},
        )
        acknowledge_wildcards(
            role,
            logs,
            "A core names a log group after each of its system components, and a log stream after "
            "the day and the group.",
        )
        if samples is not None:
            acknowledge_wildcards(
                role,
                samples.object_arns(),
                "The connector names a sample by a UUID below its configuration's prefix.",
            )
        self.arn = role.role_arn


def _groups_of_this_account() -> iam.PrincipalBase:
    """Return the service, when it acts for a group of this account and Region.

    https://docs.aws.amazon.com/greengrass/v1/developerguide/cross-service-confused-deputy-prevention.html
    """
    return iam.ServicePrincipal(
        "greengrass.amazonaws.com",
        conditions={
            "StringEquals": {"aws:SourceAccount": cdk.Aws.ACCOUNT_ID},
            "ArnLike": {"aws:SourceArn": arns.regional_arn("greengrass", "/greengrass/groups/*")},
        },
    )
