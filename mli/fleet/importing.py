"""``mli fleet import``: takes cores into a fleet whose things and certificates exist already."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import click

from stacks import names

from ..aws import aws_options, clients
from ..cli.options import dry_run_option, nucleus_option, root_ca_option
from ..cli.output import Output, examples, reporting
from ..cli.owner_names import CoreName
from ..device.certificates.keyfiles import KeyFolder
from ..device.generations.layout import Nucleus
from ..device.generations.v2.layout import v2_layout
from ..device.stacks.fleet import FleetStack
from ..errors import MliError
from ..listings import principals, thing_groups
from . import tags
from .core import ARCHIVE, CoreCreator, write_archive
from .core_list import FleetCore, read_list
from .journal import CERTIFICATE, IMPORT, REMOVAL, Journal
from .options import fleet_folder, fleet_option, folder_option, workers_option
from .work import Result, for_all

_EXAMPLES = examples(
    "mli fleet import press-1 press-2 --fleet shop-floor --dry-run",
    "mli fleet import existing.csv --fleet shop-floor",
)
_LISTS = (".csv", ".yaml", ".yml")


@click.command("import", epilog=_EXAMPLES)
@click.argument("cores", metavar="CORES...", nargs=-1, required=True)
@fleet_option
@folder_option
@nucleus_option
@workers_option
@dry_run_option
@root_ca_option
@aws_options
@reporting
def import_cores(
    output: Output,
    cores: tuple[str, ...],
    fleet_name: str,
    folder: Path | None,
    nucleus: str,
    workers: int,
    dry_run: bool,
    root_ca: Path | None,
    region: str | None,
    aws_profile: str | None,
) -> None:
    """Take the cores CORES into the fleet: names, or lists with coreName.

    Each has a thing, CORE_NAME_Core, with an active certificate, whose key is on the device. It
    gets the fleet's policies and its group, and an archive for its device with the configuration of
    the nucleus. Thing and certificate stay as they are, also when the core is removed. What is
    missing is reported for each core, and nothing is created in its place.
    """
    wanted = _wanted(cores)
    of = clients(region, aws_profile)
    found = FleetStack.find(of, fleet_name)
    marks = {**tags.stack_tags(of, fleet_name), tags.ORIGIN: tags.IMPORTED}
    result = Result()
    place = fleet_folder(folder, fleet_name, dry_run=dry_run)
    with Journal.of_fleet(place, found, dry_run=dry_run) as journal:
        importer = CoreImporter(
            of,
            found,
            journal,
            folder=place,
            nucleus=cast(Nucleus, nucleus),
            root_ca=root_ca,
            tags_of_stack=marks,
        )
        do = importer.check if dry_run else importer.take_in
        for_all(do, wanted, workers, result, output)
    lines = result.lines(len(wanted), "could join" if dry_run else "imported")
    if dry_run:
        lines.append("nothing was done")
    elif result.is_complete:
        lines.append(f"Next: copy {place}/CORE_NAME/{ARCHIVE} to each device (docs/fleet.md)")
    else:
        lines.append("Next, when the cause is fixed: the same command, which continues from here")
    output.result({**result.to_json(), "folder": str(place)}, "\n".join(lines))
    result.exit()


class CoreImporter(CoreCreator):
    """Adds policies, membership and archive to things that exist. Threads may share it."""

    def check(self, core: FleetCore) -> str:
        """Return the ids of the core's certificates if it can join.

        Raises:
            MliError: naming what is missing, or what else the core belongs to.
        """
        return ", ".join(one["certificateId"] for one in self._active_certificates(core.name))

    def take_in(self, core: FleetCore) -> str:
        """Take a core in; return the ids of its certificates.

        Raises:
            MliError: naming what is missing, or what else the core belongs to.
        """
        certificates = self._active_certificates(core.name)
        thing = names.thing_name(core.name)
        for one in certificates:
            self.give_policies(core.name, one["certificateArn"])
        self._journal.note(core.name, IMPORT, [one["certificateId"] for one in certificates])
        newest = certificates[-1]
        noted = {"id": newest["certificateId"], "arn": newest["certificateArn"]}
        self._journal.note(core.name, CERTIFICATE, noted)
        keys = KeyFolder(self._folder / core.name)
        keys.prepare()
        if not keys.certificate.exists():
            keys.write_certificate(newest["certificatePem"].encode())
        layout = v2_layout(self._fleet.configuration_of(core.name), self._nucleus)
        write_archive(keys, layout, with_key=False, root_ca=self._root_ca)
        self._iot.add_thing_to_thing_group(thingGroupName=self._fleet.name, thingName=thing)
        return ", ".join(one["certificateId"] for one in certificates)

    def _active_certificates(self, core: str) -> Sequence[dict[str, Any]]:
        """Return the active certificates of a core, the newest last."""
        thing = names.thing_name(core)
        if self._journal.get(core, REMOVAL) is not None:
            raise MliError(f"{core} is being removed: finish with `mli fleet remove` first")
        if self._journal.get(core, CERTIFICATE) and not self._journal.get(core, IMPORT):
            raise MliError(f"{core} was created by `mli fleet add`, and needs no import")
        try:
            arns = principals(self._iot, thing)
        except self._iot.exceptions.ResourceNotFoundException:
            raise MliError(
                f"there is no thing {thing}: `mli fleet add` creates a core with all it needs"
            ) from None
        self._check_owner(core, thing)
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

    def _check_owner(self, core: str, thing: str) -> None:
        groups = thing_groups(self._iot, thing)
        if names.thing_group_name(core) in groups:
            raise MliError(
                f"{core} has a stack of its own ({names.stack_name(core)}): delete that first, or "
                "leave the core as it is"
            )
        others = [group for group in groups if group not in self._fleet.groups]
        if (fleet := FleetStack.of_groups(self._clients, others)) is not None:
            raise MliError(f"{core} is a core of the fleet {fleet.name}: remove it there first")
        # One whose removal or import was interrupted has its policies only.
        for name in self._fleet.policies_of(core):
            try:
                arn = self._iot.get_policy(policyName=name)["policyArn"]
            except self._iot.exceptions.ResourceNotFoundException:
                continue
            other = tags.tags_of(self._iot, arn).get(tags.FLEET, self._fleet.name)
            if other != self._fleet.name:
                raise MliError(f"{core} is a core of the fleet {other}: remove it there first")


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
