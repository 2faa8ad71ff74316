"""The AWS credentials that a core gets for its certificate."""

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_iot as iot
from constructs import Construct

from stacks import arns, names
from stacks.artifacts import Artifact

_LOG_GROUPS = "log-group:/aws/greengrass/*"


class TokenExchange(Construct):
    """The token exchange role and its alias: write logs, read this core's artifacts.

    https://docs.aws.amazon.com/greengrass/v2/developerguide/device-service-role.html
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, core_name: str, artifacts: Sequence[Artifact]
    ) -> None:
        super().__init__(scope, construct_id)
        role = iam.Role(
            self,
            "Role",
            description=f"What the Greengrass core {names.thing_name(core_name)} may do in AWS",
            assumed_by=iam.ServicePrincipal("credentials.iot.amazonaws.com"),
            inline_policies={
                "Core": iam.PolicyDocument(
                    statements=[
                        iam.PolicyStatement(
                            actions=[
                                "logs:CreateLogGroup",
                                "logs:CreateLogStream",
                                "logs:DescribeLogStreams",
                                "logs:PutLogEvents",
                            ],
                            resources=[arns.regional_arn("logs", _LOG_GROUPS)],
                        ),
                        iam.PolicyStatement(
                            actions=["s3:GetBucketLocation"],
                            resources=[artifact.bucket_arn for artifact in artifacts],
                        ),
                        iam.PolicyStatement(
                            actions=["s3:GetObject"],
                            resources=[artifact.object_arn for artifact in artifacts],
                        ),
                    ]
                )
            },
        )
        alias = iot.CfnRoleAlias(
            self, "Alias", role_alias=names.role_alias_name(core_name), role_arn=role.role_arn
        )
        log_groups = f"arn:<AWS::Partition>:logs:<AWS::Region>:<AWS::AccountId>:{_LOG_GROUPS}"
        cdk.Validations.of(role).acknowledge(
            cdk.Acknowledgment(
                id=f"AwsSolutions-IAM5[Resource::{log_groups}]",
                reason="A core names a log group after each component that it runs, the nucleus's "
                "own included, and a log stream after the day; all lie under /aws/greengrass.",
            )
        )
        self.role = role
        self.alias_arn = alias.attr_role_alias_arn
