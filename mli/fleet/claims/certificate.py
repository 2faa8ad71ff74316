"""The claim certificates of a fleet in AWS IoT: those that have the fleet's claim policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...device.certificates.certificate import request_certificate
from ...device.certificates.keyfiles import KeyFolder, certificate_id, check_pair
from ...errors import MliError
from ...listings import listed
from ..work import absent_is_done

ACTIVE, INACTIVE = "ACTIVE", "INACTIVE"
_KEY_TYPE = "ec"


@dataclass(frozen=True)
class Claim:
    """A claim certificate of AWS IoT."""

    id: str
    arn: str
    status: str


class FleetClaims:
    """Makes claims of one fleet, and ends them; ``policy`` is what makes a certificate a claim.

    Which claims there are is asked of AWS IoT, so that no workstation has to remember.
    """

    def __init__(self, iot: Any, *, fleet: str, policy: str) -> None:
        self._iot = iot
        self._fleet = fleet
        self._policy = policy

    def all(self) -> Mapping[str, Claim]:
        """Return every claim by its id; none if the policy does not exist (any more)."""
        arns: list[str] = []
        with absent_is_done():
            arns = listed(self._iot, "list_targets_for_policy", "targets", policyName=self._policy)
        found: dict[str, Claim] = {}
        for identity in (arn.rpartition("/")[2] for arn in arns):
            with absent_is_done():
                found[identity] = self._described(identity)
        return found

    def create(self, keys: KeyFolder) -> tuple[Claim, bool]:
        """Return the claim whose key is in a folder, and whether it is new.

        The key is created here and does not leave the folder; AWS IoT gets a signing request. The
        certificate becomes active only when it is on disk, and gets the policy last: an
        interruption leaves one that can do nothing.

        Raises:
            MliError: if the folder holds something else, or a claim that was deactivated.
        """
        keys.prepare()
        is_new = not keys.certificate.exists()
        if is_new:
            request_certificate(keys, f"{self._fleet} claim", _KEY_TYPE)
            created = self._iot.create_certificate_from_csr(
                certificateSigningRequest=keys.request.read_text(), setAsActive=False
            )
            keys.write_certificate(created["certificatePem"].encode())
        pem = keys.certificate.read_bytes()
        if not keys.private_key.exists():
            raise MliError(f"{keys.private_key} is missing: add --new, which creates another claim")
        check_pair(pem, keys.private_key.read_bytes(), str(keys.path))
        identity = certificate_id(pem)
        if (known := self.all().get(identity)) is not None:
            if known.status != ACTIVE:
                raise MliError(
                    f"the claim {identity[:10]}… in {keys.path} is {known.status}: add --new, "
                    "which creates another one"
                )
            return known, is_new
        claim = self._registered(identity, keys.path)
        self._set(claim, ACTIVE)
        self._iot.attach_policy(policyName=self._policy, target=claim.arn)
        return Claim(claim.id, claim.arn, ACTIVE), is_new

    def deactivate_all_but(self, kept: str) -> list[str]:
        """Deactivate every other claim than ``kept``; return the ids of those that were active."""
        found = [one for one in self.all().values() if one.id != kept and one.status == ACTIVE]
        for claim in found:
            self._set(claim, INACTIVE)
        return [claim.id for claim in found]

    def end(self, known: Sequence[str] = ()) -> tuple[list[str], list[str]]:
        """Deactivate and delete every claim; return the ids of all, and of those left for later.

        AWS IoT detaches a policy with a delay, in which it does not delete the certificate. It no
        longer knows it as a claim then: ``known`` are those of an earlier attempt.
        """
        found, left = dict(self.all()), []
        for identity in known:
            with absent_is_done():
                found.setdefault(identity, self._described(identity))
        for claim in found.values():
            self._set(claim, INACTIVE)
        for claim in found.values():
            with absent_is_done():
                self._iot.detach_policy(policyName=self._policy, target=claim.arn)
            try:
                with absent_is_done():
                    self._iot.delete_certificate(certificateId=claim.id, forceDelete=True)
            except self._iot.exceptions.DeleteConflictException:
                left.append(claim.id)
        return list(found), left

    def _registered(self, identity: str, folder: Path) -> Claim:
        try:
            return self._described(identity)
        except self._iot.exceptions.ResourceNotFoundException:
            raise MliError(
                f"AWS IoT has no certificate {identity[:10]}… of {folder} in "
                f"{self._iot.meta.region_name}: give its --region, or add --new"
            ) from None

    def _described(self, identity: str) -> Claim:
        found = self._iot.describe_certificate(certificateId=identity)["certificateDescription"]
        return Claim(identity, found["certificateArn"], found["status"])

    def _set(self, claim: Claim, status: str) -> None:
        self._iot.update_certificate(certificateId=claim.id, newStatus=status)


def put_aside(keys: KeyFolder) -> Path | None:
    """Rename the folder of a claim after its certificate; return its new path, None if it has none.

    A key that has no certificate yet is used by the next one.
    """
    if not keys.certificate.exists():
        return None
    identity = certificate_id(keys.certificate.read_bytes())
    aside = keys.path.with_name(f"{keys.path.name}-{identity[:10]}")
    if aside.exists():
        raise MliError(f"{aside} already exists: move it away")
    return keys.path.rename(aside)
