"""``mli fleet remove``: takes cores out of a fleet, and deletes what AWS holds of them."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import click

from local_core.output.terminal import counted

from ...cli.output import Output, examples, reporting
from ...cli.owner_names import CoreName, FleetName
from ...device.stacks.fleet import FleetStack
from ...errors import MliError
from ..options import ManyCores, many_cores_options, yes_option
from ..work import MOST_SHOWN, Result, for_all
from .removal import CoreRemover
from .removal_plan import RemovalPlan

_EXAMPLES = examples(
    "mli fleet remove shop-floor press-1 press-2 --dry-run",
    "mli fleet remove shop-floor press-1 press-2 --yes",
)


@dataclass(frozen=True)
class RemovedCore:
    """A core to remove."""

    name: str


@click.command(epilog=_EXAMPLES)
@click.argument("fleet_name", metavar="FLEET", type=FleetName())
@click.argument("cores", metavar="CORE_NAME...", type=CoreName(), nargs=-1, required=True)
@yes_option
@many_cores_options
@reporting
def remove(
    output: Output,
    fleet_name: str,
    cores: tuple[str, ...],
    yes: bool,
    many: ManyCores,
) -> None:
    """Remove the cores CORE_NAME from FLEET, and delete what AWS holds of them.

    For each core: membership in the group, deployments to the core alone, certificate, policies,
    the core device, shadows and thing. What other things use too, or what the fleet has not
    created, is kept and named. The device keeps running what it has, without a connection. When
    repeated, the command continues where it ended.
    """
    of = many.clients
    found = FleetStack.find(of, fleet_name)
    only_shows = many.dry_run or not yes
    with many.journal(found, only_reads=only_shows) as journal:
        remover = CoreRemover(of, found, journal, folder=many.place(found))
        removed = [RemovedCore(name) for name in dict.fromkeys(cores)]
        if only_shows:
            show_plans(remover, removed, many, output)
            return
        result = Result()
        for_all(remover.remove, removed, many.workers, result, output)
    report(
        result, remover, removed, output, next_step="mli fleet add … or a claim adds cores again"
    )
    result.exit()


def show_plans(
    remover: CoreRemover, cores: Sequence[RemovedCore], many: ManyCores, output: Output
) -> None:
    """Show what would be removed of each core.

    Raises:
        MliError: unless this is a dry run, since nothing was removed.
    """
    plans: dict[str, RemovalPlan] = {}
    with ThreadPoolExecutor(many.workers) as pool:
        names = [core.name for core in cores]
        for name, plan in zip(names, pool.map(remover.plan, names), strict=True):
            plans[name] = plan
            output.status(f"{len(plans)} of {len(names)} cores …")
    lines = [f"{name}: {plan}" for name, plan in plans.items()][:MOST_SHOWN]
    if len(plans) > MOST_SHOWN:
        lines.append(f"… and {len(plans) - MOST_SHOWN} more")
    if not many.dry_run:
        for line in lines:
            output.say(line)
        number = counted(len(plans), "core")
        raise MliError(f"{number} would be removed for good: add --yes")
    values = {"cores": {name: plan.to_json() for name, plan in plans.items()}}
    output.result(values, "\n".join([*lines, "nothing was removed"]))


def report(
    result: Result,
    remover: CoreRemover,
    cores: Sequence[RemovedCore],
    output: Output,
    *,
    next_step: str,
) -> None:
    """Write what was removed, what was kept, and what follows."""
    kept = {name: texts for name, texts in remover.kept.items() if texts}
    lines = result.lines(len(cores), "removed")
    lines += [f"  {name}: kept {text}" for name, texts in sorted(kept.items()) for text in texts]
    if result.is_complete:
        lines.append(f"Next: {next_step}")
    else:
        lines.append("Next, when the cause is fixed: the same command, which continues from here")
    output.result({**result.to_json(), "kept": kept}, "\n".join(lines))
