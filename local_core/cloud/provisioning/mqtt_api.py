"""The MQTT API of fleet provisioning: ministack's, with certificates from signing requests.

Uses ministack's internals, of exactly version 1.5.33, which answers CreateKeysAndCertificate and
RegisterThing with its hook, but not CreateCertificateFromCsr, does not log what the role of a
template may do, and names policies in another way. JSON only: both nuclei use it.
https://docs.aws.amazon.com/iot/latest/developerguide/fleet-provision-api.html
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .. import location

Answer = tuple[str, Mapping[str, Any]]
"""``accepted`` or ``rejected``, and the document."""
MayWrite = Callable[[str, Sequence[tuple[str, str]]], bool]
"""Takes the ARN of a template's role, and pairs of an action and a resource."""

CSR_TOPIC = "$aws/certificates/create-from-csr/json"
_CSR = "create-from-csr"
_PENDING = "PENDING_ACTIVATION"
_BAD_REQUEST = 400


class FleetProvisioning:
    """Completes ministack's API in this process. Create it once, after the emulator."""

    def __init__(self, may_write: MayWrite) -> None:
        from ministack.core import responses
        from ministack.services import iot

        self._iot = iot
        self._scope = responses.request_scope
        self._may_write = may_write
        self._parse = iot._parse_fleet_provisioning_topic
        self._reply = iot._fleet_provisioning_reply
        self._plan = iot._provisioning_plan
        iot._parse_fleet_provisioning_topic = self._parsed
        iot._fleet_provisioning_reply = self._answer
        iot._provisioning_plan = self._planned
        iot._provisioning_role_allows = self._role_allows

    def _parsed(self, topic: str) -> tuple[str, str | None] | None:
        found: tuple[str, str | None] | None = self._parse(topic)
        return (_CSR, None) if topic == CSR_TOPIC else found

    async def _answer(
        self,
        account: str,
        region: str,
        operation: str,
        template: str | None,
        payload: bytes,
        connection: Mapping[str, Any],
    ) -> Answer:
        self._forget_unused()
        if operation == _CSR:
            with self._scope(account, region):
                return self._certificate(payload)
        answer: Answer = await self._reply(
            account, region, operation, template, payload, connection
        )
        return answer

    def _certificate(self, payload: bytes) -> Answer:
        """Create a certificate that waits for its thing, and a token that stands for it."""
        try:
            request = json.loads(payload)
        except (ValueError, UnicodeDecodeError):
            request = None
        if not isinstance(request, dict):
            return _rejected("InvalidPayload", "Message cannot be parsed")
        status, _, body = self._iot._create_certificate_from_csr(request, {})
        created = json.loads(body)
        if status >= _BAD_REQUEST:
            # AWS does not document its code for this.
            return _rejected("InvalidCertificateSigningRequest", created["message"])
        identity = created["certificateId"]
        self._iot._certificates[identity] |= {"status": _PENDING}
        token = secrets.token_urlsafe(48)
        self._iot._ownership_tokens[token] = {
            "certificateId": identity,
            "expiration": time.time() + self._iot._OWNERSHIP_TOKEN_SECONDS,
        }
        return "accepted", {
            "certificateId": identity,
            "certificatePem": created["certificatePem"],
            "certificateOwnershipToken": token,
        }

    def _forget_unused(self) -> None:
        """Delete certificates that no thing was created for while their token was valid."""
        now = time.time()
        with self._scope(location.ACCOUNT, location.REGION):
            for token, record in list(self._iot._ownership_tokens.items()):
                if record["expiration"] > now:
                    continue
                certificate = self._iot._certificates.get(record["certificateId"])
                if certificate is not None and certificate["status"] == _PENDING:
                    self._iot._certificates.pop(record["certificateId"], None)
                self._iot._ownership_tokens.pop(token, None)

    def _planned(self, *request: Any) -> dict[str, Any]:
        """Return what a template creates, with names of its policies as in AWS's guide.

        https://docs.aws.amazon.com/iot/latest/developerguide/single-thing-provisioning.html
        """
        plan: dict[str, Any] = self._plan(*request)
        plan["policies"] = [
            (name if document is None else _name_of(document), document)
            for name, document in plan["policies"]
        ]
        return plan

    def _role_allows(self, role_arn: str, requests: Sequence[tuple[str, str]]) -> bool:
        return self._may_write(role_arn, requests)


def _name_of(document: str) -> str:
    return hashlib.sha1(document.encode(), usedforsecurity=False).hexdigest().upper()


def _rejected(code: str, message: str) -> Answer:
    return "rejected", {
        "statusCode": _BAD_REQUEST,
        "errorCode": code,
        "errorMessage": message,
    }
