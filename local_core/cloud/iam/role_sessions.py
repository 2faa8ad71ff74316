"""Sessions of roles for services of AWS, which is how roles of devices and functions are used.

Uses ministack's internals, of exactly version 1.5.33: its STS lets only accounts assume roles.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .. import location
from .decisions import ALLOW, DENY, Decision, DecisionLog

_SESSION_SECONDS = 3_600.0


@dataclass(frozen=True)
class RoleSession:
    """Temporary credentials of a role; ``expires`` is in seconds since the epoch."""

    key: str
    secret: str
    token: str
    expires: float


class RoleSessions:
    """Makes sessions, as far as the roles' trust policies let it; create it after the emulator."""

    def __init__(self, log: DecisionLog) -> None:
        from ministack.core import iam_evaluator
        from ministack.services import iam, sts

        self._log = log
        self._evaluator, self._iam, self._sts = iam_evaluator, iam, sts
        self._keys: dict[str, Mapping[str, str]] = {}

    def keys_of(self, key: str) -> Mapping[str, str]:
        """Return the condition keys, in lower case, of the requests that an access key signs."""
        return self._keys.get(key, {})

    def assume_role(
        self,
        service: str,
        role_arn: str,
        name: str,
        *,
        seconds: float = _SESSION_SECONDS,
        source_arn: str | None = None,
        keys: Mapping[str, str] | None = None,
    ) -> RoleSession | None:
        """Return a session of a role for a service of AWS; None if the role does not trust it.

        ``source_arn`` is the resource for which the service acts. ``keys`` are condition keys of
        the requests that the session signs.
        """
        arn = f"arn:aws:sts::{location.ACCOUNT}:assumed-role/{role_arn.rsplit('/', 1)[-1]}/{name}"
        role = self._iam._roles.get_scoped(location.ACCOUNT, None, role_arn.rsplit("/", 1)[-1])
        is_trusted = role is not None and self._trusts(role, service, source_arn)
        verdict = ALLOW if is_trusted else DENY
        self._log.write(Decision(service, "sts:AssumeRole", role_arn, verdict))
        if not is_trusted or seconds > role["MaxSessionDuration"]:
            return None
        session = RoleSession(
            key="ASIA" + secrets.token_hex(8).upper(),
            secret=secrets.token_hex(20),
            token=secrets.token_hex(100),
            expires=time.time() + seconds,
        )
        record = {
            "Arn": arn,
            "UserId": f"{role['RoleId']}:{name}",
            "SecretAccessKey": session.secret,
            "SessionToken": session.token,
            "Expiration": session.expires,
        }
        self._sts.register_session(session.key, record)
        known = self._sts._sessions
        self._keys = {k: v for k, v in self._keys.items() if k in known}
        self._keys[session.key] = {k.lower(): v for k, v in (keys or {}).items()}
        return session

    def _trusts(self, role: Mapping[str, Any], service: str, source_arn: str | None) -> bool:
        source = {"aws:sourceaccount": location.ACCOUNT, "aws:sourcearn": source_arn}
        context = self._evaluator.EvalContext(
            principal_arn=service,
            principal_type="Service",
            principal_account=location.ACCOUNT,
            action="sts:AssumeRole",
            resource_arn="*",
            region=location.REGION,
            service_context=source if source_arn else {},
        )
        document = role["AssumeRolePolicyDocument"]
        decided = self._evaluator.evaluate_resource_policy(document, context, service=service)
        return bool(decided.decision == "Allow")
