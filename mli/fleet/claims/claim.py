"""``mli fleet claim``: what devices need to provision themselves, the same for all."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import click

from local_core.output.terminal import counted
from stacks import names

from ...aws import aws_options, clients
from ...cli.options import (
    archive_option,
    key_folder_option,
    nucleus_option,
    refuse_given,
    root_ca_option,
)
from ...cli.output import Output, examples, reporting
from ...cli.owner_names import FleetName
from ...device.certificates.keyfiles import KeyFolder
from ...device.generations.layout import Nucleus
from ...device.packaging.archive import archive, check_place, save
from ...device.packaging.package import root_of_endpoints
from ...device.stacks.fleet import FleetStack
from ...device.stacks.outputs import output_of
from ..folder import CLAIM_FOLDER, create_fleet_folder, fleet_folder
from .certificate import ACTIVE, FleetClaims, put_aside
from .layout import claim_layout

ARCHIVE = "greengrass-claim.zip"
_EXAMPLES = examples(
    "mli fleet claim shop-floor",
    "mli fleet claim shop-floor --nucleus lite --output claim-lite.zip",
    "mli fleet claim shop-floor --new               # another claim; the old one still works",
    "mli fleet claim shop-floor --deactivate-old    # when no device needs the old ones",
    "mli fleet claim shop-floor --end               # before the fleet's stack is destroyed",
)


@click.command(epilog=_EXAMPLES)
@click.argument("fleet_name", type=FleetName())
@nucleus_option
@click.option("--new", is_flag=True, help="Create another claim; the old one's folder is renamed.")
@click.option("--deactivate-old", is_flag=True, help="Set all other claims of the fleet INACTIVE.")
@click.option("--end", is_flag=True, help="Delete all claims of the fleet, and create none.")
@key_folder_option("the claim's key and certificate", default="fleet/FLEET/claim")
@archive_option(f"The archive to write; default: {ARCHIVE} in the claim's folder.")
@root_ca_option
@aws_options
@reporting
def claim(
    output: Output,
    fleet_name: str,
    nucleus: str,
    new: bool,
    deactivate_old: bool,
    end: bool,
    folder: Path | None,
    file: Path | None,
    root_ca: Path | None,
    region: str | None,
    aws_profile: str | None,
) -> None:
    """Write one archive with which any device becomes a core of the fleet FLEET_NAME.

    The archive has a claim certificate, which only permits a device to request a certificate of its
    own, once for each new name of a core. The claim's key is created here; keep folder and archive
    secret, because anyone who has them can add cores. Nothing is overwritten: when repeated,
    the command writes the same archive again.
    """
    if end and (new or deactivate_old):
        raise click.UsageError("--end creates no claim: remove --new and --deactivate-old")
    if end:
        refuse_given("nucleus", "folder", "file", "root_ca", because="is not for --end: no archive")
    of = clients(region, aws_profile)
    output.status(f"reading the stack of {fleet_name} …")
    found = FleetStack.find(of, fleet_name)
    stack = names.fleet_stack_name(fleet_name)
    policy = output_of(found.outputs, "ClaimPolicy", stack)
    claims = FleetClaims(of("iot"), fleet=fleet_name, policy=policy)
    if end:
        _end(output, claims, fleet_name)
        return
    layout = claim_layout(found, cast(Nucleus, nucleus))
    place = fleet_folder(None, fleet_name)
    keys = KeyFolder(folder or place / CLAIM_FOLDER)
    if file is not None and (new or not keys.certificate.exists()):
        check_place(file)  # before there is a claim that no archive has
    aside = put_aside(keys) if new else None
    root = root_of_endpoints(keys, root_ca)
    output.status("asking AWS IoT for the claim …")
    if folder is None:
        create_fleet_folder(place)
    created, is_new = claims.create(keys)
    keys.write_root_ca(root_ca)
    files = layout.files(
        certificate=keys.certificate.read_bytes(),
        private_key=keys.private_key.read_bytes(),
        root_ca=root,
    )
    file = file or keys.path / ARCHIVE
    written = save(file, archive(files))
    deactivated = claims.deactivate_all_but(created.id) if deactivate_old else []
    active = [one.id for one in claims.all().values() if one.status == ACTIVE]
    others = [identity for identity in active if identity != created.id]
    commands = layout.commands(file.name)
    for note in layout.notes:
        output.say(f"warning: {note}")
    values: dict[str, Any] = {
        "archive": str(file),
        "written": written,
        "files": sorted(files),
        "certificateId": created.id,
        "made": is_new,
        "aside": str(aside) if aside else None,
        "deactivated": deactivated,
        "otherActive": others,
        "commands": list(commands),
        "warnings": list(layout.notes),
    }
    given = "" if folder is None else f" --folder {shlex.quote(str(folder))}"
    again = f"mli fleet claim {fleet_name}{given} --deactivate-old"
    output.result(values, _text(values, again, commands))


def _end(output: Output, claims: FleetClaims, fleet_name: str) -> None:
    ended, left = claims.end()
    number = counted(len(ended), "claim")
    lines = [f"{number} of {fleet_name} ended; cores that have joined keep running"]
    lines += [
        f"  not deleted yet: `aws iot delete-certificate --certificate-id {one}`" for one in left
    ]
    output.result({"ended": ended, "left": left}, "\n".join(lines))


def _text(values: dict[str, Any], again: str, commands: Sequence[str]) -> str:
    """Return what was done, and what is done on each device; ``again`` deactivates old claims."""
    state = "written" if values["written"] else "already there, unchanged"
    which = "new claim" if values["made"] else "claim"
    lines = [f"{values['archive']}: {state}, with the {which} {values['certificateId'][:10]}…"]
    if values["aside"]:
        lines.append(f"the old claim is in {values['aside']}")
    if values["deactivated"]:
        lines.append(f"deactivated: {', '.join(one[:10] + '…' for one in values['deactivated'])}")
    if values["otherActive"]:
        lines.append(
            f"still active: {counted(len(values['otherActive']), 'other claim')}; when no device "
            f"needs them: {again}"
        )
    lines.append("Next, on each device:")
    lines += [f"  {command}" for command in commands]
    return "\n".join(lines)
