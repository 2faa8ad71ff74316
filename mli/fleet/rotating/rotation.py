"""A second certificate for a core beside its first one, and the end of the first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stacks import names

from ...device.certificates.keyfiles import KeyFolder
from ...device.generations.layout import Nucleus
from ...device.generations.v2.layout import v2_layout
from ...device.packaging.archive import archive, save
from ...device.stacks.fleet import FleetStack
from ...errors import MliError
from ...listings import listed, principals
from .. import tags
from ..certificates import CertificateMaker, is_active
from ..claim_policies import came_by_claim
from ..core import write_archive
from ..folder import REMOVED_FOLDER, core_folder, put_aside
from ..journal import CERTIFICATE, REMOVAL, ROTATION, SUSPENDED, Journal
from ..work import absent_is_done, patiently

ROTATION_ARCHIVE = "greengrass-rotation.zip"
NEXT_FOLDER = "next"
"""Where the new key and certificate are until the rotation is finished."""


class Rotation:
    """Replaces the certificate of one core; each step can be repeated.

    ``folder`` is that of the fleet.
    """

    def __init__(
        self, iot: Any, fleet: FleetStack, journal: Journal, core: str, folder: Path
    ) -> None:
        self._iot = iot
        self._fleet = fleet
        self._journal = journal
        self._core = core
        self._thing = names.thing_name(core)
        self._folder = folder
        self._own = core_folder(folder, core)
        self.keys = KeyFolder(self._own / NEXT_FOLDER)

    def begin(self, request: Path | None, nucleus: Nucleus, root_ca: Path | None) -> str:
        """Give the core a second certificate, and write its archives; return its id.

        It gets every policy that the first one has, and is activated when its key is saved.

        Raises:
            MliError: if the core has no certificate to replace.
        """
        if self._journal.get(self._core, REMOVAL) is not None:
            raise MliError(f"{self._core} is being removed: finish with `mli fleet remove`")
        if not self._old():
            raise MliError(f"{self._thing} has no certificate to replace")
        layout = v2_layout(self._fleet.configuration_of(self._core), nucleus)
        maker = CertificateMaker(self._iot, self._journal)
        self._journal.begin()
        if not self._own.exists():
            KeyFolder(self._own).prepare()
        made = maker.obtain(self._core, ROTATION, self.keys, request)
        self.resume()
        self._mark(made["id"])
        self._iot.update_certificate(certificateId=made["id"], newStatus="ACTIVE")
        for old in self._old():
            for policy in self._policies(old):
                self._iot.attach_policy(policyName=policy, target=made["arn"])
        self._iot.attach_thing_principal(thingName=self._thing, principal=made["arn"])
        write_archive(self.keys, layout, with_key=request is None, root_ca=root_ca)
        files = {layout.certificate: self.keys.certificate.read_bytes()}
        if request is None:
            files[layout.private_key] = self.keys.private_key.read_bytes()
        save(self.keys.path / ROTATION_ARCHIVE, archive(files))
        return made["id"]

    def suspend(self) -> None:
        """Deactivate the old certificates, which the journal notes first for ``resume``.

        One that somebody else has deactivated, such as a stolen one, is not noted, and stays so.

        Raises:
            MliError: if no rotation has begun, or a certificate is also that of another thing.
        """
        new, old = self.new(), self._old()
        for arn in old:
            self._check_alone(arn)
        active = [arn for arn in old if self._is_active(arn)]
        noted = [*dict.fromkeys([*new.get(SUSPENDED, ()), *active])]
        self._journal.note(self._core, ROTATION, {**new, SUSPENDED: noted})
        for arn in noted:
            self._set(arn, "INACTIVE")

    def resume(self) -> None:
        """Activate what ``suspend`` has deactivated."""
        rest = dict(self.new())
        if suspended := rest.pop(SUSPENDED, ()):
            for arn in suspended:
                self._set(arn, "ACTIVE")
            self._journal.note(self._core, ROTATION, rest)

    def check_suspended(self) -> None:
        """Check that the old certificates are still inactive: telemetry then came without them.

        Raises:
            MliError: if one has been activated since ``suspend``; then all are, as before.
        """
        working = [arn.rpartition("/")[2] for arn in self._old() if self._is_active(arn)]
        if working:
            self.resume()
            raise MliError(
                f"the old certificate {working[0][:10]}… of {self._core} was activated meanwhile, "
                "so telemetry may have come with it: repeat this command"
            )

    def finish(self) -> list[str]:
        """Delete the old certificates, and let the new files take the place of the old ones.

        Returns the ids of the certificates that were deleted.

        Raises:
            MliError: if no rotation has begun, or a certificate is also that of another thing.
        """
        new, old = self.new(), self._old()
        for arn in old:
            self._check_alone(arn)
        # A certificate that is detached is no longer found by its thing.
        self._journal.note(self._core, ROTATION, {**new, "old": old})
        for arn in old:
            self._end(arn)
        self._exchange_files(new["id"])
        self._journal.note(self._core, CERTIFICATE, {"id": new["id"], "arn": new["arn"]})
        self._journal.note(self._core, ROTATION, None)
        return [arn.rpartition("/")[2] for arn in old]

    def cancel(self) -> str:
        """Delete the new certificate, and return its id; the old ones are active as before.

        Raises:
            MliError: if no rotation has begun, or the core would have no active certificate.
        """
        self.resume()
        new, old = self.new(), self._old()
        if not any(map(self._is_active, old)):
            hint = "".join(f" --certificate-id {arn.rpartition('/')[2]}" for arn in old[-1:])
            raise MliError(
                f"{self._thing} would have no active certificate: first activate its old one, "
                f"`aws iot update-certificate{hint} --new-status ACTIVE`"
            )
        self._end(new["arn"])
        if self.keys.path.exists():
            put_aside(self.keys.path, self._folder, f"{self._core}-{new['id'][:10]}")
        self._journal.note(self._core, ROTATION, None)
        return str(new["id"])

    def new(self) -> dict[str, Any]:
        """Return the certificate of the rotation that has begun.

        Raises:
            MliError: if none has.
        """
        noted = self._journal.get(self._core, ROTATION)
        if not isinstance(noted, dict):
            raise MliError(
                f"no rotation of {self._core} has begun, by the journal {self._journal.file}: "
                f"`mli fleet rotate {self._core}` begins one"
            )
        return noted

    def came_by_claim(self) -> bool:
        """Return whether the device provisioned itself: its nucleus then named its files."""
        arns = principals(self._iot, self._thing)
        return came_by_claim(self._iot, self._fleet.name, self._core, arns)

    def _old(self) -> list[str]:
        """Return the ARNs of the core's certificates that are not the new one."""
        noted = self._journal.get(self._core, ROTATION)
        known = noted if isinstance(noted, dict) else {}
        found = [*principals(self._iot, self._thing), *known.get("old", ())]
        return [arn for arn in dict.fromkeys(found) if arn != known.get("arn")]

    def _is_active(self, arn: str) -> bool:
        return is_active(self._iot, arn.rpartition("/")[2])

    def _set(self, arn: str, status: str) -> None:
        with absent_is_done():
            self._iot.update_certificate(certificateId=arn.rpartition("/")[2], newStatus=status)

    def _check_alone(self, arn: str) -> None:
        others: set[str] = set()
        with absent_is_done():
            things = listed(self._iot, "list_principal_things", "things", principal=arn)
            others = set(map(str, things)) - {self._thing}
        if others:
            raise MliError(
                f"the certificate {arn.rpartition('/')[2][:10]}… is also that of "
                f"{', '.join(sorted(others))}: detach it with `aws iot detach-thing-principal "
                f"--thing-name {self._thing} --principal {arn}`, then repeat"
            )

    def _mark(self, identity: str) -> None:
        """Note with the policies of an imported core that this certificate is the fleet's."""
        for name in self._fleet.policies_of(self._core):
            with absent_is_done():
                arn = self._iot.get_policy(policyName=name)["policyArn"]
                found = tags.tags_of(self._iot, arn)
                if found.get(tags.ORIGIN) == tags.IMPORTED:
                    marks = tags.as_list(tags.rotated(found, identity))
                    self._iot.tag_resource(resourceArn=arn, tags=marks)

    def _end(self, arn: str) -> None:
        identity = arn.rpartition("/")[2]
        with absent_is_done():
            self._iot.update_certificate(certificateId=identity, newStatus="INACTIVE")
            for policy in self._policies(arn):
                self._iot.detach_policy(policyName=policy, target=arn)
        with absent_is_done():
            self._iot.detach_thing_principal(thingName=self._thing, principal=arn)
        with absent_is_done():
            patiently(lambda: self._iot.delete_certificate(certificateId=identity))

    def _policies(self, arn: str) -> list[str]:
        found = listed(self._iot, "list_attached_policies", "policies", target=arn)
        return [str(one["policyName"]) for one in found]

    def _exchange_files(self, identity: str) -> None:
        """Let the folder ``next`` become the core's, by two renames that can be repeated."""
        aside = self._folder / REMOVED_FOLDER / f"{self._core}-before-{identity[:10]}"
        if self.keys.path.exists():
            aside.parent.mkdir(mode=0o700, exist_ok=True)
            self._own.rename(aside)
        if (aside / NEXT_FOLDER).exists():
            (aside / NEXT_FOLDER).rename(self._own)
