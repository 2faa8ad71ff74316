"""Who calls the local cloud, and whether they may: for everything that is not ministack's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from ..api.errors import ApiError
from .decisions import UNCHECKED, Decision
from .evaluation import PolicyEvaluation
from .role_sessions import RoleSessions

_DENIED_STATUS = 403


@dataclass(frozen=True)
class KeyHolder:
    """The holder of an access key."""

    key: str


@dataclass(frozen=True)
class CertificateHolder:
    """The holder of the key of a device's certificate, which is given by its id."""

    certificate: str


Caller = KeyHolder | CertificateHolder


class Authorization:
    """Keeps who calls, for the context of each request, and decides what the caller may do.

    Without a caller it is AWS itself that acts, which may do everything.
    """

    def __init__(self, evaluation: PolicyEvaluation, sessions: RoleSessions) -> None:
        self._evaluation = evaluation
        self._sessions = sessions
        self._caller: ContextVar[Caller | None] = ContextVar("caller", default=None)

    @property
    def caller(self) -> Caller | None:
        """Who calls; None for AWS itself."""
        return self._caller.get()

    @contextmanager
    def acting_as(self, caller: Caller | None) -> Iterator[None]:
        """Let ``authorize`` decide about a caller."""
        token = self._caller.set(caller)
        try:
            yield
        finally:
            self._caller.reset(token)

    @contextmanager
    def calling(self, *request: Any) -> Iterator[None]:
        """Let ``authorize`` decide about the sender of an HTTP request.

        ``request`` is method, path as sent, query, headers as sent, and body.
        """
        with self._evaluation.of_request(*request) as key, self.acting_as(KeyHolder(key)):
            yield

    def session_of(
        self, role_arn: str, service: str, name: str, *, source_arn: str | None = None
    ) -> KeyHolder | None:
        """Return a service's session of a role, or None if the role does not trust the service.

        ``source_arn`` is the resource for which the service acts.
        """
        session = self._sessions.assume_role(service, role_arn, name, source_arn=source_arn)
        return None if session is None else KeyHolder(session.key)

    def authorize(
        self, action: str, resource: str, context: Mapping[str, Any] | None = None
    ) -> None:
        """Return if the caller may do ``action`` on ``resource``, an ARN or ``*``.

        Raises:
            ApiError: worded as AWS words it, if not.
        """
        caller = self.caller
        if isinstance(caller, CertificateHolder):
            if not self._evaluation.certificate_allows(caller.certificate, action, resource):
                raise ApiError("AccessDeniedException", "Access Denied", _DENIED_STATUS)
        elif caller is not None:
            denial = self._evaluation.denial(caller.key, action, resource, context or {})
            if denial is not None:
                raise ApiError(denial.code, denial.message, _DENIED_STATUS)

    def allows(self, action: str, resource: str) -> bool:
        """Return whether the caller may do ``action`` on ``resource``."""
        try:
            self.authorize(action, resource)
        except ApiError:
            return False
        return True

    def log_unchecked(self, action: str, resource: str) -> None:
        """Log a call that no policy was asked about, because it is not known what it needs."""
        caller = self.caller
        principal = (
            self._evaluation.principal_of(caller.key) if isinstance(caller, KeyHolder) else None
        )
        if principal is not None:
            self._evaluation.log.write(Decision(principal, action, resource, UNCHECKED))
