"""Creates one core of a fleet, step by step; a step that is done is not repeated."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from stacks import names

from ..aws import Clients
from ..device.certificates import keyfiles
from ..device.certificates.keyfiles import KeyFolder
from ..device.generations.layout import Layout, Nucleus
from ..device.generations.v2.layout import v2_layout
from ..device.packaging.archive import archive, save
from ..device.stacks.fleet import FleetStack
from ..errors import MliError
from ..listings import principals, thing_groups
from . import tags
from .certificates import CertificateMaker
from .claim_policies import came_by_claim
from .core_list import FleetCore
from .folder import core_folder
from .journal import CERTIFICATE, DONE, IMPORT, REMOVAL, Journal
from .work import absent_is_done

ARCHIVE = "greengrass-setup.zip"

CREATED, UPDATED, UNCHANGED = "created", "updated", "unchanged"
"""What adding a core would do to it. One that was begun and not finished is updated."""

_POLICY_VERSIONS = 5
"""The most versions that AWS IoT keeps of a policy."""


class CoreCreator:
    """Creates things, certificates, policies, memberships and archives of a fleet's cores.

    Threads may share it, as they may share clients of boto3.
    """

    def __init__(
        self,
        clients: Clients,
        fleet: FleetStack,
        journal: Journal,
        *,
        folder: Path,
        nucleus: Nucleus,
        root_ca: Path | None,
        tags_of_stack: Mapping[str, str],
        members: Collection[str] = (),
    ) -> None:
        """``members`` are the things of the fleet: one that is none lacks something."""
        self._clients = clients
        self._iot = clients("iot")
        self._fleet = fleet
        self._journal = journal
        self._folder = folder
        self._nucleus: Nucleus = nucleus
        self._root_ca = root_ca
        self._tags = dict(tags_of_stack)
        self._members = members
        self._certificates = CertificateMaker(self._iot, journal)

    def create(self, core: FleetCore) -> str:
        """Create a core, or what it still lacks; return the id of its certificate.

        Each call of the API can be repeated, and AWS IoT gives the same answer. Only a certificate
        would be created twice, so it is noted at once, and activated only when its key is saved.

        Raises:
            MliError: if something else has this name.
            botocore.exceptions.ClientError: if AWS refuses.
        """
        if self.check_creation(core) == UNCHANGED:
            return str(self._journal.get(core.name, CERTIFICATE)["id"])
        thing, keys = names.thing_name(core.name), self._keys(core)
        configuration = self._fleet.configuration_of(core.name)
        layout = v2_layout(configuration, self._nucleus)
        certificate = self._certificates.obtain(core.name, CERTIFICATE, keys, core.request)
        identity = str(certificate["id"])
        self._create_thing(thing, core)
        # Of a core that was done, somebody has deactivated it: a stolen device stays out.
        if self._journal.get(core.name, DONE) is None:
            self._iot.update_certificate(certificateId=identity, newStatus="ACTIVE")
        self._iot.attach_thing_principal(thingName=thing, principal=certificate["arn"])
        self.give_policies(core.name, certificate["arn"])
        write_archive(keys, layout, with_key=core.request is None, root_ca=self._root_ca)
        # Last: a core in the group gets its deployment, and must then have its permissions.
        self.join(thing)
        self._journal.note(core.name, DONE, self._digest(core, configuration))
        return identity

    def check_creation(self, core: FleetCore) -> str:
        """Return in a word what ``create`` does to a core, without changing anything.

        Raises:
            MliError: if it refuses the core.
        """
        self._check_origin(core.name)
        thing, keys = names.thing_name(core.name), self._keys(core)
        noted = self._journal.get(core.name, CERTIFICATE)
        if noted is None and not keys.certificate.exists():
            self._check_name(thing, core)
            self._certificates.check(core.name, CERTIFICATE, keys, core.request)
            return CREATED
        digest = self._digest(core, self._fleet.configuration_of(core.name))
        is_done = noted is not None and self._journal.get(core.name, DONE) == digest
        if is_done and thing in self._members:  # or somebody without this journal has removed it
            return UNCHANGED
        if noted is not None:
            self._check_certificate(core.name, str(noted["id"]))
        self._certificates.check(core.name, CERTIFICATE, keys, core.request)
        with absent_is_done():
            if self._attributes(thing) != dict(core.attributes):
                raise _other_attributes(thing)
        self.check_policies(core.name)
        return UPDATED

    def _keys(self, core: FleetCore) -> KeyFolder:
        return KeyFolder(core_folder(self._folder, core.name))

    def _check_origin(self, core: str) -> None:
        if self._journal.get(core, REMOVAL) is not None:
            raise MliError(
                f"{core} is being removed: finish with `mli fleet remove {self._fleet.name} "
                f"{core} --yes`, then add it again"
            )
        if self._journal.get(core, IMPORT) is not None:
            raise MliError(f"{core} was imported: `mli fleet import` updates it")

    def _check_certificate(self, core: str, identity: str) -> None:
        try:
            self._iot.describe_certificate(certificateId=identity)
        except self._iot.exceptions.ResourceNotFoundException:
            raise MliError(
                f"somebody has deleted the certificate {identity[:10]}… of {core}: `mli fleet "
                f"remove {self._fleet.name} {core} --yes`, then add it again"
            ) from None

    def _attributes(self, thing: str) -> dict[str, str]:
        return dict(self._iot.describe_thing(thingName=thing).get("attributes") or {})

    def _digest(self, core: FleetCore, configuration: Mapping[str, Any]) -> str:
        """Return a digest of all that is written for a core, which changes with it."""
        request = None if core.request is None else core.request.read_text()
        of_fleet = [self._fleet.policies_of(core.name), self._tags, self._nucleus, configuration]
        text = json.dumps([*of_fleet, request, dict(core.attributes)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def give_policies(self, core: str, certificate_arn: str) -> None:
        """Create the policies of a core, or update them, and attach them to a certificate.

        Raises:
            MliError: if something else has the name of one.
        """
        for name, document in self._fleet.policies_of(core).items():
            self._put_policy(name, document, is_ours=self._journal.get(core, name) is not None)
            self._journal.note(core, name)
            self._iot.attach_policy(policyName=name, target=certificate_arn)

    def join(self, thing: str) -> None:
        """Put a thing into the group of the fleet, unless it is in the canary's: never in both."""
        known = thing_groups(self._iot, thing) if self._fleet.canary_arn is not None else ()
        if set(known).isdisjoint(self._fleet.groups):
            self._iot.add_thing_to_thing_group(thingGroupName=self._fleet.name, thingName=thing)

    def check_policies(self, core: str) -> None:
        """Check that no policy that is not ours has the name of one of a core.

        Raises:
            MliError: if one has.
        """
        for name, document in self._fleet.policies_of(core).items():
            if self._journal.get(core, name) is None:
                with absent_is_done():
                    found = self._iot.get_policy(policyName=name)["policyDocument"]
                    _check_same(name, found, document)

    def check_not_by_claim(self, core: str, arns: Sequence[str]) -> None:
        """Check that the provisioning template of the fleet has not created the core.

        Raises:
            MliError: if it has, by the policies of the certificates with these ARNs.
        """
        if not came_by_claim(self._iot, self._fleet.name, core, arns):
            return
        thing = names.thing_name(core)
        fix = "it needs neither `mli fleet add` nor `mli fleet import`"
        if set(thing_groups(self._iot, thing)).isdisjoint(self._fleet.groups):
            fix = (
                f"`aws iot add-thing-to-thing-group --thing-group-name {self._fleet.name} "
                f"--thing-name {thing}` puts it back into the group of the fleet"
            )
        raise MliError(f"{core} came to {self._fleet.name} by claim: {fix}")

    def _check_name(self, thing: str, core: FleetCore) -> None:
        """Check that nothing else has the name of a new core, before anything is created for it.

        A thing that nobody uses, with the same attributes, is taken.

        Raises:
            MliError: if something else has it.
        """
        iot = self._iot
        with absent_is_done():
            attributes = self._attributes(thing)
            arns = principals(iot, thing)
            self.check_not_by_claim(core.name, arns)
            if attributes != dict(core.attributes):
                raise _other_attributes(thing)
            if arns:
                raise self._other_certificate(thing, core.name)
        self.check_policies(core.name)

    def _other_certificate(self, thing: str, core: str) -> MliError:
        fix = (
            f"`mli fleet import {core} --fleet {self._fleet.name}` takes it in as it is; or choose "
            "another coreName"
        )
        if set(thing_groups(self._iot, thing)) & set(self._fleet.groups):
            fix = "it is in this fleet already, so give the folder that it was added with: --output"
        return MliError(
            f"there is a thing {thing} with a certificate, which {self._journal.file} does not "
            f"have: {fix}"
        )

    def _create_thing(self, thing: str, core: FleetCore) -> None:
        try:
            self._iot.create_thing(
                thingName=thing, attributePayload={"attributes": dict(core.attributes)}
            )
        except self._iot.exceptions.ResourceAlreadyExistsException:
            raise _other_attributes(thing) from None

    def _put_policy(self, name: str, document: str, *, is_ours: bool) -> None:
        """Create a policy, or update one of ours to that of the fleet."""
        marks = tags.as_list(self._tags)
        try:
            self._iot.create_policy(policyName=name, policyDocument=document, tags=marks)
            return
        except self._iot.exceptions.ResourceAlreadyExistsException:
            found = self._iot.get_policy(policyName=name)
        if is_ours:
            self._iot.tag_resource(resourceArn=found["policyArn"], tags=marks)
        else:
            _check_same(name, found["policyDocument"], document)
        if json.loads(found["policyDocument"]) == json.loads(document):
            return
        versions = self._iot.list_policy_versions(policyName=name)["policyVersions"]
        if len(versions) >= _POLICY_VERSIONS:
            oldest = min(
                (v for v in versions if not v["isDefaultVersion"]),
                key=lambda v: int(v["versionId"]),
            )
            self._iot.delete_policy_version(policyName=name, policyVersionId=oldest["versionId"])
        self._iot.create_policy_version(policyName=name, policyDocument=document, setAsDefault=True)


def _other_attributes(thing: str) -> MliError:
    return MliError(
        f"there is a thing {thing} with other attributes: choose another coreName, or "
        f"`aws iot update-thing --thing-name {thing}` if it is this core's"
    )


def _check_same(policy: str, found: str, wanted: str) -> None:
    """Check that a policy of this name, which is not ours, says what ours would."""
    if json.loads(found) != json.loads(wanted):
        raise MliError(f"there is another policy {policy}: choose another coreName")


def write_archive(keys: KeyFolder, layout: Layout, *, with_key: bool, root_ca: Path | None) -> None:
    """Write the archive that sets a device up, beside its key and certificate."""
    keys.write_root_ca(root_ca)
    pem = keys.certificate.read_bytes()
    key = None
    if with_key:
        key = keys.private_key.read_bytes()
        keyfiles.check_pair(pem, key, str(keys.path))
    files = layout.files(certificate=pem, private_key=key, root_ca=keys.root_ca.read_bytes())
    save(keys.path / ARCHIVE, archive(files))


def on_each_device(folder: Path, commands: Sequence[str]) -> list[str]:
    """Return for people how each core's archive gets to its device, and what is typed there."""
    return [
        "Next, for each core, the first here and the others on its device:",
        f"  scp {shlex.quote(str(folder))}/CORE_NAME/{ARCHIVE} DEVICE:",
        *(f"  {command}" for command in commands),
    ]
