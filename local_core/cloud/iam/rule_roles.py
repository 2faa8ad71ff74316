"""The roles with which rules of AWS IoT act.

Uses ministack's internals, of exactly version 1.5.33: its rules need no permission.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import location
from .authorization import Authorization

_SERVICE = "iot.amazonaws.com"


class RuleRoles:
    """Lets a rule put an item into a table only as far as its role does.

    ministack matches the topic, evaluates the statement and puts the item. A refusal is logged,
    and goes to the rule's error action. A message that is nested too deeply, or has too long a
    number, is text for a rule, and does not fail its sender. Create it once, after the emulator.
    """

    def __init__(self, iam: Authorization) -> None:
        from ministack.services import iot

        self._iam = iam
        self._put, iot._dispatch_rule_dynamodb = iot._dispatch_rule_dynamodb, self._checked_put
        self._read, iot._rule_message = iot._rule_message, self._message

    def _message(self, payload: bytes) -> Any:
        try:
            return self._read(payload)
        except (RecursionError, ValueError):
            return payload.decode(errors="replace")

    def _checked_put(
        self, account: str, region: str, rule: str, action: Mapping[str, Any], event: Any
    ) -> None:
        table = str((action.get("putItem") or {}).get("tableName"))
        role = str(action.get("roleArn"))
        source = location.arn("iot", f"rule/{rule}")
        session = self._iam.session_of(role, _SERVICE, rule, source_arn=source)
        if session is None:
            raise PermissionError(f"the rule {rule} cannot assume the role {role}")
        with self._iam.acting_as(session):
            self._iam.authorize("dynamodb:PutItem", location.arn("dynamodb", f"table/{table}"))
        self._put(account, region, rule, action, event)
