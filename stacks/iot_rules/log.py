"""A log group that rules of AWS IoT write to."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_iot as iot
from aws_cdk import aws_logs as logs
from constructs import Construct

from stacks.iot_rules import sql


class RuleLog(Construct):
    """A log group, and a role with which the rules write whose names match ``rules``.

    It is one pattern, because a list of rules could exceed the 2,048 characters of a trust policy.

    https://docs.aws.amazon.com/iot/latest/developerguide/cloudwatch-logs-rule-action.html
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        rules: str,
        description: str,
        retention: logs.RetentionDays,
    ) -> None:
        super().__init__(scope, construct_id)
        self.group = logs.LogGroup(
            self, "Logs", retention=retention, removal_policy=cdk.RemovalPolicy.DESTROY
        )
        role = iam.Role(
            self,
            "Role",
            description=description,
            assumed_by=sql.trust(rules),
            inline_policies={
                "Logs": iam.PolicyDocument(
                    statements=[
                        iam.PolicyStatement(
                            sid="WriteLogs",
                            actions=[
                                "logs:CreateLogStream",
                                "logs:DescribeLogStreams",
                                "logs:PutLogEvents",
                            ],
                            resources=[self.group.log_group_arn],
                        )
                    ]
                )
            },
        )
        self.action = iot.CfnTopicRule.ActionProperty(
            cloudwatch_logs=iot.CfnTopicRule.CloudwatchLogsActionProperty(
                log_group_name=self.group.log_group_name, role_arn=role.role_arn
            )
        )
        """What a rule does to write its event to the log group."""
