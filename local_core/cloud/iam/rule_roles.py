"""The roles with which rules of AWS IoT act.

Uses ministack's internals, of exactly version 1.5.33: its rules need no permission.
"""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Mapping
from typing import Any

from .. import location
from .authorization import Authorization

_SERVICE = "iot.amazonaws.com"
_STREAM = "rules"
"""The log stream of all rules; those of AWS have names of its own."""

_log = logging.getLogger(__name__)

Action = Mapping[str, Any]


class RuleRoles:
    """Lets a rule act only as far as its role does, or a function's policy.

    ministack matches the topic, evaluates the statement, and writes into tables, topics and queues
    and invokes functions; log groups and delivery streams are written here. A refusal is logged,
    and goes to the rule's error action. A message that is nested too deeply, or has too long a
    number, is text for a rule, and does not fail its sender. Create it once, after the emulator.
    """

    def __init__(self, iam: Authorization) -> None:
        from ministack.core import responses
        from ministack.services import cloudwatch_logs, firehose, iot, lambda_svc

        self._iam = iam
        self._scope = responses.request_scope
        self._logs, self._firehose, self._functions = cloudwatch_logs, firehose, lambda_svc
        self._act, iot._dispatch_rule_action = iot._dispatch_rule_action, self._checked
        self._read, iot._rule_message = iot._rule_message, self._message

    def _message(self, payload: bytes) -> Any:
        try:
            return self._read(payload)
        except (RecursionError, ValueError):
            return payload.decode(errors="replace")

    async def _checked(
        self, account: str, region: str, rule: str, action: Mapping[str, Any], event: Any
    ) -> None:
        kind = next(iter(action), "")
        made: Action = action.get(kind) or {}
        if kind == "lambda":
            self._check_function(rule, str(made.get("functionArn")))
        elif kind in _NEEDS:
            self._check_role(rule, made, *_needed(kind, made))
        if kind == "cloudwatchLogs":
            self._write_log(account, region, str(made.get("logGroupName")), event)
        elif kind == "firehose":
            self._put_record(account, region, made, event)
        else:
            if kind not in (*_NEEDS, "lambda", "republish"):
                _log.warning("rule %s: the local cloud has no action %s", rule, kind)
            await self._act(account, region, rule, action, event)

    def _check_role(self, rule: str, action: Action, permission: str, resource: str) -> None:
        role, source = str(action.get("roleArn")), location.arn("iot", f"rule/{rule}")
        session = self._iam.session_of(role, _SERVICE, rule, source_arn=source)
        if session is None:
            raise PermissionError(f"the rule {rule} cannot assume the role {role}")
        with self._iam.acting_as(session):
            self._iam.authorize(permission, resource)

    def _check_function(self, rule: str, arn: str) -> None:
        """Raise ``PermissionError`` unless the function's own policy lets the rule invoke it."""
        from ministack.core.iam_evaluator import EvalContext, evaluate_resource_policy

        with self._scope(location.ACCOUNT, location.REGION):
            found = self._functions.function_policy_for_arn(arn)
        context = EvalContext(
            principal_arn=_SERVICE,
            principal_type="Service",
            principal_account=location.ACCOUNT,
            action="lambda:InvokeFunction",
            resource_arn=arn,
            region=location.REGION,
            service_context={
                "aws:sourcearn": location.arn("iot", f"rule/{rule}"),
                "aws:sourceaccount": location.ACCOUNT,
            },
        )
        if (
            found is None
            or evaluate_resource_policy(found[0], context, _SERVICE).decision != "Allow"
        ):
            raise PermissionError(f"the rule {rule} may not invoke {arn}")

    def _write_log(self, account: str, region: str, group: str, event: Any) -> None:
        text = event if isinstance(event, str) else json.dumps(event)
        place = {"logGroupName": group, "logStreamName": _STREAM}
        with self._scope(account, region):
            self._logs._create_log_stream(place)  # or it exists
            reply = self._logs._put_log_events({**place, "logEvents": [{"message": text}]})
        if reply[0] >= 400:
            raise RuntimeError(f"the log group {group} took nothing: {reply[2]!r}")

    def _put_record(self, account: str, region: str, action: Action, event: Any) -> None:
        text = event if isinstance(event, str) else json.dumps(event)
        data = base64.b64encode((text + str(action.get("separator") or "")).encode()).decode()
        name = action.get("deliveryStreamName")
        with self._scope(account, region):
            reply = self._firehose._put_record(
                {"DeliveryStreamName": name, "Record": {"Data": data}}
            )
        if reply[0] >= 400:
            raise RuntimeError(f"the delivery stream {name} took nothing: {reply[2]!r}")


_NEEDS = {
    "cloudwatchLogs": "logs:PutLogEvents",
    "dynamoDBv2": "dynamodb:PutItem",
    "firehose": "firehose:PutRecord",
    "sns": "sns:Publish",
    "sqs": "sqs:SendMessage",
}
"""The permission that a rule's role needs for each of its actions."""


def _needed(kind: str, action: Action) -> tuple[str, str]:
    """Return the permission for an action, and the resource."""
    if kind == "sns":
        resource = str(action.get("targetArn"))
    elif kind == "sqs":
        resource = location.arn("sqs", str(action.get("queueUrl")).rsplit("/", 1)[-1])
    elif kind == "firehose":
        resource = location.arn("firehose", f"deliverystream/{action.get('deliveryStreamName')}")
    elif kind == "dynamoDBv2":
        table = (action.get("putItem") or {}).get("tableName")
        resource = location.arn("dynamodb", f"table/{table}")
    else:
        resource = location.arn("logs", f"log-group:{action.get('logGroupName')}:*")
    return _NEEDS[kind], resource
