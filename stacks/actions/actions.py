"""Rules of AWS IoT that send predictions of certain labels to other services of AWS."""

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_iot as iot
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from stacks import names
from stacks.actions import sql, targets
from stacks.arns import regional_arn
from stacks.context.actions import LabelAction
from stacks.iot_rules import sql as rule_sql
from stacks.iot_rules.log import RuleLog
from stacks.names import StackNames


class LabelActions(Construct):
    """One rule per action, with a role that may do exactly what the action does.

    What a target refuses goes to a log group, with the message: nothing else reports it.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        own: StackNames,
        actions: Sequence[LabelAction],
    ) -> None:
        super().__init__(scope, construct_id)
        self._own = own
        errors = RuleLog(
            self,
            "Errors",
            rules=f"{names.rule_name(own.stack)}_*",
            description=f"Logs failed actions of the {own.owner}",
            retention=logs.RetentionDays.ONE_MONTH,
        )
        for action in actions:
            self._add(action, errors)

    def _add(self, action: LabelAction, errors: RuleLog) -> None:
        rule_name, target = names.action_rule_name(self._own.stack, action.name), action.target
        role_arn = ""
        if target.service in targets.PERMISSIONS:
            role = iam.Role(
                self,
                f"{action.name}Role",
                description=f"Sends the predictions of action {action.name}",
                assumed_by=rule_sql.trust(rule_name),
                inline_policies={
                    "Target": iam.PolicyDocument(statements=[targets.statement(target)])
                },
            )
            role_arn = role.role_arn
        rule = iot.CfnTopicRule(
            self,
            f"{action.name}Rule",
            rule_name=rule_name,
            topic_rule_payload=iot.CfnTopicRule.TopicRulePayloadProperty(
                description=f"Action {action.name} of the {self._own.owner}",
                sql=sql.statement(action, self._own),
                aws_iot_sql_version=rule_sql.VERSION,
                actions=[targets.rule_action(target, role_arn)],
                error_action=errors.action,
            ),
        )
        if not role_arn:
            permission = lambda_.CfnPermission(
                self,
                f"{action.name}Permission",
                action="lambda:InvokeFunction",
                function_name=target.arn,
                principal="iot.amazonaws.com",
                source_account=cdk.Aws.ACCOUNT_ID,
                source_arn=regional_arn("iot", f"rule/{rule_name}"),
            )
            permission.node.add_dependency(rule)
