"""Creates one core of a fleet, step by step; a step that is done is not repeated."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from stacks import names

from ..aws import Clients
from ..device.certificates import keyfiles
from ..device.certificates.keyfiles import KeyFolder
from ..device.generations.layout import Layout, Nucleus
from ..device.generations.v2.layout import v2_layout
from ..device.packaging.archive import archive, save
from ..device.stacks.fleet import FleetStack
from ..errors import MliError
from . import tags
from .certificates import CertificateMaker
from .core_list import FleetCore
from .journal import CERTIFICATE, DONE, IMPORT, REMOVAL, Journal

ARCHIVE = "greengrass-setup.zip"

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
    ) -> None:
        self._clients = clients
        self._iot = clients("iot")
        self._fleet = fleet
        self._journal = journal
        self._folder = folder
        self._nucleus: Nucleus = nucleus
        self._root_ca = root_ca
        self._tags = dict(tags_of_stack)
        self._certificates = CertificateMaker(self._iot, journal)

    def create(self, core: FleetCore) -> str:
        """Create a core, or what it still lacks; return the id of its certificate.

        Each call of the API can be repeated, and AWS IoT gives the same answer. Only a certificate
        would be created twice, so it is noted at once, and activated only when its key is saved.

        Raises:
            MliError: if something else has this name.
            botocore.exceptions.ClientError: if AWS refuses.
        """
        if self._journal.get(core.name, REMOVAL) is not None:
            raise MliError(
                f"{core.name} is being removed: finish with `mli fleet remove {self._fleet.name} "
                f"{core.name} --yes`, then add it again"
            )
        if self._journal.get(core.name, IMPORT) is not None:
            raise MliError(f"{core.name} was imported: `mli fleet import` updates it")
        thing = names.thing_name(core.name)
        keys = KeyFolder(self._folder / core.name)
        certificate = self._certificates.obtain(core.name, CERTIFICATE, keys, core.request)
        identity = str(certificate["id"])
        done = json.dumps([self._fleet.policies_of(core.name), self._tags], sort_keys=True)
        if self._journal.get(core.name, DONE) == done:
            return identity
        self._create_thing(thing, core)
        self._iot.update_certificate(certificateId=identity, newStatus="ACTIVE")
        self._iot.attach_thing_principal(thingName=thing, principal=certificate["arn"])
        self.give_policies(core.name, certificate["arn"])
        layout = v2_layout(self._fleet.configuration_of(core.name), self._nucleus)
        write_archive(keys, layout, with_key=core.request is None, root_ca=self._root_ca)
        # Last: a core in the group gets its deployment, and must then have its permissions.
        self._iot.add_thing_to_thing_group(thingGroupName=self._fleet.name, thingName=thing)
        self._journal.note(core.name, DONE, done)
        return identity

    def give_policies(self, core: str, certificate_arn: str) -> None:
        """Create the policies of a core, or update them, and attach them to a certificate.

        Raises:
            MliError: if something else has the name of one.
        """
        for name, document in self._fleet.policies_of(core).items():
            self._put_policy(name, document, is_ours=self._journal.get(core, name) is not None)
            self._journal.note(core, name)
            self._iot.attach_policy(policyName=name, target=certificate_arn)

    def _create_thing(self, thing: str, core: FleetCore) -> None:
        try:
            self._iot.create_thing(
                thingName=thing, attributePayload={"attributes": dict(core.attributes)}
            )
        except self._iot.exceptions.ResourceAlreadyExistsException:
            raise MliError(
                f"there is a thing {thing} with other attributes: choose another coreName, or "
                f"`aws iot update-thing --thing-name {thing}` if it is this core's"
            ) from None

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
        if json.loads(found["policyDocument"]) == json.loads(document):
            return
        if not is_ours:
            raise MliError(f"there is another policy {name}: choose another coreName")
        versions = self._iot.list_policy_versions(policyName=name)["policyVersions"]
        if len(versions) >= _POLICY_VERSIONS:
            oldest = min(
                (v for v in versions if not v["isDefaultVersion"]),
                key=lambda v: int(v["versionId"]),
            )
            self._iot.delete_policy_version(policyName=name, policyVersionId=oldest["versionId"])
        self._iot.create_policy_version(policyName=name, policyDocument=document, setAsDefault=True)


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
