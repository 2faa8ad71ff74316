"""Rules of AWS IoT that send predictions of certain labels to other services of AWS."""

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_iot as iot
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from inference import schema
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
    ``published`` are the labels that cores publish, none if any can be.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        own: StackNames,
        actions: Sequence[LabelAction],
        published: Sequence[str],
    ) -> None:
        super().__init__(scope, construct_id)
        self._own = own
        self._published = published
        errors = RuleLog(
            self,
            "Errors",
            rules=f"{names.rule_name(own.stack)}_*",
            description=f"Logs failed actions of the {own.owner}",
            retention=logs.RetentionDays.ONE_MONTH,
        )
        for action in actions:
            self._warn_of_labels(action)
            self._add(action, errors)

    def _warn_of_labels(self, action: LabelAction) -> None:
        """Name the labels for which an action waits in vain: nothing would ever report it."""
        missing = [label for label in action.labels if label not in self._published]
        if not self._published or not missing:
            return
        near = schema.nearest(missing[0], self._published)
        hint = f"; did you mean {near}?" if near else ""
        cdk.Annotations.of(self).add_warning_v2(
            f"mli-greengrass:labelsOfAction:{action.name}",
            f"The action {action.name} waits for {schema.words_text(missing)}, which a core with "
            f"this modelProfile and these classes never publishes{hint}",
        )

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
