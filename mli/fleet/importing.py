"""``mli fleet import``: takes cores into a fleet whose things and certificates exist already."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import click

from stacks import names

from ..cli.options import nucleus_option, root_ca_option
from ..cli.output import Output, examples, reporting
from ..cli.owner_names import CoreName
from ..device.certificates.keyfiles import KeyFolder, certificate_id
from ..device.generations.layout import Nucleus
from ..device.generations.v2.layout import v2_layout
from ..device.stacks.fleet import FleetStack
from ..errors import MliError
from ..listings import principals, thing_groups
from . import tags
from .core import ARCHIVE, CoreCreator, on_each_device, write_archive
from .core_list import FleetCore, read_list
from .folder import core_folder
from .journal import CERTIFICATE, IMPORT, REMOVAL
from .options import ManyCores, fleet_option, many_cores_options
from .work import Result, for_all

_EXAMPLES = examples(
    "mli fleet import press-1 press-2 --fleet shop-floor --dry-run",
    "mli fleet import existing.csv --fleet shop-floor",
)
_CREATED = "{} was created by `mli fleet add`, and needs no import"
_LISTS = (".csv", ".yaml", ".yml")


@click.command("import", epilog=_EXAMPLES)
@click.argument("cores", metavar="CORES...", nargs=-1, required=True)
@fleet_option
@nucleus_option
@root_ca_option
@many_cores_options
@reporting
def import_cores(
    output: Output,
    cores: tuple[str, ...],
    fleet_name: str,
    nucleus: str,
    root_ca: Path | None,
    many: ManyCores,
) -> None:
    """Take the cores CORES into the fleet: names, or lists with coreName.

    Each must have a thing, CORE_NAME_Core, with an active certificate, whose key is on the device.
    It gets the fleet's policies and its group, and an archive for its device with the configuration
    of the nucleus. Thing and certificate stay as they are, even when the core is removed. What is
    missing is reported for each core, and nothing is created in its place.
    """
    wanted = _wanted(cores)
    found = FleetStack.find(many.clients, fleet_name)
    found.check_group(many.clients)
    layout = v2_layout(found.configuration_of(wanted[0].name), cast(Nucleus, nucleus))
    for note in layout.notes:
        output.say(f"warning: {note}")
    commands = layout.commands(ARCHIVE, with_key=False)
    marks = {**tags.stack_tags(many.clients, fleet_name), tags.ORIGIN: tags.IMPORTED}
    result, place, dry_run = Result(), many.place(found), many.dry_run
    with many.journal(found, only_reads=dry_run) as journal:
        importer = CoreImporter(
            many.clients,
            found,
            journal,
            folder=place,
            nucleus=cast(Nucleus, nucleus),
            root_ca=root_ca,
            tags_of_stack=marks,
        )
        do = importer.check if dry_run else importer.take_in
        for_all(do, wanted, many.workers, result, output)
    lines = result.lines(len(wanted), "could join" if dry_run else "imported")
    if dry_run:
        lines.append("nothing was done")
    elif result.is_complete:
        lines += on_each_device(place, commands)
    else:
        lines.append("Next, when the cause is fixed: the same command, which continues from here")
    values = {
        **result.to_json(),
        "folder": str(place),
        "commands": list(commands),
        "warnings": list(layout.notes),
    }
    output.result(values, "\n".join(lines))
    result.exit()


class CoreImporter(CoreCreator):
    """Adds policies, membership and archive to things that exist. Threads may share it."""

    def check(self, core: FleetCore) -> str:
        """Return the ids of the core's certificates if it can join.

        Raises:
            MliError: naming what is missing, or what else the core belongs to.
        """
        certificates = self._active_certificates(core.name)
        self.check_policies(core.name)
        return ", ".join(one["certificateId"] for one in certificates)

    def take_in(self, core: FleetCore) -> str:
        """Take a core in; return the ids of its certificates.

        Raises:
            MliError: naming what is missing, or what else the core belongs to.
        """
        certificates = self._active_certificates(core.name)
        thing = names.thing_name(core.name)
        self.check_policies(core.name)
        layout = v2_layout(self._fleet.configuration_of(core.name), self._nucleus)
        self._journal.begin()
        for one in certificates:
            self.give_policies(core.name, one["certificateArn"])
        self._journal.note(core.name, IMPORT, [one["certificateId"] for one in certificates])
        newest = certificates[-1]
        noted = {"id": newest["certificateId"], "arn": newest["certificateArn"]}
        self._journal.note(core.name, CERTIFICATE, noted)
        keys = KeyFolder(core_folder(self._folder, core.name))
        keys.prepare()
        _put_certificate(keys, certificates)
        # A key is here if `mli fleet rotate` has created it.
        with_key = keys.private_key.exists()
        write_archive(keys, layout, with_key=with_key, root_ca=self._root_ca)
        self.join(thing)
        return ", ".join(one["certificateId"] for one in certificates)

    def _active_certificates(self, core: str) -> Sequence[dict[str, Any]]:
        """Return the active certificates of a core, the newest last."""
        thing = names.thing_name(core)
        if self._journal.get(core, REMOVAL) is not None:
            raise MliError(f"{core} is being removed: finish with `mli fleet remove` first")
        if self._journal.get(core, CERTIFICATE) and not self._journal.get(core, IMPORT):
            raise MliError(_CREATED.format(core))
        try:
            arns = principals(self._iot, thing)
        except self._iot.exceptions.ResourceNotFoundException:
            raise MliError(
                f"there is no thing {thing}: `mli fleet add` creates a core with all it needs"
            ) from None
        self._check_owner(core, thing, arns)
        found = [
            self._iot.describe_certificate(certificateId=arn.rpartition("/")[2])
            for arn in arns
            if ":cert/" in arn
        ]
        every = [one["certificateDescription"] for one in found]
        active = [one for one in every if one["status"] == "ACTIVE"]
        if not active:
            states = ", ".join(f"{one['certificateId'][:10]}… {one['status']}" for one in every)
            raise MliError(
                f"{thing} has no active certificate ({states or 'none is attached'}): attach one "
                f"with `aws iot attach-thing-principal --thing-name {thing} --principal ARN`"
            )
        return sorted(active, key=lambda one: str(one.get("creationDate", "")))

    def _check_owner(self, core: str, thing: str, arns: Sequence[str]) -> None:
        groups = thing_groups(self._iot, thing)
        if names.thing_group_name(core) in groups:
            raise MliError(
                f"{core} has a stack of its own ({names.stack_name(core)}): delete that first, or "
                "leave the core as it is"
            )
        others = [group for group in groups if group not in self._fleet.groups]
        if (fleet := FleetStack.of_groups(self._clients, others)) is not None:
            raise MliError(f"{core} is a core of the fleet {fleet.name}: remove it there first")
        self.check_not_by_claim(core, arns)
        # One whose removal or import was interrupted has its policies only.
        for name in self._fleet.policies_of(core):
            try:
                arn = self._iot.get_policy(policyName=name)["policyArn"]
            except self._iot.exceptions.ResourceNotFoundException:
                continue
            found = tags.tags_of(self._iot, arn)
            other = found.get(tags.FLEET, self._fleet.name)
            if other != self._fleet.name:
                raise MliError(f"{core} is a core of the fleet {other}: remove it there first")
            if tags.FLEET in found and tags.ORIGIN not in found:
                raise MliError(_CREATED.format(core))


def _put_certificate(keys: KeyFolder, active: Sequence[dict[str, Any]]) -> None:
    """Write the newest of the active certificates, unless there is one of them already."""
    if keys.certificate.exists():
        here = certificate_id(keys.certificate.read_bytes())
        if here in {one["certificateId"] for one in active}:
            return
        keys.retire_certificate(here)
        if keys.private_key.exists():
            keys.retire_key()
    keys.write_certificate(active[-1]["certificatePem"].encode())


def _wanted(cores: Sequence[str]) -> list[FleetCore]:
    """Return the cores of names and lists.

    Raises:
        MliError: if a list has more than names, or cannot be read.
        click.UsageError: if a name is not that of a core.
    """
    found: dict[str, FleetCore] = {}
    for text in cores:
        if not text.endswith(_LISTS):
            name = CoreName().convert(text, None, None)
            found[name] = FleetCore(name, None, {})
            continue
        if not Path(text).exists():
            raise MliError(f"there is no file {text}")
        for core in read_list(Path(text)):
            if core.request is not None or core.attributes:
                raise MliError(
                    f"{text}: {core.name} has more than coreName, but its thing and certificate "
                    "exist already and are not changed: leave the other columns out"
                )
            found[core.name] = core
    return list(found.values())
