"""The action of a rule for each kind of target, with the one permission that it needs."""

from aws_cdk import Fn
from aws_cdk import aws_iam as iam
from aws_cdk import aws_iot as iot

from stacks.context.actions import Target

PERMISSIONS = {"sns": "sns:Publish", "sqs": "sqs:SendMessage", "firehose": "firehose:PutRecord"}
"""The action of IAM by service. A function has a permission of its own, and needs no role."""

_Action = iot.CfnTopicRule.ActionProperty


def statement(target: Target) -> iam.PolicyStatement:
    """Return the permission of the rule's role: one action on one resource."""
    return iam.PolicyStatement(
        sid="Send", actions=[PERMISSIONS[target.service]], resources=[target.arn]
    )


def rule_action(target: Target, role_arn: str) -> iot.CfnTopicRule.ActionProperty:
    """Return the action of the rule; ``role_arn`` is not used for a function."""
    if target.service == "sns":
        return _Action(
            sns=iot.CfnTopicRule.SnsActionProperty(
                target_arn=target.arn, role_arn=role_arn, message_format="RAW"
            )
        )
    if target.service == "sqs":
        url = f"https://sqs.{target.region}.${{AWS::URLSuffix}}/{target.account}/{target.resource}"
        return _Action(
            sqs=iot.CfnTopicRule.SqsActionProperty(
                queue_url=Fn.sub(url), role_arn=role_arn, use_base64=False
            )
        )
    if target.service == "firehose":
        return _Action(
            firehose=iot.CfnTopicRule.FirehoseActionProperty(
                delivery_stream_name=target.resource, role_arn=role_arn, separator="\n"
            )
        )
    return _Action(lambda_=iot.CfnTopicRule.LambdaActionProperty(function_arn=target.arn))
