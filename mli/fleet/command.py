"""``mli fleet``: provisions the cores of a fleet, many at once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import click

from ..aws import Clients
from ..cli.options import nucleus_option, root_ca_option
from ..cli.output import Output, examples, reporting
from ..device.generations.layout import Layout, Nucleus
from ..device.generations.v2.deployments import latest_deployment
from ..device.generations.v2.layout import v2_layout
from ..device.stacks.fleet import FleetStack
from ..errors import MliError
from ..listings import members_of
from .core import ARCHIVE, CREATED, UNCHANGED, UPDATED, CoreCreator, on_each_device
from .core_list import FleetCore, read_list
from .options import ManyCores, fleet_option, many_cores_options
from .tags import stack_tags
from .work import MOST_SHOWN, Result, for_all

_EXAMPLES = examples(
    "mli fleet add cores.csv --fleet shop-floor",
    "mli fleet add cores.csv --fleet shop-floor --dry-run",
    "mli fleet add cores.yaml --fleet pumps --nucleus lite --output pumps",
)


@click.command("add", epilog=_EXAMPLES)
@click.argument("cores", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@fleet_option
@nucleus_option
@root_ca_option
@many_cores_options
@reporting
def fleet(
    output: Output,
    cores: Path,
    fleet_name: str,
    nucleus: str,
    root_ca: Path | None,
    many: ManyCores,
) -> None:
    """Provision every core of the list CORES, and put it into the fleet.

    CORES is CSV or YAML: coreName, and certificateSigningRequest if the key is on the device. Each
    core gets a thing, a certificate, its own policies, membership in the fleet's thing group, and
    an archive for its device in the folder --output. The fleet's stack deploys to the group, also
    to cores that join later. With the journal in that folder the command can be resumed: when
    repeated, it continues where it ended. No template grows with the fleet.
    """
    wanted = read_list(cores)
    found = FleetStack.find(many.clients, fleet_name)
    deployed = deployed_components(many.clients, found)
    found.check_group(many.clients)
    layout = v2_layout(found.configuration_of(wanted[0].name), cast(Nucleus, nucleus))
    for note in layout.notes:
        output.say(f"warning: {note}")
    iot = many.clients("iot")
    members = {thing for group in found.groups for thing in members_of(iot, group)}
    result = Result()
    with many.journal(found, only_reads=many.dry_run) as journal:
        creator = CoreCreator(
            many.clients,
            found,
            journal,
            folder=many.place(found),
            nucleus=cast(Nucleus, nucleus),
            root_ca=root_ca,
            tags_of_stack=stack_tags(many.clients, fleet_name),
            members=members,
        )
        do = creator.check_creation if many.dry_run else creator.create
        for_all(do, wanted, many.workers, result, output)
    if many.dry_run:
        values, text = preview(result, deployed, many.place(found), wanted)
    else:
        values, text = summary(result, deployed, many.place(found), wanted, layout)
    output.result({**values, "warnings": list(layout.notes)}, text)
    result.exit()


def deployed_components(clients: Clients, fleet: FleetStack) -> dict[str, str]:
    """Return the versions, by component, that the fleet's stack deploys to its cores.

    Raises:
        MliError: if nothing is deployed to the fleet.
    """
    found = latest_deployment(clients("greengrassv2"), fleet.group_arn)
    components = found[1].get("components") if found else None
    if not components:
        raise MliError(
            f"nothing is deployed to the fleet {fleet.name}: deploy its stack "
            f"(npx cdk deploy -c fleetName={fleet.name} …)"
        )
    return {name: str(one["componentVersion"]) for name, one in components.items()}


def _listed(components: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in sorted(components.items()))


def preview(
    result: Result, components: Mapping[str, str], folder: Path, cores: list[FleetCore]
) -> tuple[dict[str, Any], str]:
    """Return what would be done and what would be refused, for scripts and for people."""
    values = {**result.to_json(), "components": dict(components), "folder": str(folder)}
    lines = result.lines(len(cores), "could be added")
    for what in (CREATED, UPDATED, UNCHANGED):
        if found := [core for core, word in result.done.items() if word == what]:
            more = f" and {len(found) - MOST_SHOWN} more" if len(found) > MOST_SHOWN else ""
            lines.append(f"  {what}: {', '.join(found[:MOST_SHOWN])}{more}")
    lines += [f"each runs {_listed(components)}", "nothing was done"]
    return values, "\n".join(lines)


def summary(
    result: Result,
    components: Mapping[str, str],
    folder: Path,
    cores: list[FleetCore],
    layout: Layout,
) -> tuple[dict[str, Any], str]:
    """Return what was done and what was not, for scripts and for people."""
    commands = layout.commands(ARCHIVE, with_key=all(core.request is None for core in cores))
    values = {
        **result.to_json(),
        "components": dict(components),
        "folder": str(folder),
        "commands": list(commands),
    }
    lines = result.lines(len(cores))
    if result.done:
        lines.append(f"they run {_listed(components)} as soon as they connect")
    if not result.is_complete:
        lines.append("Next, when the cause is fixed: the same command, which continues from here")
    else:
        lines += [*on_each_device(folder, commands), "  mli watch --all"]
    return values, "\n".join(lines)
