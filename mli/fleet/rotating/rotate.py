"""``mli fleet rotate``: a new key and certificate for a core of a fleet, in two steps."""

from __future__ import annotations

import shlex
import time
from pathlib import Path
from typing import cast

import click

from inference import names as device_names
from stacks import names

from ...aws import aws_options, clients
from ...cli.options import (
    existing_file,
    nucleus_option,
    refuse_given,
    root_ca_option,
    seconds_option,
    timeout_option,
)
from ...cli.output import Output, examples, reporting
from ...cli.owner_names import CoreName
from ...device.certificates.keyfiles import load_request
from ...device.generations.layout import Nucleus, next_steps
from ...device.generations.v2.layout import v2_layout
from ...device.stacks.fleet import FleetStack
from ...errors import MliError
from ...watch.command import interrupted
from ...watch.connecting import with_credentials
from ...watch.listener import Listener
from ..folder import fleet_folder
from ..journal import Journal
from ..options import folder_option
from .installation import commands
from .rotation import ROTATION_ARCHIVE, Rotation

_EXAMPLES = examples(
    "mli fleet rotate press-1                       # then install the archive on the device",
    "mli fleet rotate press-1 --request press-1.csr #  the new key is already on the device",
    "mli fleet rotate press-1 --finish",
)


@click.command(epilog=_EXAMPLES)
@click.argument("core_name", type=CoreName())
@existing_file("--request", help="Signing request for a new key that is already on the device.")
@click.option(
    "--finish", is_flag=True, help="Delete the old certificate, once the core uses the new one."
)
@click.option("--cancel", is_flag=True, help="Delete the new certificate, and keep the old one.")
@click.option(
    "--seen",
    is_flag=True,
    help="With --finish: you know that the core uses the new one; do not wait for telemetry.",
)
@seconds_option(
    "--settle",
    default=360,
    limits=(0, 3_600),
    help="Time for AWS IoT to disconnect the old certificate; only later telemetry counts.",
)
@timeout_option(default=180, longest=3_600)
@folder_option
@nucleus_option
@root_ca_option
@aws_options
@reporting
def rotate(
    output: Output,
    core_name: str,
    request: Path | None,
    finish: bool,
    cancel: bool,
    seen: bool,
    settle: float,
    timeout: float,
    folder: Path | None,
    nucleus: str,
    root_ca: Path | None,
    region: str | None,
    aws_profile: str | None,
) -> None:
    """Give the core CORE_NAME of a fleet a new certificate beside its old one.

    The archive that is written has only the new key and certificate, which replace the old ones on
    the device. With --finish the old certificate is deactivated first. When telemetry of the core
    still arrives after AWS IoT has disconnected it, the core uses the new one, and the old one is
    deleted. If none arrives, the old one is activated again. Each step can be repeated.
    """
    if finish and cancel:
        raise click.UsageError("give --finish or --cancel, not both")
    if seen and not finish:
        raise click.UsageError("--seen goes with --finish")
    if request is not None:
        if finish or cancel:
            raise click.UsageError("--request begins a rotation: remove --finish and --cancel")
        load_request(request.read_bytes(), str(request))
    if seen or not finish:
        refuse_given("settle", "timeout", because="is for --finish without --seen")
    if finish or cancel:
        refuse_given("nucleus", "root_ca", because="is for the archive that begins a rotation")
    of = clients(region, aws_profile)
    fleet = FleetStack.of_thing(of, names.thing_name(core_name))
    if fleet is None:
        raise MliError(
            f"{core_name} is not a core of a fleet: docs/provisioning.md, 'A new certificate', has "
            "the steps for a core with a stack of its own"
        )
    place = fleet_folder(folder, fleet.name)
    if finish and not seen:
        with Journal.of_fleet(place, fleet) as journal:
            Rotation(of("iot"), fleet, journal, core_name, place).suspend()
        try:  # without the journal, so that other commands can work with it meanwhile
            _wait_for_telemetry(core_name, settle, timeout, output, region, aws_profile)
        except BaseException:
            with _journal_of_any_use(place, fleet) as journal:
                Rotation(of("iot"), fleet, journal, core_name, place).resume()
            raise
    with Journal.of_fleet(place, fleet) as journal:
        rotation = Rotation(of("iot"), fleet, journal, core_name, place)
        if cancel:
            identity = rotation.cancel()
            output.result(
                {"deleted": [identity]}, f"{identity[:10]}… is deleted, the old one is active"
            )
        elif finish:
            if not seen:
                rotation.check_suspended()
            ended = rotation.finish()
            shown = ", ".join(f"{one[:10]}…" for one in ended) or "none was left"
            output.result({"deleted": ended}, f"{core_name}: old certificate deleted ({shown})")
        else:
            identity = rotation.begin(request, cast(Nucleus, nucleus), root_ca)
            layout = v2_layout(fleet.configuration_of(core_name), cast(Nucleus, nucleus))
            file = rotation.keys.path / ROTATION_ARCHIVE
            steps = commands(
                file.name,
                layout,
                cast(Nucleus, nucleus),
                by_claim=rotation.came_by_claim(),
                with_key=request is None,
            )
            given = "" if folder is None else f" --output {shlex.quote(str(folder))}"
            output.result(
                {"certificateId": identity, "archive": str(file), "commands": list(steps)},
                f"{file}: written. {next_steps(file, steps)}\n"
                f"  mli fleet rotate {core_name} --finish{given}",
            )


def _journal_of_any_use(place: Path, fleet: FleetStack) -> Journal:
    """Open the journal, only to read it if another command has it: that must delay nothing."""
    try:
        return Journal.of_fleet(place, fleet)
    except MliError:
        return Journal.of_fleet(place, fleet, dry_run=True)


def _wait_for_telemetry(
    core: str,
    settle: float,
    timeout: float,
    output: Output,
    region: str | None,
    profile: str | None,
) -> None:
    """Wait until telemetry arrives when the old certificate can no longer be connected.

    https://docs.aws.amazon.com/iot/latest/apireference/API_UpdateCertificate.html

    Raises:
        MliError: if none does.
    """
    began = time.monotonic()
    found: list[str] = []

    def note(topic: str, payload: bytes) -> None:
        if time.monotonic() - began >= settle:
            found.append(topic)

    with interrupted() as is_interrupted:

        def is_done() -> bool:
            elapsed = time.monotonic() - began
            output.status(f"{elapsed:.0f} s: waiting for telemetry of {core} …")
            return bool(found) or elapsed >= settle + timeout or is_interrupted()

        Listener(
            with_credentials(None, None, region, profile),
            (device_names.telemetry_topic(core),),
            handle=note,
            is_done=is_done,
            notice=output.say,
        ).run()
        if is_interrupted():
            raise KeyboardInterrupt
    if not found:
        raise MliError(
            f"no telemetry of {core} arrived without its old certificate, which is active again: "
            "is the archive installed on the device? Then repeat; --seen does not wait"
        )
