"""The evaluation of policies: ministack's, completed and logged.

Uses ministack's internals, of exactly version 1.5.33.
With AUTH=true ministack maps the requests of its own services to actions and resources, and
evaluates the policies of the caller and of the resource. This module adds policy variables and the
name of the statement that decided.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs

from .. import location
from .decisions import ALLOW, DENY, Decision, DecisionLog
from .iot_resources import completed
from .variables import UnresolvedVariableError, expanded, has_variables

_PUBLIC_PARAMETER = re.compile(r"(arn:[\w-]+:ssm:[\w-]+):\d*:(?=parameter/aws/)")
"""SSM parameters of AWS itself belong to no account.

https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-public-parameters.html
"""
_TLS_VERSION = "1.3"


@dataclass(frozen=True)
class Denial:
    """Why something is not allowed, worded as AWS words it."""

    code: str
    message: str


@dataclass
class _Trace:
    """What one evaluation has looked at."""

    principal: str = ""
    matches: list[Any] = field(default_factory=list)


class PolicyEvaluation:
    """Evaluates IAM's and AWS IoT's policies in this process. Create it once, after the emulator.

    ``keys_of`` returns the condition keys of an access key's requests. The root user, whose key is
    ``test``, may do everything, and its calls are not logged.
    """

    def __init__(self, log: DecisionLog, keys_of: Callable[[str], Mapping[str, str]]) -> None:
        from ministack import app
        from ministack.core import iam_actions, iam_evaluator, responses, router
        from ministack.services import iam, iot

        self.log = log
        self._actions, self._evaluator, self._router = iam_actions, iam_evaluator, router
        self._iam, self._iot = iam, iot
        self._scope = responses.request_scope
        self._trace: ContextVar[_Trace | None] = ContextVar("trace", default=None)
        self._is_plain: ContextVar[bool] = ContextVar("is_plain", default=False)
        self._denied_on: ContextVar[str] = ContextVar("denied_on", default="*")
        self._keys_of = keys_of
        self._enforce, iam_evaluator.enforce = iam_evaluator.enforce, self._logged_enforce
        self._first_match, iam_evaluator._first_match = iam_evaluator._first_match, self._match
        self._keys, iam_evaluator._principal_keys = iam_evaluator._principal_keys, self._known_keys
        self._parse = functools.lru_cache(maxsize=1024)(iam_evaluator.parse_policy_document)
        iam_evaluator.parse_policy_document = self._parsed
        iam_actions.extract_resource_arn = completed(iam_actions.extract_resource_arn)
        self._denial = iam_actions.access_denied_response
        iam_actions.access_denied_response = self._worded_denial
        self._allows, iot._mqtt_policy_allows = iot._mqtt_policy_allows, self._session_allows
        self._pin_origin, app.pin_request_origin = app.pin_request_origin, self._pin_transport

    # Who calls.

    def set_transport(self, forwarded: str | None) -> None:
        """Count a request as sent over TLS, unless its X-Forwarded-Proto says ``http``.

        The endpoint is plain HTTP on loopback, where AWS's is HTTPS.
        """
        self._is_plain.set(forwarded == "http")

    @contextmanager
    def of_request(
        self,
        method: str,
        raw_path: str,
        query: str,
        headers: list[tuple[bytes, bytes]],
        body: bytes,
    ) -> Iterator[str]:
        """Yield the access key of a request, whose signature is checked when it is decided on."""
        parameters = parse_qs(query, keep_blank_values=True)
        lower = {name.decode("latin-1").lower(): v.decode("latin-1") for name, v in headers}
        with self._scope(location.ACCOUNT, location.REGION):
            self._pin_transport(location.HOST, False)
            self._evaluator.pin_signed_request(method, raw_path, parameters, headers)
            self._evaluator.pin_signed_body(body)
            yield self._router.extract_access_key_id(lower, parameters) or ""

    def principal_of(self, key: str) -> str | None:
        """Return the ARN of an access key's holder; None for the root user or nobody."""
        with self._scope(location.ACCOUNT, location.REGION):
            found = self._evaluator.resolve_principal(key, location.ACCOUNT)
        return str(found.arn) if getattr(found, "policies", None) is not None else None

    # What is allowed.

    def denial(
        self, key: str, action: str, resource: str, context: Mapping[str, Any]
    ) -> Denial | None:
        """Return why the holder of an access key may not do something, or None."""
        service = action.partition(":")[0]
        with self._scope(location.ACCOUNT, location.REGION):
            denied = self._logged_enforce(
                key, action, service, location.REGION, resource, dict(context)
            )
        if denied is None:
            return None
        if isinstance(denied, self._evaluator.AuthError):
            return Denial(denied.code, denied.message)
        is_explicit = denied.decision == "Deny"
        text = self._reason(action, denied.principal_arn, resource, is_explicit)
        return Denial("AccessDeniedException", text)

    def certificate_allows(self, certificate: str, action: str, resource: str) -> bool:
        """Return whether a certificate's policies allow an action on an ARN, not over MQTT."""
        context = self._evaluator.EvalContext(
            principal_arn=location.arn("iot", f"cert/{certificate}"),
            principal_type="Certificate",
            principal_account=location.ACCOUNT,
            action=action,
            resource_arn=resource,
            region=location.REGION,
        )
        with self._tracing() as trace:
            parsed = [statements for _, statements in self._policies_of_certificate(certificate)]
            is_allowed = bool(self._evaluator.evaluate(context, parsed).decision == "Allow")
        policies = self._policies_of_certificate(certificate)
        self._write(context.principal_arn, action, resource, is_allowed, trace, policies)
        return is_allowed

    def _session_allows(
        self,
        account_id: str,
        region: str,
        certificate_id: str,
        context: dict[str, str],
        action: str,
        resource: str,
        provisioning_template: str | None = None,
    ) -> bool:
        """Decide for an MQTT session, of which ``context`` has the policy variables."""
        with self._tracing() as trace:
            is_allowed: bool = self._allows(
                account_id, region, certificate_id, context, action, resource, provisioning_template
            )
        arn, principal = (
            location.arn("iot", resource),
            location.arn("iot", f"cert/{certificate_id}"),
        )
        policies = self._policies_of_certificate(certificate_id, context)
        self._write(principal, action, arn, is_allowed, trace, policies)
        return is_allowed

    def _logged_enforce(
        self,
        access_key_id: str,
        iam_action: str,
        service: str,
        region: str,
        resource_arn: str = "*",
        service_context: dict[str, Any] | None = None,
    ) -> Any:
        context = dict(service_context or {})
        if service == "s3" and not self._is_plain.get():
            context["s3:TlsVersion"] = _TLS_VERSION
        resource_arn = _PUBLIC_PARAMETER.sub(r"\1::", resource_arn)
        with self._tracing() as trace:
            result = self._enforce(
                access_key_id, iam_action, service, region, resource_arn, context
            )
        principal = trace.principal
        if result is not None:
            self._denied_on.set(resource_arn)
            if isinstance(result, self._evaluator.AuthError):
                principal, trace.matches = access_key_id, []
        if principal:
            policies = self._policies_of_role(principal)
            self._write(principal, iam_action, resource_arn, result is None, trace, policies)
        return result

    @contextmanager
    def _tracing(self) -> Iterator[_Trace]:
        trace = _Trace()
        token = self._trace.set(trace)
        try:
            yield trace
        finally:
            self._trace.reset(token)

    def _match(self, context: Any, statements: list[Any], effect: str) -> Any:
        """Return the first statement that applies, with its variables expanded."""
        trace = self._trace.get()
        if trace is not None:
            trace.principal = context.principal_arn
        for statement in statements:
            concrete = self._concrete(statement, context)
            if concrete is not None and self._first_match(context, [concrete], effect):
                if trace is not None:
                    trace.matches.append(statement)
                return statement
        return None

    def _concrete(self, statement: Any, context: Any) -> Any:
        found = [statement.resources, statement.not_resources, statement.conditions]
        if not has_variables(*found):
            return statement
        try:
            resources, others, conditions = expanded(
                found, lambda key: self._evaluator._resolve_condition_key(key, context)
            )
        except UnresolvedVariableError:
            return None
        return replace(statement, resources=resources, not_resources=others, conditions=conditions)

    def _parsed(self, document: str | dict[str, Any]) -> list[Any]:
        """Parse a policy, each text once: a changed policy is another text."""
        if isinstance(document, str):
            return list(self._parse(document))
        return list(self._parse.__wrapped__(document))

    def _known_keys(self, credential: Any) -> dict[str, Any]:
        return {**self._keys(credential), **self._keys_of(credential.access_key_id)}

    def _pin_transport(self, address: str, is_secure: bool) -> None:
        self._pin_origin(address, not self._is_plain.get())

    # What is logged and said.

    def _write(
        self,
        principal: str,
        action: str,
        resource: str,
        is_allowed: bool,
        trace: _Trace,
        policies: Iterator[tuple[str, list[Any]]],
    ) -> None:
        effect = "Allow" if is_allowed else "Deny"
        deciding = next((one for one in trace.matches if one.effect == effect), None)
        name = "" if deciding is None else _named(deciding, policies)
        verdict = ALLOW if is_allowed else DENY
        self.log.write(Decision(principal, action, resource, verdict, name))

    def _policies_of_role(self, principal: str) -> Iterator[tuple[str, list[Any]]]:
        """Yield the policies of an assumed role by their names, parsed as for the evaluation."""
        name = self._evaluator._role_name_from_assumed_arn(principal)
        role = self._iam._roles.get_scoped(location.ACCOUNT, None, name) or {}
        for inline, document in (role.get("InlinePolicies") or {}).items():
            yield inline, self._parsed(document)
        for arn in role.get("AttachedPolicies", []):
            document = self._evaluator._resolve_managed_policy_document(arn, location.ACCOUNT)
            yield arn.rsplit("/", 1)[-1], self._parsed(document or {})

    def _policies_of_certificate(
        self, certificate: str, context: Mapping[str, str] | None = None
    ) -> Iterator[tuple[str, list[Any]]]:
        variables = tuple(sorted((context or {}).items()))
        with self._scope(location.ACCOUNT, location.REGION):
            record = self._iot._certificates.get(certificate) or {}
            policies = [(n, self._iot._policies.get(n)) for n in record.get("attachedPolicies", [])]
        for name, policy in policies:
            if policy:
                document = policy["versions"][policy["defaultVersionId"]]["document"]
                yield name, self._iot._parsed_iot_policy(document, variables)

    def _worded_denial(
        self, service: str, action: str, principal_arn: str, request_id: str, **details: Any
    ) -> Any:
        """Answer a denial as AWS does, which names the resource; ministack mostly does not."""
        if not any(details.get(n) for n in ("message", "error_code", "resource_policy_arn")):
            resource = self._denied_on.get()
            shown = f'"{resource}"' if service == "s3" else resource
            is_explicit = bool(details.get("explicit_deny"))
            details["message"] = self._reason(action, principal_arn, shown, is_explicit)
        return self._denial(service, action, principal_arn, request_id, **details)

    def _reason(self, action: str, principal: str, resource: str, is_explicit: bool) -> str:
        return str(self._actions.identity_denial_message(action, principal, resource, is_explicit))


def _named(statement: Any, policies: Iterator[tuple[str, list[Any]]]) -> str:
    for name, statements in policies:
        for position, one in enumerate(statements):
            if one is statement:
                return f"{name}[{statement.sid or position}]"
    return statement.sid or "a policy of the resource"
