"""CloudFormation's calls, made as the role that a stack was given, or else as the caller."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs

from .. import location
from ..api.errors import ApiError
from .api_calls import PASS_ROLE, PASSED_TO
from .authorization import Authorization, Caller
from .stack_checks import Step, stack_checks

_SERVICE = "cloudformation.amazonaws.com"
_SESSION = "AWSCloudFormation"


class StackRoles:
    """Remembers whose permissions each stack uses, and checks the steps of its operations."""

    def __init__(self, iam: Authorization) -> None:
        self._iam = iam
        self._callers: dict[str, Caller | None] = {}
        self._with_role: set[str] = set()

    def note(self, query: str, body: bytes) -> Caller | None:
        """Take the caller's request to CloudFormation; return as whom it is carried out.

        As on AWS, a stack keeps its role until an operation gives another one.

        Raises:
            ApiError: if the caller may not pass the role, or CloudFormation not assume it.
        """
        parameters = parse_qs(f"{query}&{body.decode('utf-8', 'replace')}")
        named = parameters.get("StackName", [""])[0]
        stack = named.split("/")[1] if named.startswith("arn:") else named
        role = parameters.get("RoleARN", [""])[0]
        if role:
            self._iam.authorize(PASS_ROLE, role, {PASSED_TO: _SERVICE})
            session = self._iam.session_of(role, _SERVICE, _SESSION)
            if session is None:
                reason = f"Role {role} is invalid or cannot be assumed"
                raise ApiError("ValidationError", reason)
            self._callers[stack] = session
            self._with_role.add(stack)
        elif stack and stack not in self._with_role:
            self._callers[stack] = self._iam.caller
        return self._callers.get(stack, self._iam.caller)

    @contextmanager
    def guard(
        self,
        verb: str,
        kind: str,
        stack: str,
        logical_id: str,
        physical_id: str,
        properties: Mapping[str, Any],
    ) -> Iterator[None]:
        """Check what a step of a stack needs, then let it be carried out as the stack's role.

        Raises:
            ApiError: if the role may not do it, which CloudFormation shows as the reason.
        """
        step = Step(verb, kind, stack, logical_id, physical_id, properties)
        with self._iam.acting_as(self._callers.get(stack)):
            checks = stack_checks(step)
            if checks is None:
                self._iam.log_unchecked(f"cloudformation:{step.verb}", step.type)
            for check in checks or ():
                self._iam.authorize(check.action, check.resource, check.context)
            yield

    def check_parameter(self, name: str) -> None:
        """Check that the caller, or the role that it passed, may read an SSM parameter.

        Raises:
            ValueError: if not, which CloudFormation shows as the reason.
        """
        resource = location.arn("ssm", f"parameter/{name.lstrip('/')}")
        try:
            self._iam.authorize("ssm:GetParameters", resource)
        except ApiError as error:
            raise ValueError(str(error)) from None
