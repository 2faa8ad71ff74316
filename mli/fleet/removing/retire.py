"""``mli fleet retire``: removes what a fleet's stack does not own, before the stack."""

from __future__ import annotations

from typing import Any

import click

from local_core.output.terminal import counted
from stacks import names

from ...aws import Clients
from ...cli.output import Output, examples, reporting
from ...cli.owner_names import FleetName
from ...device.stacks.fleet import FleetStack
from ...listings import listed, members_of
from ..claims.certificate import FleetClaims
from ..journal import CLAIMS, OF_FLEET, REMOVAL, Journal
from ..options import ManyCores, many_cores_options, yes_option
from ..work import Result, absent_is_done, for_all, patiently
from .removal import CoreRemover, end_deployment
from .removal_plan import deployments_to
from .remove import RemovedCore, report, show_plans

_EXAMPLES = examples(
    "mli fleet retire shop-floor --dry-run",
    "mli fleet retire shop-floor --yes && npx cdk destroy -c fleetName=shop-floor …",
)


@click.command(epilog=_EXAMPLES)
@click.argument("fleet_name", metavar="FLEET", type=FleetName())
@yes_option
@many_cores_options
@reporting
def retire(
    output: Output,
    fleet_name: str,
    yes: bool,
    many: ManyCores,
) -> None:
    """Remove all cores of FLEET, and what its stack does not own.

    First the claims are deleted, so that no more cores join, and the group's deployments, so that
    no core begins one. Then each core is removed as by `mli fleet remove`, then the groups below
    the fleet's, if they are empty. Thing group, role alias and buckets are the stack's, which is
    protected from deletion until all cores are removed: `npx cdk destroy` follows. When repeated,
    the command continues where it ended.
    """
    of = many.clients
    found = FleetStack.find(of, fleet_name)
    only_shows = many.dry_run or not yes
    with many.journal(found, only_reads=only_shows) as journal:
        remover = CoreRemover(of, found, journal, folder=many.place(found))
        if only_shows:
            if (claims := _claims(of, found)) and (number := len(claims.all())):
                output.say(f"{counted(number, 'claim')}, by which devices come, would be deleted")
            cores, foreign = removed_with(of, found, journal)
            _name_foreign(foreign, output)
            output.say(
                f"the termination protection of {names.fleet_stack_name(fleet_name)} would be "
                "lifted at the end"
            )
            show_plans(remover, cores, many, output)
            return
        result = Result()
        cores = retire_all(of, found, remover, journal, many.workers, result, output)
    report(
        result,
        remover,
        cores,
        output,
        next_step=f"npx cdk destroy -c fleetName={fleet_name} …, with the context of its "
        "deployment",
    )
    result.exit()


def retire_all(
    clients: Clients,
    fleet: FleetStack,
    remover: CoreRemover,
    journal: Journal,
    workers: int,
    result: Result,
    output: Output,
) -> list[RemovedCore]:
    """End claims and deployments, remove the members, and delete the groups below the fleet's.

    When all are removed, the stack's termination protection is lifted, so that it can be deleted.
    Returns the cores, also those that came by a claim while others were removed: AWS IoT
    disconnects a claim minutes after its end.
    """
    end_claims(clients, fleet, journal, output)
    for target in filter(None, (fleet.canary_arn, fleet.group_arn)):
        for identity in deployments_to(clients("greengrassv2"), target):
            end_deployment(clients("greengrassv2"), identity)
    iot, removed = clients("iot"), dict[str, RemovedCore]()
    while True:
        cores, foreign = removed_with(clients, fleet, journal)
        _name_foreign(foreign, output)
        for thing in foreign:
            for group in fleet.groups:
                iot.remove_thing_from_thing_group(thingGroupName=group, thingName=thing)
        begun = [core for core in cores if core.name not in removed]
        if not begun:
            break
        removed |= {core.name: core for core in begun}
        for_all(remover.remove, begun, workers, result, output)
        if result.ended is not None:
            break
    if result.is_complete:
        for group in _below(iot, fleet.name):
            _delete_group(clients, fleet, group, output)
        if result.ended is None:  # otherwise more cores may have come
            _lift_protection(clients, fleet)
    return list(removed.values())


def end_claims(clients: Clients, fleet: FleetStack, journal: Journal, output: Output) -> None:
    """Delete the claims of the fleet, if its stack lets cores come by themselves."""
    claims = _claims(clients, fleet)
    if claims is None:
        return
    noted = list(journal.get(OF_FLEET, CLAIMS) or ())
    known = list(dict.fromkeys([*noted, *claims.all()]))
    if not known:
        return
    journal.note(OF_FLEET, CLAIMS, known)
    ended, left = claims.end(known)
    journal.note(OF_FLEET, CLAIMS, left or None)
    output.say(f"{counted(len(ended), 'claim')} ended: no device becomes a core any more")
    for identity in left:
        output.say(f"claim {identity[:10]}… is inactive; it is deleted when you repeat the command")


def _claims(clients: Clients, fleet: FleetStack) -> FleetClaims | None:
    policy = fleet.outputs.get("ClaimPolicy")
    return FleetClaims(clients("iot"), fleet=fleet.name, policy=policy) if policy else None


def _name_foreign(things: list[str], output: Output) -> None:
    for thing in things:
        output.say(f"{thing} only leaves the group: its name is not that of a core")


def removed_with(
    clients: Clients, fleet: FleetStack, journal: Journal
) -> tuple[list[RemovedCore], list[str]]:
    """Return the members of the groups, and the cores whose removal was interrupted.

    The second list has the things that are not cores of this project.
    """
    things = [thing for group in fleet.groups for thing in members_of(clients("iot"), group)]
    cores = {core: None for core in map(names.core_of_thing, things) if core is not None}
    begun = [name for name in journal.cores() if journal.get(name, REMOVAL) or name not in cores]
    foreign = [thing for thing in things if names.core_of_thing(thing) is None]
    return [RemovedCore(name) for name in dict.fromkeys((*cores, *begun))], foreign


def _below(iot: Any, group: str) -> list[str]:
    """Return the groups below one, the deepest first."""
    children = listed(iot, "list_thing_groups", "thingGroups", parentGroup=group, recursive=False)
    named = [str(one["groupName"]) for one in children]
    found = [name for name in named if _parent_of(iot, name) == group]
    return [name for child in found for name in (*_below(iot, child), child)]


def _parent_of(iot: Any, group: str) -> str | None:
    """Return the group above one. What will be deleted is not left to the filter of a list."""
    about = iot.describe_thing_group(thingGroupName=group).get("thingGroupMetadata") or {}
    parent = about.get("parentGroupName")
    return None if parent is None else str(parent)


def _delete_group(clients: Clients, fleet: FleetStack, group: str, output: Output) -> None:
    """Delete a group below the fleet's with its deployments, unless it still has things."""
    iot = clients("iot")
    if iot.list_things_in_thing_group(thingGroupName=group, maxResults=1)["things"]:
        output.say(f"the thing group {group} is kept: it has things that are not the fleet's")
        return
    arn = f"{fleet.group_arn.rpartition('/')[0]}/{group}"
    for identity in deployments_to(clients("greengrassv2"), arn):
        end_deployment(clients("greengrassv2"), identity)
    with absent_is_done():
        patiently(lambda: iot.delete_thing_group(thingGroupName=group))


def _lift_protection(clients: Clients, fleet: FleetStack) -> None:
    """Let the stack of a fleet without cores be deleted."""
    clients("cloudformation").update_termination_protection(
        StackName=names.fleet_stack_name(fleet.name), EnableTerminationProtection=False
    )
